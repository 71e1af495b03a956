"""Making texts that people, models and tools wrote safe and short enough to show. Pure."""

import re
from datetime import timedelta

_MARKS = dict.fromkeys(
    [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""Control characters, and those that turn the reading direction around to disguise a text."""
_KEEP = (0x09, 0x0A)
_DELETE = {code: None for code in _MARKS if code not in _KEEP}
_CODE = re.compile(r"```.*?(?:```|$)", re.DOTALL)
_HALF_ENTITY = re.compile(r"&[a-zA-Z#0-9]{0,8}$")
_SURROGATES = re.compile("[\ud800-\udfff]")

_MINUTE_S = 60
_HOUR_S = 3_600
_CENT = 0.01


def clean(text: str) -> str:
    """Remove what is never meant to be seen: control and direction characters, lone surrogates."""
    return _SURROGATES.sub("\ufffd", text.replace("\r\n", "\n")).translate(_DELETE)


def one_line(text: str, limit: int) -> str:
    """Return the text in one line of at most ``limit`` characters, shortened with an ellipsis."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: max(0, limit - 1)].rstrip() + "…"


def headline(text: str, limit: int) -> str:
    """Return the text as a title in one line: without code blocks, which break a link's label.

    >>> headline("run this: ```sleep 60``` then read `a.txt`", 80)
    "run this: … then read 'a.txt'"
    """
    return one_line(_CODE.sub(" … ", text).replace("`", "'"), limit)


def escape(text: str) -> str:
    """Escape what mrkdwn gives a meaning, so that no text can mention or link."""
    return clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(mrkdwn: str, limit: int) -> str:
    """Shorten mrkdwn to ``limit`` characters without cutting a link, mention or entity in two."""
    if len(mrkdwn) <= limit:
        return mrkdwn
    head = mrkdwn[: limit - 1]
    if head.rfind("<") > head.rfind(">"):
        head = head[: head.rfind("<")]
    head = _HALF_ENTITY.sub("", head)
    return head.rstrip() + "…"


def duration(seconds: float) -> str:
    """Say a duration as people do: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if 0 < seconds < 0.1:  # noqa: PLR2004  # what took some time did not take none
        return "0.1 s"
    if seconds < 10:  # noqa: PLR2004  # below ten seconds a tenth matters
        return f"{seconds:.1f} s".replace(".0 s", " s")
    whole = int(timedelta(seconds=seconds).total_seconds())
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        minutes, rest = divmod(whole, _MINUTE_S)
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, rest = divmod(whole // _MINUTE_S, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"


def money(usd: float) -> str:
    """Say an amount of US dollars, small ones with more digits."""
    return f"${usd:.2f}" if usd >= _CENT or usd == 0 else f"${usd:.4f}"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Say a number of things: ``1 step``, ``12,300 tokens``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
