"""Understands requests for a small program, and takes the program out of what a model wrote.

Pure text work by fixed rules. It must not judge whether the program does what was asked.
"""

import re
from dataclasses import dataclass

DEFAULT_LANGUAGE = "python"
MAX_WISH_CHARS = 1_000
"""Who describes a program at more length wants a larger model."""

_LANGUAGES = {
    "python": "python", "python3": "python", "py": "python", "javascript": "javascript",
    "js": "javascript", "node": "javascript", "node.js": "javascript", "bash": "bash",
    "shell": "bash", "sh": "bash",
}  # fmt: skip
_LANGUAGE = re.compile(r"\b(python3?|javascript|js|node(?:\.js)?|bash|shell)\b", re.IGNORECASE)
_PROGRAM = re.compile(
    r"\b(?:write|create|make|build|code|develop|need|want|give me)\b[^.!?\n]{0,60}?"
    r"\b(?:script|program|code)\b",
    re.IGNORECASE,
)
_RUN = re.compile(r"\b(?:run|execute|its output|the output|the result)\b", re.IGNORECASE)
_NOT_RUN = re.compile(r"\b(?:don'?t|do not|without) (?:run|execut)", re.IGNORECASE)
_AFTERWARDS = re.compile(
    r"[,.;:]?\s*(?:\b(?:and|then|also|please)\b[\s,]*)*"
    r"\b(?:run|runs|execute|save|store|tell me|show|send|report)\b.*\Z",
    re.IGNORECASE | re.DOTALL,
)
_PATH = r"[`'\"“”]?(?P<path>[\w][\w./-]{0,80}\.[A-Za-z0-9]{1,6})\b"
_SAVE = re.compile(
    rf"\b(?:save|store|write|put|redirect)\b(?P<what>[^.!?\n]*?)\b(?:to|in|into|as|named|called)\s+"
    rf"(?:an?\s+|the\s+)?(?:file\s+)?(?:named\s+|called\s+)?{_PATH}",
    re.IGNORECASE,
)
_ITSELF = re.compile(r"\b(?:script|program|code)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramWish:
    """A program that is to be written and run."""

    language: str
    what: str
    """What it is to do, in the person's words, without what is to happen afterwards."""
    output_path: str = ""
    """The file for what it prints; empty for none."""
    program_path: str = ""
    """The file for the program itself; empty for none."""


def program_wish(goal: str) -> ProgramWish | None:
    """Return the program that the goal wants written and run; None when it wants none."""
    text = " ".join(goal.split())
    if len(text) > MAX_WISH_CHARS or "```" in goal or not _PROGRAM.search(text):
        return None
    cut = _AFTERWARDS.search(text)
    what, afterwards = (text[: cut.start()], text[cut.start() :]) if cut else (text, "")
    saved = [(m.group("what"), m.group("path")) for m in _SAVE.finditer(afterwards)]
    programs = [path for what, path in saved if _ITSELF.search(what)]
    outputs = [path for what, path in saved if not _ITSELF.search(what)]
    if _NOT_RUN.search(text) or not (_RUN.search(text) or outputs):
        return None
    named = _LANGUAGE.search(text)
    return ProgramWish(
        language=_LANGUAGES[named.group(1).lower()] if named else DEFAULT_LANGUAGE,
        what=what.strip(" .,") or text,
        output_path=outputs[-1] if outputs else "",
        program_path=programs[-1] if programs else "",
    )


_BLOCK = re.compile(r"```[ \t]*([A-Za-z0-9+.#-]*)[ \t]*\r?\n(.*?)(?:\n?```|\Z)", re.DOTALL)


def program_in(text: str) -> str:
    """Return the first program in a reply: its first block of code, else the whole of it."""
    block = _BLOCK.search(text)
    code = block.group(2) if block else text
    lines = [line.rstrip() for line in code.strip("\n").splitlines()]
    return "\n".join(lines).strip("\n")
