"""Names and texts that a server gives, made safe to show and to put before a model.

A server's words are data from outside: bounded, printable, without what could pass for markup or a
speaker's mark. They can still be misleading; that is why calls are bounded, asked for and audited.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

PREFIX: Final = "mcp"
MAX_NAME_CHARS: Final = 64
"""What model servers take as the name of a tool."""
_TAG_CHARS: Final = 6
_SIGN_CHARS: Final = 2
"""As long as ``<=``."""
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_ODD: Final = re.compile(r"[^a-z0-9]+")
_SPEAKER: Final = re.compile(r"\[(?=/?INST\])", re.IGNORECASE)
_ANGLES: Final = str.maketrans({"<": "\u2039", ">": "\u203a"})


def server_prefix(server: str) -> str:
    """Return what the names of all tools of this server begin with.

    >>> server_prefix("github")
    'mcp_github_'
    """
    return f"{PREFIX}_{server}_"


def tool_names(server: str, raw: Sequence[str]) -> dict[str, str]:
    """Return the name that each of a server's tools has for agents, by the server's own name.

    Tools whose names become the same, or too long, are told apart by a hash of their own name, so
    that the order in which a server lists them cannot exchange one for another.

    >>> tool_names("git", ["createIssue", "create-pr", "create_pr"])["createIssue"]
    'mcp_git_create_issue'
    """
    plain = {name: server_prefix(server) + _snake(name) for name in raw}
    taken = list(plain.values())
    return {
        name: made if taken.count(made) == 1 and _fits(made, name) else _tagged(made, name)
        for name, made in plain.items()
    }


def clean_text(text: object, max_chars: int) -> str:
    """Return one printable line of what should be a text; empty for anything else.

    >>> clean_text("Adds  two" + chr(10) + chr(0x202E) + "numbers", 40)
    'Adds two numbers'
    """
    if not isinstance(text, str):
        return ""
    start = text[: 4 * max_chars]
    shown = "".join(" " if char.isspace() else char for char in start if _is_seen(char))
    line = _SPEAKER.sub("[ ", " ".join(shown.split()).translate(_ANGLES))
    return line if len(line) <= max_chars else f"{line[: max_chars - 1]}…"


def is_plain(text: str, max_chars: int) -> bool:
    """Say whether a text can be shown as it is; comparison signs are no markup."""
    return clean_text(text, max_chars) == text or (len(text) <= _SIGN_CHARS and text.isprintable())


def blotted(value: Any, blot: Callable[[str], str]) -> Any:  # noqa: ANN401  any JSON value
    """Return a JSON value with ``blot`` applied to every text in it, names of members included."""
    match value:
        case str():
            return blot(value)
        case Mapping():
            return {blot(str(key)): blotted(item, blot) for key, item in value.items()}
        case list():
            return [blotted(item, blot) for item in value]
        case _:
            return value


def _snake(name: str) -> str:
    return _ODD.sub("_", _HUMP.sub("_", name).lower()).strip("_") or "tool"


def _fits(made: str, raw: str) -> bool:
    """Whether the name is short enough and something of the raw name is left in it."""
    return len(made) <= MAX_NAME_CHARS and any(char.isascii() and char.isalnum() for char in raw)


def _tagged(made: str, raw: str) -> str:
    tag = hashlib.sha256(raw.encode(errors="surrogatepass")).hexdigest()[:_TAG_CHARS]
    return f"{made[: MAX_NAME_CHARS - _TAG_CHARS - 1].rstrip('_')}_{tag}"


def _is_seen(char: str) -> bool:
    """Whether a reader sees the character; direction marks and other invisible ones are hidden."""
    return char.isspace() or not unicodedata.category(char).startswith("C")
