"""The whole bot with a language model: the fake server, and retries that a test can wait for."""

import re
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from agent_engine.models import retry
from tests.fakes.openai_server import Formats, OpenAIServer, Says, as_json
from tests.scenario.whole.conftest import open_town

KEY = "sk-whole-bot-0123456789"
"""The configured key, which nobody may ever read anywhere."""
MODEL_TIMEOUT_S = 20.0
"""Ample on a loaded machine; only tests of a model that hangs make it short."""


class HurriedModel(retry.RetryingModel):
    """Retries like the real one, at a test's pace."""

    def __init__(self, model):
        policy = retry.RetryPolicy(attempts=3, first_delay_s=0.02, longest_retry_after_s=0.5)
        super().__init__(model, policy)

    async def complete(self, request):
        return await super().complete(replace(request, timeout_s=MODEL_TIMEOUT_S))


@asynccontextmanager
async def open_model_town(
    home, workspace, monkeypatch, script, *, formats=Formats.ENFORCED, **settings
):
    """Run the bot with a model that plays the script; gives the town and the server."""
    monkeypatch.setattr("agent_engine.models.retry.RetryingModel", HurriedModel)
    monkeypatch.setattr("bot.models.LOCAL_TIMEOUT_S", 0.0)
    monkeypatch.setattr("bot.models.learn_native_tools", _nothing_to_learn)
    server = OpenAIServer(script, formats=formats)
    async with server.running() as url:
        facts = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY, "TREADLE_MODEL": "fake-model"}
        async with open_town(home, workspace, **facts, **settings) as town:
            yield town, server


@contextmanager
def impatient(monkeypatch):
    """Within, a reply that does not come within a second is given up."""
    with monkeypatch.context() as patch:
        patch.setattr("tests.scenario.whole.models.MODEL_TIMEOUT_S", 1.0)
        yield


async def _nothing_to_learn(_model):
    """The scripts count calls; what is asked at the start is tested with the probe."""


def purpose(body):
    """Say what the bot asks its model for: plan, replan, judge or answer."""
    system = body["messages"][0]["content"]
    marks = {
        "plan": "You make the plan",
        "replan": "You go on with a task",
        "judge": "You compare",
    }
    return next((name for name, mark in marks.items() if mark in system), "answer")


def prompt(body):
    """All that a request tells the model, as one text."""
    return "\n".join(message["content"] for message in body["messages"])


def next_step(body):
    """The number that the planner's request gives to the first new step."""
    return int(re.search(r"the first is (\d+)", body["messages"][0]["content"])[1])


def plan(*steps, first=1):
    """A plan in the words of the planner's schema; a step is (tool, arguments)."""
    listed = [_step(n, *s, after=n > first) for n, s in enumerate(steps, start=first)]
    return as_json({**_NOTHING, "mode": "plan", "steps": listed})


def answer(text):
    """A plan that is the answer itself."""
    return as_json({**_NOTHING, "mode": "answer", "answer": text})


def done():
    """What a planner says when nothing more is to be done."""
    return as_json({**_NOTHING, "mode": "done"})


def working(*steps, text="All done."):
    """Plan these steps, find nothing to do differently, and answer with the text."""

    def script(body, _index):
        match purpose(body):
            case "plan":
                return plan(*steps)
            case "replan":
                return done()
            case _:
                return Says(text=text)

    return script


_NOTHING = {"mode": "", "answer": "", "question": "", "choices": [], "steps": []}


def _step(number, tool, arguments, *, after):
    return {
        "step": number,
        "description": f"Use {tool} ({number})",
        "action": "use_tool",
        "tool": tool,
        "arguments": [{"name": name, "value": value} for name, value in arguments.items()],
        "depends_on": [number - 1] if after else [],
        "expected_outcome": "it works",
        "check": "succeeds",
        "check_value": "",
    }
