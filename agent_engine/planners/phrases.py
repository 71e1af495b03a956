"""What the offline planner understands: a goal in words, cut into clauses, each read as a wish.

Pure text work by fixed rules, no model. It must not know tools or plans: a wish says what a person
wants, in the words of ``Wish``'s cases; anything it cannot read is ``Unclear``, never a guess.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent_engine.planners.spoken_arithmetic import LAST, expression_in
from agent_engine.planners.wishes import (
    Calculate,
    Fetch,
    Nothing,
    OnFile,
    Recall,
    Remember,
    RunCode,
    Unclear,
    Wish,
    WriteFile,
)

MAX_GOAL_CHARS = 20_000
MAX_PROSE_CHARS = 1_500
"""Words beside code and quotations; who writes more wants a language model."""

MAX_WISHES = 12


def read_goal(goal: str) -> tuple[Wish, ...]:
    """Return the wishes in a goal, in order, without those that need nothing done."""
    held = _Held()
    text = _SPACES.sub(" ", held.take_out(goal[:MAX_GOAL_CHARS].replace("\0", "")))
    if len(text) > MAX_PROSE_CHARS:
        return (Unclear(text=held.put_back(text[:MAX_PROSE_CHARS])),)
    wishes: list[Wish] = []
    for clause in _clauses(text):
        if len(wishes) == MAX_WISHES:
            return (*wishes, Unclear(text=held.put_back(clause)))
        wish = _with_path(_read(clause, held), wishes)
        if not isinstance(wish, Nothing):
            wishes.append(wish)
    return tuple(wishes)


def _with_path(wish: Wish, before: Sequence[Wish]) -> Wish:
    """Let "it" be the file spoken of before."""
    if not isinstance(wish, OnFile) or wish.path.lower() not in _IT:
        return wish
    paths = [earlier.path for earlier in before if isinstance(earlier, WriteFile | OnFile)]
    if not paths:
        return Unclear(text=f"{wish.operation} {wish.path}")
    return OnFile(operation=wish.operation, path=paths[-1])


_IT = frozenset({"it", "this", "that"})

# -- what must not be cut ------------------------------------------------------------------------

_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")
_TICKS = re.compile(r"`{3,}")
_LANGUAGE = re.compile(
    r"([A-Za-z0-9+#.-]*)[ \t]*\r?\n|(python3?|py|javascript|js|node|bash|sh|shell)[ \t]+",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"(?<![\w'])(?:\"([^\"\n]*)\"|'([^'\n]*)'(?!\w)|`([^`\n]+)`|“([^”\n]*)”|‘([^’\n]*)’(?!\w))"  # noqa: RUF001  # the quotation marks people type
)
_URL = re.compile(r"<(https?://[^>|\s]+)(?:\|[^>]*)?>|(https?://[^\s<>\"'`]+)")
_HELD = re.compile("\0([CQU])(\\d+)\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Code:
    language: str
    code: str


class _Held:
    """Keeps code, quotations and addresses aside while the rest is cut and read."""

    def __init__(self) -> None:
        self.codes: list[_Code] = []
        self.texts: list[str] = []

    def take_out(self, text: str) -> str:
        """Return the text with a mark in place of each code block, address and quotation."""
        text = self._without_code(text)
        text = _URL.sub(self._url, text)
        return _QUOTED.sub(self._quote, text)

    def put_back(self, text: str) -> str:
        """Return the text as the person wrote it, near enough to be quoted back."""
        return _HELD.sub(self._original, text).strip()

    def _without_code(self, text: str) -> str:
        """Take out each block between two runs of ticks, the second as long as the first."""
        parts: list[str] = []
        at = 0
        opening: re.Match[str] | None = None
        for run in _TICKS.finditer(text):
            if opening is None:
                parts.append(text[at : run.start()])
                opening = run
            elif len(run.group()) >= len(opening.group()):
                parts.append(self._code(text[opening.end() : run.start()]))
                opening = None
            at = run.end()
        if opening is not None:
            return "".join(parts) + text[opening.start() :]
        return "".join(parts) + text[at:]

    def _code(self, block: str) -> str:
        marked = _LANGUAGE.match(block)
        language = (marked.group(1) or marked.group(2) or "").lower() if marked else ""
        code = block[marked.end() :] if marked else block
        self.codes.append(_Code(language=language, code=code.rstrip(" \t").removesuffix("\n")))
        return f" \0C{len(self.codes) - 1}\0 "

    def _url(self, match: re.Match[str]) -> str:
        url = match.group(1) or match.group(2)
        kept = url if match.group(1) else url.rstrip(".,;:!?)")
        self.texts.append(kept)
        return f"\0U{len(self.texts) - 1}\0" + ("" if match.group(1) else url[len(kept) :])

    def _quote(self, match: re.Match[str]) -> str:
        self.texts.append(next(group for group in match.groups() if group is not None))
        return f"\0Q{len(self.texts) - 1}\0"

    def _original(self, match: re.Match[str]) -> str:
        index = int(match.group(2))
        match match.group(1):
            case "C":
                return "(the code block)"
            case "U":
                return self.texts[index]
            case _:
                return f'"{self.put_back(self.texts[index])}"'


# -- cutting -------------------------------------------------------------------------------------

_VERBS = (
    r"(?:calculate|compute|evaluate|multiply|divide|add|subtract|square|double|halve|run|execute"
    r"|save|store|write|put|create|read|show|print|display|list|fetch|get|download|delete|remove"
    r"|remember|tell|give|what(?:'s| is| do))\b"
)
_BREAK = re.compile(
    rf"[\n;]+|[,.]?\s*\b(?:and\s+)?then\b[,:]?\s*|,\s*(?:and\s+)?(?={_VERBS})|\s+and\s+(?={_VERBS})"
    r"|(?<=[^\s.])[.!?]+(?=\s|$)|\s*\b(?:after that|afterwards|finally)\b[,:]?\s*",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"^(?:<@\w+>|@\w+|hey|hi|hello|ok(?:ay)?|please|now|first|next|also|so|and|just"
    r"|(?:can|could|would|will) you|i(?:'d| would) like you to|i want you to|let'?s|go ahead and)"
    r"(?=[\s,:!]|$)[\s,:!]*",
    re.IGNORECASE,
)
_TRAIL = re.compile(
    r"[\s,]*\b(?:please|thanks|thank you|for me|now|quickly)\b[\s.!]*$|[\s.!?:,]+$", re.IGNORECASE
)


def _clauses(text: str) -> list[str]:
    bare = [_bare(part) for part in _BREAK.split(text)]
    clauses: list[str] = []
    for part in filter(None, bare):
        # "Run this:" on one line and the code block on the next belong together.
        if clauses and _is_only_code(part) and _announces_code(clauses[-1]):
            clauses[-1] = f"{clauses[-1]} {part}"
        else:
            clauses.append(part)
    return clauses


def _bare(clause: str) -> str:
    """Return the clause without courtesies around it."""
    before = None
    while clause != before:
        before = clause
        clause = _TRAIL.sub("", _POLITE.sub("", clause.strip()))
    return clause


def _is_only_code(clause: str) -> bool:
    return re.fullmatch("\0C\\d+\0", clause) is not None


def _announces_code(clause: str) -> bool:
    return _CODE_RUN.fullmatch(clause) is not None or _TO_FILE_AHEAD.fullmatch(clause) is not None


# -- reading -------------------------------------------------------------------------------------

_PATH = "(?:the )?(?:file )?(?:named |called )?(\0Q\\d+\0|[^\\s\0,:]+)(?: file)?"
_TO = r"(?:to|in|into|as|at|under)"
_SAVE = r"(?:save|write|store|put|dump|print)"


def _read(clause: str, held: _Held) -> Wish:
    if "\0C" in clause:
        return _read_code(clause, held)
    for pattern, make in _RULES:
        if match := pattern.fullmatch(clause):
            return make(match, held)
    expression = expression_in(clause)
    if expression is not None:
        return Calculate(expression=expression)
    return Unclear(text=held.put_back(clause))


def _word(match: re.Match[str], held: _Held, group: int = 1) -> str:
    """Return what a group stands for: the held text of a mark, else its own words."""
    text = match.group(group) or ""
    return _HELD.sub(lambda mark: held.put_back(held.texts[int(mark.group(2))]), text).strip()


_CODE_WITH_INPUT = re.compile(
    "\\bwith (?:the )?(?:input|stdin) (\0Q\\d+\0|[^\\s\0]+)", re.IGNORECASE
)
_CODE_TO_FILE = re.compile(
    rf"{_SAVE}\b[^\0]*?(?:\0C\d+\0)?[^\0]*?\b{_TO} {_PATH}[^\0]*(?:\0C\d+\0)?", re.IGNORECASE
)
_TO_FILE_AHEAD = re.compile(
    rf"{_SAVE} (?:this|the|my) (?:code|script|program)?\s*{_TO} {_PATH}:?", re.IGNORECASE
)
_CODE_RUN = re.compile(
    r"(?:(?:run|execute|try|test|start|evaluate|what does|what is the output of|this|the|following"
    r"|output|print|prints|do|does|code|script|program|snippet|block|python3?|javascript|js|node"
    r"|bash|shell|sh|in|of|it|me|and|show|tell|result|return|here|is|my|some)\b[\s,:?]*)*",
    re.IGNORECASE,
)


def _read_code(clause: str, held: _Held) -> Wish:
    marks = _HELD.findall(clause)
    codes = [held.codes[int(index)] for kind, index in marks if kind == "C"]
    if len(codes) != 1 or not codes[0].code.strip():
        return Unclear(text=held.put_back(clause))
    stdin = _CODE_WITH_INPUT.search(clause)
    words = _CODE_WITH_INPUT.sub("", clause)
    if match := _CODE_TO_FILE.fullmatch(words):
        return WriteFile(path=_word(match, held), content=codes[0].code + "\n")
    words = re.sub("\0C\\d+\0", " ", words).strip()
    if not _CODE_RUN.fullmatch(words):
        return Unclear(text=held.put_back(clause))
    language = _language(codes[0], words)
    if language is None:
        return Unclear(text=f"{held.put_back(clause)} ({codes[0].language})")
    given = _word(stdin, held) if stdin else ""
    return RunCode(language=language, code=codes[0].code, stdin=given)


_LANGUAGES = {
    "python": "python", "python3": "python", "py": "python", "javascript": "javascript",
    "js": "javascript", "node": "javascript", "bash": "bash", "sh": "bash", "shell": "bash",
    "console": "bash", "": "",
}  # fmt: skip
_LOOKS_LIKE = (
    (
        "bash",
        re.compile(r"^#!.*\b(?:ba)?sh\b|^\s*(?:echo|ls|cat|grep|cd|export|set -)\b", re.MULTILINE),
    ),
    (
        "javascript",
        re.compile(r"console\.log|^\s*(?:const|let|var|function)\s|=>|require\(", re.MULTILINE),
    ),
)


def _language(block: _Code, words: str) -> str | None:
    """Return the block's language: as marked, else as said, else as it looks; None for others."""
    marked = _LANGUAGES.get(block.language)
    if marked is None or marked:
        return marked
    for word in re.findall(r"\w+", words.lower()):
        if _LANGUAGES.get(word):
            return _LANGUAGES[word]
    return next((name for name, look in _LOOKS_LIKE if look.search(block.code)), "python")


