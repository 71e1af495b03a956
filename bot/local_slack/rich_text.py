"""How what a person types becomes a Slack message: escaping, mentions, links, rich text blocks."""

import re
from collections.abc import Callable, Iterator

from bot.local_slack.records import Json

_TOKEN = re.compile(
    r"(?P<marked><(?:@[UW][A-Z0-9]+|#C[A-Z0-9]+(?:\|[^<>|]*)?|!(?:here|channel|everyone)"
    r"|https?://[^<>\s]+)>)"
    r"|(?P<url>https?://[^\s<>]+[^\s<>.,;:!?)\]'\"])"
    r"|(?P<at>(?<![\w@.])@(?P<name>[a-z0-9][a-z0-9._-]*[a-z0-9]|[a-z0-9]))"
    r"|(?P<hash>(?<![\w#&])#(?P<channel>[a-z0-9][a-z0-9_-]*))",
    re.IGNORECASE,
)
_BROADCASTS = ("here", "channel", "everyone")
_EMOJI = re.compile(r":(?P<name>[a-z0-9_+'-]+(?:::skin-tone-[2-6])?):")
_CODE = re.compile(r"(```[\s\S]*?```|`[^`\n]+`)")
FindId = Callable[[str], str | None]


def escape(text: str) -> str:
    """Escape the three characters that Slack's markup reserves."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """Undo `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def typed(text: str, *, user_id: FindId, channel_id: FindId) -> str:
    """Turn typed text into Slack's wire text: `@ada` and links become marked, the rest escaped.

    Marks that are already in wire form, such as `<@U…>`, are kept; in code nothing is marked.
    """
    parts = [
        escape(part) if index % 2 else _marked_up(part, user_id, channel_id)
        for index, part in enumerate(_CODE.split(text))
    ]
    return "".join(parts)


def rich_text_block(text: str, *, block_id: str) -> Json:
    """Make the rich_text block that Slack's composer adds to a person's message."""
    section = {"type": "rich_text_section", "elements": list(_elements(text))}
    return {"type": "rich_text", "block_id": block_id, "elements": [section]}


def _marked_up(text: str, user_id: FindId, channel_id: FindId) -> str:
    parts: list[str] = []
    end = 0
    for match in _TOKEN.finditer(text):
        parts.append(escape(text[end : match.start()]))
        parts.append(_wire(match, user_id=user_id, channel_id=channel_id))
        end = match.end()
    parts.append(escape(text[end:]))
    return "".join(parts)


def _wire(match: re.Match[str], *, user_id: FindId, channel_id: FindId) -> str:
    if match["marked"]:
        return match["marked"]
    if match["url"]:
        return f"<{escape(match['url'])}>"
    if match["name"]:
        return _mention(match["name"], user_id)
    found = channel_id(match["channel"])
    return f"<#{found}|{match['channel']}>" if found else f"#{match['channel']}"


def _mention(name: str, user_id: FindId) -> str:
    if name in _BROADCASTS:
        return f"<!{name}>"
    found = user_id(name.lower())
    return f"<@{found}>" if found else f"@{name}"


_MARKED = re.compile(r"<([@#!]|https?://)([^<>|]*)(?:\|([^<>]*))?>")


def _elements(text: str) -> Iterator[Json]:
    end = 0
    for match in _MARKED.finditer(text):
        yield from _plain(text[end : match.start()])
        yield _marked(match)
        end = match.end()
    yield from _plain(text[end:])


def _marked(match: re.Match[str]) -> Json:
    sign, rest = match[1], match[2]
    if sign == "@":
        return {"type": "user", "user_id": rest}
    if sign == "#":
        return {"type": "channel", "channel_id": rest}
    if sign == "!":
        return {"type": "broadcast", "range": rest}
    return {"type": "link", "url": unescape(sign + rest)}


def _plain(text: str) -> Iterator[Json]:
    end = 0
    for match in _EMOJI.finditer(text):
        if match.start() > end:
            yield {"type": "text", "text": unescape(text[end : match.start()])}
        yield {"type": "emoji", "name": match["name"]}
        end = match.end()
    if end < len(text):
        yield {"type": "text", "text": unescape(text[end:])}
