"""``treadle mcp accept``: shows what an MCP server now says of its tools, and lets it hold.

What was shown is what is accepted, by its hash: a server that tells the bot something else again is
withheld again. It changes nothing before somebody has agreed.
"""

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import typer

from agent_engine.errors import RequestError
from agent_engine.safeguards import PinStore, ToolPin
from agent_engine.types import now_utc
from bot.mcp_pins import open_pins
from bot.settings import Settings
from bot.toolbox import Records, open_toolbox

DONE, WAITING = 0, 3
"""Exit codes; the same as the command line's."""
_AROUND_LINES = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What is to be accepted of one server."""

    before: Mapping[str, ToolPin]
    """What holds now, by the server's own names of its tools."""
    changed: Mapping[str, ToolPin]
    """What the server says now, by the names that agents use."""
    gone: tuple[str, ...] = ()
    """Tools that it does not list any more, by its own names."""


async def accept(settings: Settings, server: str, tool: str | None, *, agreed: bool) -> int:
    """Accept what a server now says of one tool, or of all; return the exit code.

    Raises:
        RequestError: there is no such server or tool, or the server cannot be asked.
        StorageError: the database cannot be used.
    """
    if server not in [known.name for known in settings.file.mcp_servers]:
        raise RequestError(f"no MCP server is called {server}; [[mcp_servers]] names them")
    async with open_pins(settings) as pins:
        if pins is None:
            raise RequestError("no MCP server is configured")
        offer = await _asked(settings, server, pins)
        if tool is not None:
            offer = _only(offer, server, tool)
        if not offer.changed and not offer.gone:
            typer.echo(f"{server} says of its tools what it said before: there is nothing to do.")
            return DONE
        typer.echo("\n\n".join(_shown(offer)))
        if not agreed and not _agrees(sys.stdin.isatty, typer.confirm):
            typer.echo("Nothing was changed.")
            return WAITING
        await pins.accept(server, _accepted(offer), gone=offer.gone)
    typer.echo("Accepted; a running bot offers it within half a minute.")
    return DONE


async def _asked(settings: Settings, server: str, pins: PinStore) -> Offer:
    """Connect the server and compare what it says with what holds."""
    alone = tuple(known for known in settings.file.mcp_servers if known.name == server)
    file = settings.file.model_copy(update={"mcp_servers": alone})
    only = settings.model_copy(update={"file": file})
    async with open_toolbox(only, Records(pins=pins)) as toolbox, toolbox.mcp.running():
        await toolbox.mcp.settled()
        listing = toolbox.mcp.listing(server)
        state = toolbox.mcp.states()[server]
    if listing is None:
        raise RequestError(f"the MCP server cannot be asked: {state.said}")
    before = {pin.tool: pin for pin in await pins.pins(server)}
    return Offer(
        before=before,
        changed={name: listing.said[name] for name in listing.changed},
        gone=tuple(sorted(before.keys() - listing.names)),
    )


def _only(offer: Offer, server: str, tool: str) -> Offer:
    """Return what is offered of one tool, named as agents or as the server name it."""
    names = [name for name, pin in offer.changed.items() if tool in (name, pin.tool)]
    if not names and tool not in offer.before:
        raise RequestError(f"{server} has no tool {tool} that it describes otherwise than before")
    return replace(offer, changed={name: offer.changed[name] for name in names}, gone=())


def _accepted(offer: Offer) -> Sequence[ToolPin]:
    now = now_utc()
    return [
        replace(pin, first_seen_at=offer.before[pin.tool].first_seen_at, accepted_at=now)
        for pin in offer.changed.values()
    ]


def _agrees(is_terminal: Callable[[], bool], confirm: Callable[[str], bool]) -> bool:
    if not is_terminal():
        typer.echo("A person has to accept this; --yes does.", err=True)
        return False
    return confirm("Let agents have it like this?")


def _shown(offer: Offer) -> Sequence[str]:
    """Return a part of text for each tool, safe to print."""
    told = [_difference(name, offer.before[pin.tool], pin) for name, pin in offer.changed.items()]
    if offer.gone:
        names = ", ".join(map(ascii, offer.gone))
        told.append(f"Not listed any more, and to be forgotten: {names}")
    return told


def _difference(name: str, before: ToolPin, now: ToolPin) -> str:
    held = before.accepted_at or before.first_seen_at
    how = "accepted" if before.accepted_at else "first seen"
    lines = difflib.unified_diff(
        _lines(before), _lines(now), n=_AROUND_LINES, lineterm="", fromfile="before", tofile="now"
    )
    told = "\n".join(lines) or "What changed is nothing that agents are shown."
    return f"{name} (before: {how} {held:%Y-%m-%d %H:%M} UTC)\n{told}"


def _lines(pin: ToolPin) -> Sequence[str]:
    return json.dumps(pin.definition, indent=2, sort_keys=True).splitlines()
