"""An agent speaks under its own name and icon where Slack allows it, else under the bot's."""

from copy import deepcopy
from dataclasses import replace

import pytest

from agent_engine.types import AgentId
from bot.agents_file import DEFAULT_AGENT
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.outbound.content import Persona
from bot.outbound.desired import persona_of
from bot.outbound.personas import SCOPE
from tests.fakes.runs import PROFILE, a_run, answered
from tests.scenario.outbound.desk import open_desk

OWL = replace(PROFILE, id=AgentId("data"), name="Data agent", icon_emoji=":owl:")


def without_scope():
    manifest = deepcopy(DEFAULT_MANIFEST)
    manifest["oauth_config"]["scopes"]["bot"].remove(SCOPE)
    return manifest


def looks(desk, thread):
    messages = desk.workspace.thread(thread.channel_id, thread.thread_ts)[1:]
    return [(m.username, m.icon_emoji) for m in messages]


@pytest.mark.parametrize(
    ("agent", "persona"),
    [
        (OWL, Persona(name="Data agent", icon_emoji=":owl:")),
        (replace(OWL, icon_emoji=None), Persona(name="Data agent")),
        (replace(OWL, id=DEFAULT_AGENT), None),
        (replace(OWL, name="Treadle"), Persona(name="Treadle", icon_emoji=":owl:")),
        (replace(OWL, name="Treadle", icon_emoji=None), None),
        (replace(OWL, name=" \n"), None),
        (
            replace(OWL, name="a\nb\u202e" + "x" * 99),
            Persona(name="a b" + "x" * 76 + "…", icon_emoji=":owl:"),
        ),
    ],
)
def test_only_an_agent_with_a_look_of_its_own_gets_one(agent, persona):
    assert persona_of(agent) == persona


async def test_its_messages_have_its_name_and_icon():
    async with open_desk() as desk, desk.working():
        own, bots = await desk.ask(), await desk.ask()
        desk.put(answered(replace(a_run("r1", thread=own), agent=OWL)))
        desk.put(answered(a_run("r2", thread=bots)))
        await desk.shown(own, bots)
        assert looks(desk, own) == [("Data agent", ":owl:")]
        assert looks(desk, bots) == [(None, None)]


async def test_a_slack_that_does_not_allow_it_is_asked_once():
    async with open_desk(manifest=without_scope()) as desk, desk.working():
        for run_id in ("r1", "r2"):
            thread = await desk.ask()
            desk.put(answered(replace(a_run(run_id, thread=thread), agent=OWL)))
            await desk.shown(thread)
            assert looks(desk, thread) == [(None, None)]
        tried = [e for e in desk.workspace.traffic if e.name == "chat.postMessage"]
        assert [e.status for e in tried] == ["missing_scope", "ok", "ok"]


@pytest.mark.parametrize("has_scope", [True, False])
async def test_a_streamed_answer_has_the_name_if_slack_has_said_that_it_may(has_scope):
    options = {} if has_scope else {"manifest": without_scope()}
    async with open_desk(**options) as desk:
        await desk.slack.auth_test()
        thread = await desk.ask(desk.workspace.dm("ada").id)
        persona = persona_of(OWL)
        await desk.slack.streams.start(thread, "One", persona=persona)
        expected = ("Data agent", ":owl:") if has_scope else (None, None)
        assert looks(desk, thread) == [expected]
        assert desk.slack.streams.are_offered
