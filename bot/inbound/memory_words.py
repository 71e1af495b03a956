"""What people say after ``/memory`` and ``@treadle memory``, taken apart. Pure."""

import re
from dataclasses import dataclass

from agent_engine.memories import MemoryKind
from agent_engine.types import UserId

_KINDS = {f"{kind}s": kind for kind in MemoryKind} | {str(kind): kind for kind in MemoryKind}
_PERSON = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_NUMBER = re.compile(r"#?(\d{1,9})")
_EVERYTHING = frozenset({"everything here", "all here", "everything"})
_FOR_ME = re.compile(r"for me[,:]?\s+(?=\S)", re.IGNORECASE)
_SWITCH = {"on": True, "off": False}
UNDERSTOOD = (
    "search <words>, show <number>, remember <fact>, forget <words or number>, "
    "forget everything here, forget me, export, facts, lessons, notes, episodes, examples, "
    "remember for me <fact>, mine, export mine, personal on, personal off"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListThem:
    """Show what is remembered."""

    kind: MemoryKind | None = None
    is_own: bool = False
    """The person's own memories, which belong to no channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Look for memories."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOne:
    """Show a memory whole."""

    memory_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Remember a fact."""

    text: str
    is_own: bool = False
    """For the person alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetOne:
    """Show the memory that would go."""

    memory_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetWords:
    """Show what would go that fits the words."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetEverything:
    """Ask before all memories here go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetFrom:
    """Ask before all goes that comes from a person."""

    person: UserId | None
    """None for who says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Hand over all memories here as a file."""

    is_own: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """Have the person's own memories used here, or no more."""

    is_on: bool | None = None
    """None to be told how it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Something else, or something that lacks its other half."""

    said: str


Forgetting = ForgetOne | ForgetWords | ForgetEverything | ForgetFrom
Order = ListThem | Search | ShowOne | Remember | Forgetting | Export | Personal | Unclear


def read_order(argument: str) -> Order:
    """Return what is wanted.

    >>> read_order("forget #12"), read_order("forget the old printer")
    (ForgetOne(memory_id=12), ForgetWords(words='the old printer'))
    """
    verb, rest = [*argument.strip().split(maxsplit=1), "", ""][:2]
    verb, rest = verb.lower(), rest.strip()
    if not rest:
        return _alone(verb, said=argument.strip())
    match verb:
        case "search" | "find":
            return Search(words=rest)
        case "show":
            number = _number(rest)
            return Unclear(said=argument) if number is None else ShowOne(memory_id=number)
        case "remember":
            return _remember(rest)
        case "forget":
            return _forget(rest)
        case "personal" if rest.lower() in _SWITCH:
            return Personal(is_on=_SWITCH[rest.lower()])
        case "export" if rest.lower() == "mine":
            return Export(is_own=True)
        case "list" if rest.lower() in _KINDS:
            return ListThem(kind=_KINDS[rest.lower()])
        case _:
            return Unclear(said=argument.strip())


def is_order(argument: str) -> bool:
    """Say whether the words after *memory* are ours, so that they are no problem to solve.

    >>> is_order("search leaks"), is_order("leaks in our app: find them")
    (True, False)
    """
    return not isinstance(read_order(argument.rstrip(".!?")), Unclear)


# ------------------------------------------------------------------------------------------------


def _alone(word: str, *, said: str) -> Order:
    if word in ("", "list"):
        return ListThem()
    if word in _KINDS:
        return ListThem(kind=_KINDS[word])
    return _WORDS.get(word) or Unclear(said=said)


_WORDS: dict[str, Order] = {
    "export": Export(),
    "mine": ListThem(is_own=True),
    "personal": Personal(),
}


def _remember(rest: str) -> Remember:
    own = _FOR_ME.match(rest)
    return Remember(text=_fact(rest[own.end() :] if own else rest), is_own=own is not None)


def _forget(rest: str) -> Order:
    words = rest.rstrip(".!").lower()
    if words in _EVERYTHING:
        return ForgetEverything()
    if words == "me":
        return ForgetFrom(person=None)
    if mention := _PERSON.fullmatch(rest):
        return ForgetFrom(person=UserId(mention.group(1)))
    number = _number(rest)
    return ForgetWords(words=rest) if number is None else ForgetOne(memory_id=number)


def _number(text: str) -> int | None:
    found = _NUMBER.fullmatch(text)
    return int(found.group(1)) if found else None


def _fact(text: str) -> str:
    """Return the fact without the word that only leads to it."""
    head, _, rest = text.partition(" ")
    return rest.strip() if head.lower() == "that" and rest.strip() else text
