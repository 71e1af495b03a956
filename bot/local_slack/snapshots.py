"""Messages as plain data without ids and times, so that two runs can be compared."""

import re

from bot.local_slack.core import Core
from bot.local_slack.records import Json, Message

_VARYING = frozenset({"block_id", "action_ts"})
_USER = re.compile(r"<@([UW][A-Z0-9]+)>")


def plain_message(core: Core, message: Message) -> Json:
    """Give what people see of a message; names instead of user ids, nothing that differs by run."""
    people, files = core.state.people, core.files.files
    plain: Json = {
        "user": message.username or people[message.user].name,
        "text": _named(core, message.text),
        "blocks": _without_ids(core, message.blocks or []),
        "reactions": {
            name: [people[u].name for u in users] for name, users in message.reactions.items()
        },
        "files": [files[f].name for f in message.files if f in files],
        "is_streaming": message.is_streaming,
    }
    if message.subtype:
        plain["subtype"] = message.subtype
    return plain


def _named(core: Core, text: str) -> str:
    people = core.state.people

    def name(match: re.Match[str]) -> str:
        person = people.get(match[1])
        return f"<@{person.name}>" if person else match[0]

    return _USER.sub(name, text)


def _without_ids(core: Core, value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_ids(core, v) for k, v in value.items() if k not in _VARYING}
    if isinstance(value, str) and value in core.state.people:
        return core.state.people[value].name
    if isinstance(value, list):
        return [_without_ids(core, v) for v in value]
    return _named(core, value) if isinstance(value, str) else value
