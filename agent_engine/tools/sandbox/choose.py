"""Pick the sandbox: the first driver whose probes hold, or none, and then nothing is run.

Probed at first use, because a probe starts a handful of programs. It must never fall back to
running anything without a boundary.
"""

import asyncio
import functools
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from agent_engine.tools.sandbox.driver import Driver, ProbeResult
from agent_engine.tools.sandbox.failures import SandboxUnavailableError
from agent_engine.tools.sandbox.setup import Setup

logger = logging.getLogger(__name__)

PROBE_AGAIN_S: Final = 60.0
"""A refusal is looked at again after this long: the operator may have mended it."""


def _bubblewrap(setup: Setup) -> Driver:
    from agent_engine.tools.sandbox.bubblewrap import Bubblewrap  # noqa: PLC0415  only if used

    return Bubblewrap(setup)


def _sandlock(setup: Setup) -> Driver:
    from agent_engine.tools.sandbox.sandlock import Sandlock  # noqa: PLC0415  only if used

    return Sandlock(setup)


def _container(setup: Setup) -> Driver:
    from agent_engine.tools.sandbox.container import Container  # noqa: PLC0415  only if used

    return Container(setup)


def drivers_with(setup: Setup) -> Mapping[str, Callable[[], Driver]]:
    """Return how each driver is made, in the order in which they are tried."""
    return {
        "bubblewrap": functools.partial(_bubblewrap, setup),
        "sandlock": functools.partial(_sandlock, setup),
        "container": functools.partial(_container, setup),
    }


DRIVERS: Final = drivers_with(Setup())

_NOT_LINUX: Final = ProbeResult(
    usable=False, reason="sandboxes need Linux", fix="run the bot on Linux, or in a container"
)


class Chosen:
    """The driver that is used, and the languages that start in it."""

    def __init__(self, driver: Driver, found: ProbeResult) -> None:
        self.driver = driver
        self.languages = found.languages
        self.remarks = found.remarks


class SandboxChooser:
    """Finds the sandbox of this machine, once.

    Args:
        only: the driver the operator named; None to try all.
        drivers: how each is made, in order.
    """

    def __init__(
        self, *, only: str | None = None, drivers: Mapping[str, Callable[[], Driver]] = DRIVERS
    ) -> None:
        if only is not None and only not in drivers:
            raise ValueError(f"there is no sandbox {only!r}; there are: {', '.join(drivers)}")
        self._drivers = drivers if only is None else {only: drivers[only]}
        self._lock = asyncio.Lock()
        self._chosen: Chosen | None = None
        self._refusal: SandboxUnavailableError | None = None
        self._refused_at_s = 0.0

    async def chosen(self) -> Chosen:
        """Return the sandbox to use.

        Raises:
            SandboxUnavailableError: none holds here; the sentence names the reasons and the fixes.
        """
        async with self._lock:
            if self._chosen is not None:
                return self._chosen
            if self._refusal is not None and time.monotonic() - self._refused_at_s < PROBE_AGAIN_S:
                raise SandboxUnavailableError(self._refusal.message)
            return await self._probed()

    async def _probed(self) -> Chosen:
        failures: list[ProbeResult] = []
        for name, make in self._drivers.items():
            if sys.platform != "linux":
                failures.append(_NOT_LINUX)
                break
            driver = make()
            found = await _probe(driver)
            facts = {
                "driver": name,
                "usable": found.usable,
                "reason": found.reason,
                "remarks": "; ".join(found.remarks),
            }
            logger.info("sandbox_probed", extra=facts)
            if found.usable:
                self._chosen = Chosen(driver, found)
                return self._chosen
            failures.append(found)
        self._refusal = SandboxUnavailableError(_refusal(failures))
        self._refused_at_s = time.monotonic()
        logger.warning("sandbox_unavailable", extra={"reason": self._refusal.message})
        raise self._refusal


async def _probe(driver: Driver) -> ProbeResult:
    try:
        return await driver.probe()
    except OSError as error:
        reason = f"{driver.name} could not be probed ({error.strerror or error})"
        return ProbeResult(usable=False, reason=reason, fix=driver.needs)


def _refusal(failures: Sequence[ProbeResult]) -> str:
    said = "; or ".join(f"{failure.reason}: {failure.fix}" for failure in failures)
    return f"code cannot be run here, because no sandbox is available ({said})"
