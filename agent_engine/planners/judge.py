"""Says whether what came is what was expected, where only words can tell.

Several steps in one question. A judge that cannot judge says so by None; it never fails a run.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from agent_engine.errors import ModelError
from agent_engine.planners.plan_schema import closed_object
from agent_engine.planners.prompts import FENCE_RULE, Fence, compact_json
from agent_engine.planners.structured import Question, ShapeError, ask, check_schema
from agent_engine.ports import JsonSchemaFormat, ModelClient, Role, Turn
from agent_engine.tokens import shorten

logger = logging.getLogger(__name__)

MAX_RESULT_TOKENS = 1_500
"""What the judge sees of one result."""

_TASK = """\
You compare what was expected of a step with what came of it. Reply with one JSON object: \
"verdicts" has one entry per case with "case" (its number), "met" (true only if the result shows \
what was expected) and "sentence" (one short sentence that says what does or does not fit)."""

_SCHEMA = closed_object(
    {
        "verdicts": {
            "type": "array",
            "items": closed_object(
                {
                    "case": {"type": "integer"},
                    "met": {"type": "boolean"},
                    "sentence": {"type": "string"},
                }
            ),
        }
    }
)
_ACCEPTED = Draft202012Validator(_SCHEMA)
_EXAMPLE = '{"verdicts":[{"case":1,"met":true,"sentence":"The file holds the 15 numbers."}]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a step was to bring, and what it brought."""

    expected: str
    result: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an expectation was met, and why in one sentence."""

    met: bool
    sentence: str


class Judge:
    """Compares expectations in words with results, with a language model."""

    def __init__(self, model: ModelClient) -> None:
        self._model = model

    async def judge(self, cases: Sequence[Expectation]) -> tuple[Verdict | None, ...]:
        """Judge the cases in one question; None for each that could not be judged."""
        if not cases:
            return ()
        try:
            understood = await ask(self._model, _question(cases), _read)
        except ModelError as error:
            facts = {"model": self._model.name, "error": type(error).__name__}
            logger.warning("expectations_not_judged", extra=facts)
            return (None,) * len(cases)
        return tuple(understood.value.get(number) for number in range(1, len(cases) + 1))


def _question(cases: Sequence[Expectation]) -> Question:
    fence = Fence()
    shown = []
    for number, case in enumerate(cases, start=1):
        expected = fence.wrap("expected", shorten(case.expected, 200))
        result = fence.wrap("result", shorten(compact_json(case.result), MAX_RESULT_TOKENS))
        shown.append(f"Case {number}\n{expected}\n{result}")
    return Question(
        turns=(
            Turn(role=Role.SYSTEM, text=f"{_TASK}\n{FENCE_RULE}"),
            Turn(role=Role.USER, text="\n\n".join(shown)),
        ),
        purpose="judge",
        reply_format=JsonSchemaFormat(name="verdicts", schema=_SCHEMA),
        example=_EXAMPLE,
        temperature=0.0,
        max_tokens=100 + 80 * len(cases),
    )


def _read(value: Any, last_try: bool) -> dict[int, Verdict]:  # noqa: ANN401, FBT001  # Read's shape
    del last_try
    if isinstance(value, list):
        value = {"verdicts": value}
    if not isinstance(value, dict):
        raise ShapeError("the reply is no JSON object")
    if "met" in value and "verdicts" not in value:
        value = {"verdicts": [{"case": 1, "sentence": "", **value}]}
    check_schema(_ACCEPTED, value)
    return {
        entry["case"]: Verdict(met=entry["met"], sentence=" ".join(entry["sentence"].split()))
        for entry in value["verdicts"]
    }
