"""Who may call which tool, and when a person is asked first. Pure.

Rules come from the operator, in order; the first that fits a call decides, else what the tool says
of itself. A rule can ask about more than the tool would; what a model writes changes no rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Protocol, runtime_checkable

from agent_engine.ports import Tool
from agent_engine.tools.declare import call_key
from agent_engine.types import Asks, JsonObject, UserId

REQUESTER: Final = "requester"
ADMINS: Final = "admins"


@runtime_checkable
class AsksByArguments(Protocol):
    """A tool that does harmless and harmful things, depending on its arguments."""

    def asks_for(self, arguments: JsonObject) -> Asks:
        """Say when a person is asked before a call with these arguments."""
        ...


@runtime_checkable
class Characterised(Protocol):
    """A tool whose calls can be told apart by less than all their arguments."""

    def characteristics(self, arguments: JsonObject) -> Mapping[str, str]:
        """Return what rules look at, e.g. ``{"method": "POST", "host": "api.example.com"}``.

        Calls with equal characteristics are alike: "always allow this" allows all of them.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRule:
    """One rule of the operator's."""

    tool: str
    """A name, or a pattern with ``*``."""
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Characteristics or plain arguments and a pattern for each; all must fit, ignoring case."""
    asks: Asks | None = None
    """None: what the tool says of itself."""
    approvers: tuple[str, ...] = ()
    """User ids, ``requester``, ``admins``; empty: the requester. Admins always may."""
    only_for: tuple[str, ...] = ()
    """User ids and ``admins``: nobody else's tasks may call it. Empty: everybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What holds for one call."""

    asks: Asks
    approvers: tuple[UserId, ...]
    """Who may approve besides admins; empty: admins alone."""
    because: str


class ToolPolicy:
    """The installation's rules."""

    def __init__(self, rules: Sequence[ToolRule] = (), *, admins: Sequence[str] = ()) -> None:
        self._rules = tuple(rules)
        self._admins = frozenset(admins)

    def refusal(self, tool: Tool, arguments: JsonObject, *, requester: UserId | None) -> str | None:
        """Return why this person's task may not make the call; None when it may."""
        rule = self._rule(tool, arguments)
        if rule is None or not rule.only_for:
            return None
        if requester is not None and requester in self._people(rule.only_for):
            return None
        return f"{tool.name} may not be used for the person who asked for this task"

    def ruling(self, tool: Tool, arguments: JsonObject, *, requester: UserId | None) -> Ruling:
        """Say when a person is asked about the call, and whom."""
        rule = self._rule(tool, arguments)
        own = _own(tool, arguments)
        if rule is None or rule.asks is None:
            asks, because = own, f"{tool.name} asks before it does this"
        else:
            asks, because = rule.asks, f"a rule of this installation covers {rule.tool}"
        named = rule.approvers if rule is not None and rule.approvers else (REQUESTER,)
        approvers = [requester if name == REQUESTER else name for name in named]
        people = tuple(UserId(name) for name in approvers if name and name != ADMINS)
        return Ruling(asks=asks, approvers=people, because=because)

    def _rule(self, tool: Tool, arguments: JsonObject) -> ToolRule | None:
        return next((rule for rule in self._rules if _fits(rule, tool, arguments)), None)

    def _people(self, names: tuple[str, ...]) -> frozenset[str]:
        named = frozenset(names)
        return named | self._admins if ADMINS in named else named


def likeness(tool: Tool, arguments: JsonObject) -> JsonObject:
    """Return what a standing rule for this call would allow: calls alike, else this one alone."""
    if isinstance(tool, Characterised) and (found := dict(tool.characteristics(arguments))):
        return found
    return {"exactly": call_key(tool.name, arguments)}


# ------------------------------------------------------------------------------------------------


def _own(tool: Tool, arguments: JsonObject) -> Asks:
    return tool.asks_for(arguments) if isinstance(tool, AsksByArguments) else tool.traits.asks


def _fits(rule: ToolRule, tool: Tool, arguments: JsonObject) -> bool:
    if not fnmatchcase(tool.name, rule.tool):
        return False
    if not rule.arguments:
        return True
    known = {name: str(value) for name, value in arguments.items()}
    if isinstance(tool, Characterised):
        known |= tool.characteristics(arguments)
    return all(
        fnmatchcase(known.get(name, "").casefold(), pattern.casefold())
        for name, pattern in rule.arguments.items()
    )
