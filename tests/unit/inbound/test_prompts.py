"""What is suggested to people can be done by the bot that suggests it."""

import pytest

from agent_engine.models.scripted import ScriptedModel
from agent_engine.planners.offline import OfflinePlanner
from agent_engine.ports import PlanningContext
from agent_engine.types import ActionType
from bot.inbound.sentences import OFFLINE_PROMPTS, PROMPTS
from bot.inbound.words import MENTION_VERBS
from bot.manifest import load_manifest
from tests.fakes.models import TOOLS

ALWAYS_SHOWN = load_manifest()["features"]["agent_view"]["suggested_prompts"]


@pytest.mark.parametrize("prompt", [*OFFLINE_PROMPTS, *ALWAYS_SHOWN], ids=lambda p: p["title"])
async def test_what_an_offline_bot_suggests_needs_no_language_model(prompt):
    message = prompt["message"]
    if message in {str(verb) for verb in MENTION_VERBS}:
        return
    plan = await OfflinePlanner(ScriptedModel()).create_plan(message, PlanningContext(), TOOLS)
    assert {action.action_type for action in plan} == {ActionType.USE_TOOL}


@pytest.mark.parametrize("prompts", [PROMPTS, OFFLINE_PROMPTS])
def test_slack_takes_as_many_prompts(prompts):
    assert 0 < len(prompts) <= 4
    assert all(set(prompt) == {"title", "message"} for prompt in prompts)
