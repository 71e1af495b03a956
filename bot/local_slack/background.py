"""Owner of the tasks a local workspace runs beside its requests: deliveries, timers, retries."""

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

logger = logging.getLogger(__name__)


class Background:
    """A task group whose members may fail alone; failures are raised together when it closes.

    One failed delivery must not stop the others, and a bug of the simulation must not go unseen.
    """

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[Exception] = []

    async def __aenter__(self) -> Self:
        """Begin; work can be started from here on."""
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Cancel what still runs and raise what failed."""
        for task in tuple(self._tasks):
            task.cancel()
        await self._group.__aexit__(None, None, None)
        if self._failures and error is None:
            raise ExceptionGroup("background work of the local workspace failed", self._failures)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until it ends or the workspace stops."""
        task = self._group.create_task(self._supervise(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task cancelled before its first step would leave `work` unawaited, which warns.
        task.add_done_callback(lambda _: work.close())

    async def _supervise(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            logger.exception("local_slack_background_failed")
            self._failures.append(error)
