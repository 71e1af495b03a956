"""What a person can want of the offline planner, as values; no rules and no plans."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculate:
    """Evaluate an expression; ``{last}`` in it stands for the previous result."""

    expression: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCode:
    """Run a block of code."""

    language: str
    code: str
    stdin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Write a text to a file; None for the previous result."""

    path: str
    content: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnFile:
    """``read``, ``list``, ``exists`` or ``delete``."""

    operation: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Get what is at an address."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Remember:
    """Keep a fact."""

    fact: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Say what is known about something."""

    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """Needs no step of its own: a greeting, "and show me the result"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Not understood."""

    text: str


Wish = Calculate | RunCode | WriteFile | OnFile | Fetch | Remember | Recall | Nothing | Unclear
"""One thing that a goal asks for."""
