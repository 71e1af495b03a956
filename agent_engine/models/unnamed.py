"""A model whose name only its server knows: the server is asked for it when it is first needed.

So a server may be started after the bot. It must not retry; that is the layer above.
"""

import asyncio
from collections.abc import Awaitable, Callable

from agent_engine.errors import ModelRefusedError
from agent_engine.ports import Dialect, ModelClient, ModelReply, ModelRequest

_UNKNOWN_MODEL = 404


class UnnamedModel:
    """The first chat model that its server lists, once the server answers.

    Args:
        ask_name: asks the server; raises a ModelError when there is no answer.
        make: makes the client of a model's name.
    """

    def __init__(
        self, ask_name: Callable[[], Awaitable[str]], make: Callable[[str], ModelClient]
    ) -> None:
        self._ask_name = ask_name
        self._make = make
        self._asking = asyncio.Lock()
        self._model: ModelClient | None = None
        self._unknown = Dialect(native_tools=False)

    @property
    def name(self) -> str:
        """The model's name; empty until the server has told it."""
        return self._model.name if self._model else ""

    @property
    def dialect(self) -> Dialect:
        """The model's dialect; the most careful one until the model is known."""
        return self._model.dialect if self._model else self._unknown

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask the model, and before that its name where it is not known.

        A server that no longer has the model is asked for another name by the next call.
        """
        model = await self._known()
        try:
            return await model.complete(request)
        except ModelRefusedError as error:
            if error.status == _UNKNOWN_MODEL and self._model is model:
                self._model = None
            raise

    async def _known(self) -> ModelClient:
        async with self._asking:
            if self._model is None:
                self._model = self._make(await self._ask_name())
            return self._model
