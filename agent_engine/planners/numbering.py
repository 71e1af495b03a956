"""Puts proposed steps in order: numbers that continue the run's, dependencies that point back.

Pure. Drops what cannot be carried out and says what it dropped; it never adds a step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent_engine.planners.references import referenced_steps, renumbered, without_references
from agent_engine.types import AgentAction


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A proposed action with the number that the model gave it."""

    number: int
    action: AgentAction
    """``depends_on`` and references count as the model counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Actions ready to be proposed."""

    actions: tuple[AgentAction, ...]
    problems: tuple[str, ...] = ()
    """What had to be repaired or left out, in words for the model."""


def in_order(
    proposed: Sequence[Numbered], *, first: int, known: frozenset[int], limit: int
) -> Ordered:
    """Return the actions with the first one numbered ``first`` and all dependencies before it.

    Args:
        proposed: with unique or useless numbers; useless ones count by position from 1.
        first: the number of the first action.
        known: numbers of steps that exist already; a proposed number hides a known one.
        limit: how many actions may be proposed.
    """
    steps = _with_unique_numbers(proposed)
    problems: list[str] = []
    own = {step.number for step in steps}
    steps = [_only_known(step, own | known, problems) for step in steps]
    ordered = _sorted(steps, own, problems)
    if len(ordered) > limit:
        problems.append(f"there are {len(ordered)} steps, at most {limit} are allowed")
        ordered = ordered[:limit]
    numbers = {step.number: first + index for index, step in enumerate(ordered)}
    return Ordered(
        actions=tuple(_renumbered(step.action, numbers) for step in ordered),
        problems=tuple(problems),
    )


def _with_unique_numbers(proposed: Sequence[Numbered]) -> list[Numbered]:
    if len({step.number for step in proposed}) == len(proposed):
        return list(proposed)
    return [replace(step, number=place) for place, step in enumerate(proposed, start=1)]


def _only_known(step: Numbered, known: set[int] | frozenset[int], problems: list[str]) -> Numbered:
    """Take out a step's references to itself and to steps that do not exist."""
    action = step.action
    unknown = referenced_steps(action.parameters) - (known - {step.number})
    if unknown:
        missing = ", ".join(str(number) for number in sorted(unknown))
        problems.append(f"step {step.number} refers to the result of step {missing}")
    depends_on = tuple(n for n in action.depends_on if n in known and n != step.number)
    parameters = without_references(action.parameters, unknown) if unknown else action.parameters
    return replace(step, action=replace(action, parameters=parameters, depends_on=depends_on))


def _needs(step: Numbered) -> set[int]:
    return {*step.action.depends_on, *referenced_steps(step.action.parameters)}


def _sorted(steps: Sequence[Numbered], own: set[int], problems: list[str]) -> list[Numbered]:
    """Sort so that every step follows those it needs, else as proposed; circles are broken."""
    waiting = list(steps)
    done: list[Numbered] = []
    while waiting:
        placed = {step.number for step in done} | (_all_needs(waiting) - own)
        ready = [step for step in waiting if _needs(step) <= placed]
        if not ready:
            circle = frozenset(step.number for step in waiting)
            problems.append(f"steps {', '.join(map(str, sorted(circle)))} wait for each other")
            ready = [_freed(waiting[0], circle)]
        taken = ready[0]
        done.append(taken)
        waiting = [step for step in waiting if step.number != taken.number]
    return done


def _all_needs(steps: Sequence[Numbered]) -> set[int]:
    return set().union(*(_needs(step) for step in steps))


def _freed(step: Numbered, circle: frozenset[int]) -> Numbered:
    action = replace(
        step.action,
        depends_on=tuple(n for n in step.action.depends_on if n not in circle),
        parameters=without_references(step.action.parameters, circle),
    )
    return replace(step, action=action)


def _renumbered(action: AgentAction, numbers: Mapping[int, int]) -> AgentAction:
    return replace(
        action,
        parameters=renumbered(action.parameters, numbers),
        depends_on=tuple(sorted({numbers.get(n, n) for n in action.depends_on})),
    )
