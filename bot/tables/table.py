"""What all tables of ``treadle.toml`` have in common, and how they are found in one another.

A table's class is all there is to say about it: its keys, what is wrong with it beside other
tables, and which variables of the environment it names. It must not read the environment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

NAME: Final = "<name>"
"""Stands for any name in the place of a table, as in ``agents.<name>``."""
EACH: Final = "[]"
"""Stands for any table of a list, as in ``mcp_servers``."""
VARIABLE_NAME: Final = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
_BARE = re.compile(r"[A-Za-z0-9_-]+")

Place = tuple[str | int, ...]
"""The way to a table or key from the top of the file."""
Count = Annotated[int, Field(ge=0)]
Amount = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What the file gives names to, for tables that speak of it."""

    agents: frozenset[str]
    mcp_servers: frozenset[str]
    priced: frozenset[str]
    """The models that have a price."""

    def unknown_agents(self, where: str, wanted: tuple[str, ...]) -> Iterator[str]:
        """Say which of these agents there are not."""
        for agent in wanted:
            if agent not in self.agents:
                known = ", ".join(sorted(self.agents))
                yield f"{where} names the agent {agent!r}, which does not exist: use one of {known}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable of the environment that a table names; its value is never in the file."""

    name: str
    missing: str = ""
    """What is wrong where it is not set, with the fix; empty where nothing is."""
    is_secret: bool = True
    """Whether its value is taken out of everything that is shown."""
    least_chars: int = 1
    """A shorter secret would be taken out of ordinary words."""

    def problem(self, value: str) -> str:
        """Say what is wrong with the value; empty for nothing."""
        if not value:
            return self.missing
        is_line = value.isascii() and value.isprintable()
        if self.is_secret and (len(value) < self.least_chars or not is_line):
            least = f"at least {self.least_chars} " if self.least_chars > 1 else ""
            return f"{self.name} cannot be a secret: give one line of {least}ASCII characters"
        return ""


class Table(BaseModel):
    """A table of the file: nothing unknown in it, nothing can be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def problems(self, where: str, names: Names) -> Iterator[str]:  # noqa: ARG002 - for those that override it
        """Say what is wrong although each key is right by itself, each with its fix.

        Values that may be secrets are not repeated.
        """
        yield from ()

    def lacks(self, where: str) -> Iterator[str]:  # noqa: ARG002 - as above
        """Say what it cannot be without; asked only where every key that is there can be read."""
        yield from ()

    def variables(self, where: str) -> Iterator[Variable]:  # noqa: ARG002 - as above
        """Give the variables that this table names."""
        yield from ()


def like(pattern: str, fix: str) -> AfterValidator:
    """Make the check that a text is like this as a whole; else the fix is told."""
    whole = re.compile(pattern)

    def check(text: str) -> str:
        if not whole.fullmatch(text):
            raise ValueError(fix)
        return text

    return AfterValidator(check)


def dotted(place: Place) -> str:
    """Return a place as TOML writes it.

    >>> dotted(("models", "a.b", "price"))
    'models."a.b".price'
    """
    parts = [str(part) for part in place]
    return ".".join(p if _BARE.fullmatch(p) else json.dumps(p, ensure_ascii=False) for p in parts)


def header(place: Place) -> str:
    """Return the line that begins a table of ``kinds_in``, as the documentation writes it.

    >>> header(("agents", NAME)), header(("tools", "rules", EACH))
    ('[agents.<name>]', '[[tools.rules]]')
    """
    *above, last = map(str, place)
    return f"[[{'.'.join(above)}]]" if last == EACH else f"[{'.'.join((*above, last))}]"


def tables_in(value: object, place: Place = ()) -> Iterator[tuple[Place, Table]]:
    """Give every table in a value, outer ones first, with its place."""
    inner: Any
    match value:
        case Table():
            yield place, value
            inner = [(name, getattr(value, name)) for name in type(value).model_fields]
        case Mapping():
            inner = value.items()
        case tuple():
            inner = enumerate(value)
        case _:
            return
    for part, held in inner:
        yield from tables_in(held, (*place, part))


def kinds_in(kind: type[Table], place: Place = ()) -> Iterator[tuple[Place, type[Table]]]:
    """Give every kind of table that may be in one, itself first, with its place.

    ``NAME`` and ``EACH`` stand in it for what the operator chooses.
    """
    yield place, kind
    for key, field in kind.model_fields.items():
        for held in (field.annotation, *get_args(field.annotation)):
            if isinstance(held, type) and issubclass(held, Table):
                yield from kinds_in(held, (*place, key, *_between(field.annotation)))


def is_place_of(place: Place, pattern: Place) -> bool:
    """Say whether a place in a file is one of those that a place of ``kinds_in`` stands for."""
    return len(place) == len(pattern) and all(
        wanted in (part, NAME, EACH) for part, wanted in zip(place, pattern, strict=True)
    )


def variables_in(file: Table) -> Iterator[Variable]:
    """Give all variables of the environment that the file names."""
    for place, table in tables_in(file):
        yield from table.variables(dotted(place))


def ended(problem: str) -> str:
    """Return a problem as a whole sentence."""
    return problem if problem.endswith("?") else f"{problem}."


def is_web_address(url: str) -> bool:
    """Say whether this can be an address of a web server."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _between(annotation: Any) -> Place:  # noqa: ANN401 - any annotation of a field
    """Return what stands between a key and the table in it."""
    origin = getattr(annotation, "__origin__", None)
    return (EACH,) if origin is tuple else (NAME,) if origin is Mapping else ()
