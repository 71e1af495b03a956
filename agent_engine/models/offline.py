"""What stands where a language model would, when none is configured.

It makes no sense of anything and says so, so that a path that reaches it by mistake is honest. The
offline planner and answer writer do the work; neither asks it anything.
"""

from agent_engine.labels import OFFLINE_LABEL
from agent_engine.ports import Dialect, JsonRung, ModelReply, ModelRequest

__all__ = ["OFFLINE_LABEL", "OFFLINE_NAME", "OFFLINE_SENTENCE", "OfflineModel"]

OFFLINE_NAME = "offline"

OFFLINE_SENTENCE = (
    "This is the offline model, not a language model, so it cannot understand or write text; "
    "configure one with OPENAI_API_KEY or OPENAI_BASE_URL."
)


class OfflineModel:
    """Answers every question with the same honest sentence, free of charge."""

    def __init__(self) -> None:
        self._dialect = Dialect(
            json_rung=JsonRung.PROMPT, native_tools=False, skip_json_mode=True, sees=False
        )

    @property
    def name(self) -> str:
        """The constant ``offline``."""
        return OFFLINE_NAME

    @property
    def dialect(self) -> Dialect:
        """Neither schemas nor JSON nor tools, and no eyes."""
        return self._dialect

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Say that this is no language model, whatever was asked."""
        del request
        return ModelReply(text=OFFLINE_SENTENCE, model=OFFLINE_NAME)
