"""Where code and tables are in a Markdown text, line by line. Pure; keeps every character."""

import re
from dataclasses import dataclass

_OPENING = re.compile(
    r"^(?P<indent>[ \t]{0,40}(?:>[ \t]?|(?:[-*+]|\d{1,9}[.)])[ \t]{1,4}){0,8}[ \t]{0,40})"
    r"(?P<marks>`{3,}|~{3,})(?P<info>[^\n]*)"
)
_TABLE_RULE = re.compile(r"^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_MAX_LANGUAGE = 40
_MAX_MARKS = 20
_MAX_RULE = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a text, its line end included, and what it is part of."""

    text: str
    fence: "Fence | None" = None
    """The code block that goes on at the line's beginning; None outside and at its opening."""
    opens: bool = False
    """Whether a code block begins here."""
    closes: bool = False
    table: str = ""
    """Head and rule of the table that goes on at the beginning of this line."""

    @property
    def is_code(self) -> bool:
        """Whether the line belongs to a code block, its fences included."""
        return self.opens or self.fence is not None

    @property
    def is_blank(self) -> bool:
        """Whether nothing is on the line."""
        return not self.text.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """An open code block: how to open the same again, and how to close it."""

    reopening: str
    closing: str
    marks: str


def lines_of(text: str) -> list[Line]:
    """Return the lines of the text; joined they are the text."""
    lines: list[Line] = []
    fence: Fence | None = None
    head = ""
    for raw in re.findall(r"[^\n]*\n|[^\n]+", text):
        if fence is not None:
            closes = _closes(raw, fence)
            lines.append(Line(text=raw, fence=fence, closes=closes))
            fence = None if closes else fence
            continue
        fence = _opened(raw)
        head = "" if fence else _table_after(raw, lines, head)
        goes_on = head if head and not head.endswith(raw) else ""
        lines.append(Line(text=raw, opens=fence is not None, table=goes_on))
    return lines


# ------------------------------------------------------------------------------------------------


def _opened(raw: str) -> Fence | None:
    found = _OPENING.match(raw)
    if found is None or (found["marks"][0] == "`" and "`" in found["info"]):
        return None
    indent = re.sub(r"[^ \t>]", " ", found["indent"])
    marks = found["marks"][:_MAX_MARKS]
    language = found["info"].strip()[:_MAX_LANGUAGE].split(" ")[0]
    return Fence(
        reopening=f"{indent}{marks}{language}\n", closing=f"{indent}{marks}\n", marks=found["marks"]
    )


def _closes(raw: str, fence: Fence) -> bool:
    bare = raw.strip().lstrip("> \t")
    return len(bare) >= len(fence.marks) and bare.strip(fence.marks[0]) == "" and bool(bare)


def _table_after(raw: str, lines: list[Line], head: str) -> str:
    """Return head and rule of the table that this line is part of; empty for none."""
    if head:
        return head if "|" in raw else ""
    before = lines[-1] if lines else None
    if before is None or before.is_code or "|" not in before.text or "|" not in raw:
        return ""
    is_rule = len(raw) <= _MAX_RULE and _TABLE_RULE.match(raw)
    return before.text + raw if is_rule else ""
