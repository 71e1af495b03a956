"""Arguments of tool calls as people have to see them before they allow one: exactly. Pure.

No two different texts look the same here: what a reader could not see, or could take for something
else, is written out. Nothing is shortened here.
"""

import json
import re
import unicodedata
from collections.abc import Iterator

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"})
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks by their category that show nothing."""
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810))
_LINE_END, _TAB, _BLANK, _OPEN = "↵", "⇥", "␠", "⟨"
_OURS = frozenset((_LINE_END, _TAB, _BLANK, _OPEN))
"""Signs that stand for something else here, so that their own selves are written out."""
_TRAILING = re.compile(r" +(?=\n|\Z)")


def made_visible(text: str) -> str:
    r"""Return the text with all in it that does not show written out.

    Lines stay lines, each end marked; blanks at an end too.

    >>> made_visible("rm -rf \u202e/tmp \nexit")
    'rm -rf ⟨U+202E⟩/tmp␠↵\nexit'
    """
    signs = _TRAILING.sub(lambda found: _BLANK * len(found[0]), "".join(_signs(text)))
    return signs.replace("\n", f"{_LINE_END}\n")


def shown_value(value: object) -> str:
    """Return an argument as it is shown: a text as it is, everything else as JSON."""
    if isinstance(value, str):
        return made_visible(value)
    lines = json.dumps(value, ensure_ascii=False, indent=2, default=str).split("\n")
    return "\n".join(made_visible(line) for line in lines)


def kind_of(value: object) -> str:
    """Return a word for what the value is, where it is no text; empty for a text."""
    match value:
        case str():
            return "" if value else "empty"
        case bool():
            return "yes or no"
        case int() | float():
            return "number"
        case None:
            return "nothing"
        case list() | tuple():
            return "list"
        case _:
            return "object"


# ------------------------------------------------------------------------------------------------


def _signs(text: str) -> Iterator[str]:
    for sign in text:
        match sign:
            case "\t":
                yield _TAB
            case "\n" | " ":
                yield sign
            case _:
                yield f"⟨U+{ord(sign):04X}⟩" if _is_hidden(sign) else sign


def _is_hidden(sign: str) -> bool:
    if sign in _OURS or sign in _BLANKS:
        return True
    if unicodedata.category(sign) in _HIDDEN_CATEGORIES:
        return True
    return any(ord(sign) in selectors for selectors in _SELECTORS)
