"""Ends a task that was planned for a very small model: mostly with the plain record of its steps.

Such a model garbles results when it retells them. It is asked only where something was read that
nobody but a model can answer from.
"""

from collections.abc import Sequence

from agent_engine.errors import ModelReplyError
from agent_engine.labels import RECORD_LABEL, SMALL_MODEL_LABEL
from agent_engine.planners.answering import made_files, record
from agent_engine.planners.phrases import read_goal
from agent_engine.planners.small_prompts import reading_request, spoken
from agent_engine.planners.wishes import Unclear
from agent_engine.ports import AnswerContext, ModelClient
from agent_engine.types import Answer, Step, StepStatus


class SmallModelAnswerWriter:
    """Writes the record of the steps; asks its model only about what was read."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    async def write(self, context: AnswerContext) -> Answer:
        """Write what the steps show; always labelled."""
        files = made_files(context.steps)
        text = await self._from_reading(context)
        if text:
            return Answer(text=text, files=files, label=SMALL_MODEL_LABEL)
        return Answer(text=record(context), files=files, label=RECORD_LABEL)

    async def _from_reading(self, context: AnswerContext) -> str:
        """Return the model's answer from texts that were read for it; empty for none."""
        texts = _read_texts(context.steps)
        unclear = any(isinstance(wish, Unclear) for wish in read_goal(context.goal))
        if not texts or not unclear or context.incomplete_because:
            return ""
        try:
            reply = await self._model.complete(reading_request(context.goal, texts))
        except ModelReplyError:
            return ""
        return "" if reply.refusal else spoken(reply)


def _read_texts(steps: Sequence[Step]) -> list[str]:
    """Return what was read, when reading was all that was done."""
    done = [step for step in steps if step.status is not StepStatus.DROPPED]
    if not all(step.action.parameters.get("operation") == "read" for step in done):
        return []
    seen = [step.observation for step in done if step.observation and step.observation.success]
    return [str(observation.content.get("content", "")) for observation in seen]
