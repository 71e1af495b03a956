"""Pins where there is no database: what servers said of their tools while this process lives."""

from collections.abc import Collection, Mapping, Sequence

from agent_engine.safeguards import ToolPin


class MemoryPins:
    """A ``PinStore`` in memory.

    Args:
        known: pins to begin with, by server; what is learned later is kept apart from them.
    """

    def __init__(self, known: Mapping[str, Sequence[ToolPin]] | None = None) -> None:
        self._pins = {
            server: {pin.tool: pin for pin in pins} for server, pins in (known or {}).items()
        }

    async def pin(self, server: str, said: Sequence[ToolPin]) -> Mapping[str, str]:
        """Pin the tools that were never seen; return the digests that hold, by tool."""
        pins = self._pins.setdefault(server, {})
        for pin in said:
            pins.setdefault(pin.tool, pin)
        return {tool: pin.digest for tool, pin in pins.items()}

    async def pins(self, server: str) -> Sequence[ToolPin]:
        """Return all pins of a server, in the order of the tools' names."""
        return [pin for _, pin in sorted(self._pins.get(server, {}).items())]

    async def accept(
        self, server: str, pins: Sequence[ToolPin], *, gone: Collection[str] = ()
    ) -> None:
        """Let these hold from now on, and forget the tools that are gone."""
        mine = self._pins.setdefault(server, {})
        mine |= {pin.tool: pin for pin in pins}
        for tool in gone:
            mine.pop(tool, None)
