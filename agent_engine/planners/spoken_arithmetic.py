"""Reads arithmetic in signs or words: ``17 * 23``, ``3 plus 4 squared``, ``15% of 80``.

It only rewrites text into an expression; working it out is the calculator's job.
"""

import re

LAST = (
    r"(?:it|that|this|(?:the|that|its) (?:\w+ )?(?:results?|outputs?|answer|number|value|contents?"
    r"|text|data|response))"
)
"""How people speak of the result before."""

_SPOKEN = (
    (r"\b(?:multiplied by|times)\b", "*"), (r"\bdivided by\b", "/"), (r"\bplus\b", "+"),
    (r"\bminus\b", "-"), (r"\b(?:to the power of|raised to)\b", "**"), (r"\bmod(?:ulo)?\b", "%"),
    (r"\bsquared\b", "**2"), (r"\bcubed\b", "**3"), (r"\bsquare root of\s+([\d.]+)", r"sqrt(\1)"),
    (r"(\d[\d.]*)\s*(?:%|percent) of\b", r"\1/100*"), (r"[\u00d7\u00b7]", "*"),
    (r"\u00f7", "/"), (r"\u2212", "-"),
    (r",\s*(?=[-+*/])", " "), (r"\^", "**"),
    (r"(?<=[\d)])\s*x\s*(?=[\d(])", " * "), (r"(?<=\d),(?=\d{3}\b)", ""),
)  # fmt: skip
_MATHS = re.compile(
    r"(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\.\d+|\{last\}|[-+*/%(),\s]"
    r"|\b(?:sqrt|abs|round|min|max|floor|ceil|sin|cos|tan|log|log10|log2|exp|factorial|pi|e|gcd)\b)+"
)
_WORKING = re.compile(r"[\d}e)i]\s*(?:\*\*|[-+*/%])\s*[\w({+.-]|\b[a-z]\w+\(")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}/\d{1,2}/\d{2,4}")
_ASKS = re.compile(
    r"(?:calculate|compute|evaluate|work out|solve|what(?:'s|s| is| are| does)|how much (?:is|are)"
    r"|tell me|give me)\s+(?:the (?:value|result|sum|product) of\s+)?(?:what\s+)?(?P<what>.+?)"
    r"(?:\s+(?:is|equals?))?\s*=?",
    re.IGNORECASE,
)


def expression_in(text: str) -> str | None:
    """Return the text as an arithmetic expression; None when it is something else."""
    asked = _ASKS.fullmatch(text)
    words = asked.group("what") if asked else text.rstrip(" =")
    words = re.sub(rf"\b{LAST}\b", "{last}", words, flags=re.IGNORECASE)
    for pattern, sign in _SPOKEN:
        words = re.sub(pattern, sign, words, flags=re.IGNORECASE)
    words = re.sub(r"\bthe\s+(?=sqrt\()", "", words).strip()
    if _DATE.fullmatch(words):
        return None
    if not _MATHS.fullmatch(words) or not re.search(r"\d|\{last\}|\bpi\b", words):
        return None
    if not (asked and re.search(r"\d", words)) and not _WORKING.search(words):
        return None
    return re.sub(r"\s+", " ", words)