# -- arithmetic on the last result --------------------------------------------------------------

_ON_LAST = {"multiply": "*", "divide": "/", "add": "+", "subtract": "-"}


def _change_last(match: re.Match[str], held: _Held) -> Wish:
    del held
    sign = _ON_LAST[match.group(1).lower()]
    number = match.group(2) or match.group(3)
    return Calculate(expression=f"({{last}}) {sign} {number}")


_POWERS = {"square": "({last})**2", "double": "({last}) * 2", "halve": "({last}) / 2"}

# -- the table of rules --------------------------------------------------------------------------

_Rule = Callable[[re.Match[str], _Held], Wish]


def _rule(pattern: str, make: _Rule) -> tuple[re.Pattern[str], _Rule]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL), make


def _file_rule(pattern: str, operation: str) -> tuple[re.Pattern[str], _Rule]:
    return _rule(pattern, lambda m, h: OnFile(operation=operation, path=_word(m, h) or "."))


def _write_rule(pattern: str, *, path: int, content: int) -> tuple[re.Pattern[str], _Rule]:
    return _rule(
        pattern,
        lambda m, h: WriteFile(path=_word(m, h, path), content=_word(m, h, content)),
    )


_RULES: tuple[tuple[re.Pattern[str], _Rule], ...] = (
    _rule(
        rf"(?:(?:show|tell|give|print|display|send)(?: me)?|report)(?: {LAST})?"
        r"|thanks?(?: you)?|do it|go",
        lambda _m, _h: Nothing(),
    ),
    _rule(
        rf"{_SAVE} {LAST} {_TO} {_PATH}",
        lambda m, h: WriteFile(path=_word(m, h), content=None),
    ),
    _rule(
        rf"(?:{_SAVE}|add) (?:the )?(?:following )?(?:(?:text|words?|line|sentence|message):? )?"
        rf"(\0Q\d+\0) {_TO} (?:a |the )?(?:new )?{_PATH}",
        lambda m, h: WriteFile(path=_word(m, h, 2), content=_word(m, h, 1)),
    ),
    _write_rule(
        rf"(?:create|make|write|save) (?:a |the )?(?:new )?{_PATH}"
        r" (?:with|containing|that says)(?: the)?(?: text| content| contents| words?)?:? (.+)",
        path=1,
        content=2,
    ),
    _write_rule(rf"(?:write|save|put) (.+?) {_TO} (?:a |the )?(?:new )?{_PATH}", path=2, content=1),
    _file_rule(
        r"(?:(?:list|show)(?: me)?(?: all)?(?: of)?(?: the| my)? files"
        r"|ls|dir|(?:what|which) files (?:are there|do (?:i|you|we) have|exist))"
        rf"(?: (?:in|under|of) {_PATH})?",
        "list",
    ),
    _file_rule(
        r"(?:read|open|cat|(?:show|print|display|tell)(?: me)?|what(?:'s| is) in)"
        rf"(?: back)?(?: the)?(?: contents? of)? {_PATH}(?: back)?",
        "read",
    ),
    _file_rule(rf"(?:does|is there|check (?:if|whether)) (?:a )?{_PATH}(?: exists?)?", "exists"),
    _file_rule(rf"(?:delete|remove|rm) {_PATH}", "delete"),
    _rule(
        r"(?:fetch|get|download|open|read|load|request|visit|show(?: me)?)?"
        r"(?: (?:the )?(?:page|url|contents? of|data from|address))*(?: from| at)?\s*(\0U\d+\0)",
        lambda m, h: Fetch(url=_word(m, h)),
    ),
    _rule(
        r"(?:remember|memori[sz]e|note|keep in mind)(?: that| this)?[:,]? (.+)",
        lambda m, h: Remember(fact=h.put_back(m.group(1))),
    ),
    _rule(
        r"(?:what do you (?:know|remember)|what have i told you|tell me what you know|recall)"
        r"(?: about)?(?: (.+))?",
        lambda m, h: Recall(query=h.put_back(m.group(1) or "")),
    ),
    _rule(rf"(multiply|divide) {LAST} by (-?[\d.]+)", _change_last),
    _rule(rf"(add|subtract) (-?[\d.]+) (?:to|from) {LAST}", _change_last),
    _rule(r"(add|subtract) (-?[\d.]+)", _change_last),
    _rule(
        rf"(square|double|halve) {LAST}",
        lambda m, _h: Calculate(expression=_POWERS[m.group(1).lower()]),
    ),
)
