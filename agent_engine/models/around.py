"""What models have in common that do something around the calls of another one."""

from agent_engine.ports import Dialect, ModelClient


class AroundModel:
    """Goes by the name and the dialect of the model it stands around."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def dialect(self) -> Dialect:
        """What was found out about the endpoint."""
        return self._model.dialect
