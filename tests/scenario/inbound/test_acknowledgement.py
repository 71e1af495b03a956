"""Nothing is acknowledged before it is stored, and what was not is delivered again."""

import pytest

from agent_engine.commands import Say
from bot.inbound.whoami import IdentityRefusedError, IdentityUnknownError


def deliveries(world, ts):
    return [
        entry
        for entry in world.workspace.traffic
        if entry.name in ("message", "app_mention")
        and entry.request["payload"]["event"].get("ts") == ts
    ]


@pytest.mark.usefixtures("bot")
async def test_what_could_not_be_stored_is_delivered_again_and_then_once(world):
    world.core.failures = 2
    ts = await world.workspace.person("ada").post("general", "@treadle please")
    await world.core.until(world.core.said)
    (say,) = await world.settled()
    assert say.message.id == ts
    assert world.core.attempts >= 4
    assert len(deliveries(world, ts)) > 2


@pytest.mark.usefixtures("bot")
async def test_a_command_that_could_not_be_stored_is_not_acknowledged(world):
    await world.workspace.person("ada").post("general", "@treadle hello")
    await world.settled()
    world.core.failures = 99
    with pytest.raises(Exception, match=r"operation_timeout|dispatch_failed"):
        await world.workspace.person("ada").slash("general", "/solve", "something")


async def test_events_before_we_know_who_we_are_are_not_acknowledged(world):
    async with world.parts() as bot:
        with pytest.raises(IdentityUnknownError):
            _ = bot.whoami.us


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "times": 2},
        {"status": "reset", "times": 2},
        {"error": "ratelimited", "status": 429, "retry_after": 0, "times": 2},
    ],
)
async def test_a_start_while_slack_is_in_trouble_loses_nothing(world, fault):
    world.workspace.faults.fail_api["auth.test"] = fault
    async with world.running():
        ts = await world.workspace.person("ada").post("general", "@treadle hello")
        await world.core.until(world.core.said)
        assert world.core.said()[0].message.id == ts


async def test_a_refused_token_ends_the_start_with_its_fix(world):
    world.workspace.faults.fail_api["auth.test"] = {"error": "invalid_auth"}
    with pytest.raises(IdentityRefusedError, match="copy the Bot User OAuth Token"):
        async with world.running():
            pass


async def test_who_we_are_is_asked_once(world):
    async with world.running():
        for text in ("@treadle one", "@treadle two", "nothing"):
            await world.workspace.person("ada").post("general", text)
        await world.settled()
    asked = [entry for entry in world.workspace.traffic if entry.name == "auth.test"]
    assert len(asked) == 1


async def test_what_was_said_while_the_bot_was_away_is_taken_in_once(world):
    ada = world.workspace.person("ada")
    async with world.running() as bot:
        root = await ada.post("general", "@treadle first")
        await world.settled()
        await bot.entrance.seen.flush_all()
    missed = await ada.post("general", "@treadle second")
    steer = await ada.post("general", "and quickly", thread_ts=root)
    direct = await ada.post(world.workspace.dm("ada").id, "third")
    world.workspace.core.deliveries  # noqa: B018  # the workspace keeps retrying on its own
    async with world.running():
        wanted = {root, missed, steer, direct}
        await world.core.until(lambda: wanted <= {s.message.id for s in world.core.said()})
        said = [s.message.id for s in await world.settled()]
    assert sorted(said) == sorted(set(said))
    assert not any(isinstance(command, Say) and not command.thread for command in world.core.said())
