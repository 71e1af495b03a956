"""Several models in order of preference: the next is asked while one is unavailable.

A refusal is not a reason to fall back: another model would only hide a wrong request or key.
"""

import logging
from collections.abc import Sequence

from agent_engine.errors import ModelUnavailableError
from agent_engine.ports import Dialect, ModelClient, ModelReply, ModelRequest

logger = logging.getLogger(__name__)


class FallbackModel:
    """Asks the first model that is available.

    Each is best wrapped in a ``RetryingModel``, whose open circuit breaker makes the way to the
    next one short. Name and dialect are those of the model that answered last.

    Args:
        models: the preferred one first; at least one.
    """

    def __init__(self, models: Sequence[ModelClient]) -> None:
        if not models:
            raise ValueError("at least one model is needed")
        self._models = tuple(models)
        self._current = self._models[0]

    @property
    def name(self) -> str:
        """The name of the model that answered last; of the preferred one before that."""
        return self._current.name

    @property
    def dialect(self) -> Dialect:
        """The dialect of the model that answered last."""
        return self._current.dialect

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask the models in order; raises the last one's error when none is available."""
        unavailable: ModelUnavailableError | None = None
        for model in self._models:
            # Set before the call: a refusal must be blamed on, and learnt for, the right endpoint.
            self._current = model
            try:
                return await model.complete(request)
            except ModelUnavailableError as error:
                unavailable = error
                logger.warning("model_fell_back", extra={"model": model.name})
        raise unavailable or ModelUnavailableError
