"""The connection: refreshed, cut, deaf, gone; and nothing that was said meanwhile is missed."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.scenario.inbound.conftest import TIMES, World


async def said_ids(world):
    return [say.message.id for say in await world.settled()]


async def test_a_refresh_as_slack_does_it_regularly_loses_nothing(world, bot):
    ada = world.workspace.person("ada")
    before = await ada.post("general", "@treadle before")
    await world.core.until(world.core.said)
    await world.workspace.disconnect()
    after = await ada.post("general", "@treadle after")
    await world.core.until(lambda: len(world.core.said()) == 2)
    await world.core.until(lambda: bot.catch_ups >= 2)
    assert await said_ids(world) == [before, after]
    assert bot.runner.state.connections >= 2


@pytest.mark.usefixtures("bot")
async def test_a_cut_connection_comes_back_and_what_was_missed_is_taken_in(world):
    ada = world.workspace.person("ada")
    first = await ada.post("general", "@treadle before")
    await world.core.until(world.core.said)
    await world.workspace.drop_sockets()
    missed = await ada.post("general", "@treadle while you were away")
    await world.core.until(lambda: missed in {s.message.id for s in world.core.said()})
    assert await said_ids(world) == [first, missed]


async def test_the_state_of_the_connection_can_be_seen(bot):
    state = bot.runner.state
    assert state.connected_since is not None
    assert state.last_frame_at >= state.connected_since
    assert state.connections == 1


async def test_a_connection_gone_deaf_is_replaced(workspace):
    """Nothing comes any more, not even pongs, and the socket still looks open."""
    world = World(workspace, times=replace(TIMES, ping_every_s=30.0, silent_after_s=0.5))
    async with world.running() as bot:
        await bot.runner.until_connected()
        # With a ping every 30 s a quiet workspace is a deaf connection to the watchdog.
        await world.core.until(lambda: bot.catch_ups >= 2)
        assert bot.runner.state.connections >= 2
        ts = await workspace.person("ada").post("general", "@treadle still there?")
        await world.core.until(world.core.said)
        assert world.core.said()[0].message.id == ts


async def test_a_start_before_slack_lets_us_connect(world):
    world.workspace.faults.fail_api["apps.connections.open"] = {"status": 500, "times": 2}
    async with world.running():
        ts = await world.workspace.person("ada").post("general", "@treadle hello")
        await world.core.until(world.core.said)
        assert world.core.said()[0].message.id == ts


async def test_a_stop_waits_for_what_is_being_taken_in(world):
    gate = asyncio.Event()
    carry_out = world.core.carry_out

    async def slowly(command, *, keys):
        gate.set()
        await asyncio.sleep(0.2)
        return await carry_out(command, keys=keys)

    world.core.carry_out = slowly
    async with world.running():
        await world.workspace.person("ada").post("general", "@treadle hello")
        await gate.wait()
    assert len(world.core.said()) >= 1


async def test_catching_up_reads_threads_direct_messages_and_new_channels(world):
    ada = world.workspace.person("ada")
    async with world.running() as bot:
        root = await ada.post("general", "@treadle first")
        old = await ada.post("general", "an old thread")
        await ada.post(world.workspace.dm("ada").id, "hello")
        await world.settled()
        await bot.entrance.seen.flush_all()
    world.workspace.faults.ack_timeout_retries = False
    missed = {
        await ada.post("general", "@treadle second"),
        await ada.post("general", "and quickly", thread_ts=root),
        await ada.post("general", "@treadle look at this", thread_ts=old),
        await ada.post(world.workspace.dm("ada").id, "third"),
        await ada.post("data", "@treadle fourth"),
    }
    await ada.post("general", "not for you")
    async with world.running():
        await world.core.until(lambda: missed <= {s.message.id for s in world.core.said()})
        ids = await said_ids(world)
    assert sorted(ids) == sorted(set(ids))
    assert "not for you" not in {s.message.text for s in world.core.said()}


@pytest.mark.parametrize(("minutes", "is_taken"), [(0, True), (12, False)])
async def test_what_the_first_bot_of_all_died_on_is_taken_in_by_the_next(world, minutes, is_taken):
    """Nothing was ever seen then, and what Slack gave up delivering can only be read."""
    said = await world.workspace.person("ada").post("general", "@treadle hello?")
    now = datetime.now(UTC) + timedelta(minutes=minutes)
    async with world.parts() as bot:
        await bot.whoami.learn(bot.talk, sleep=asyncio.sleep)
        await replace(bot.entrance.catch_up, now=lambda: now).once()
        assert await bot.entrance.underway.drained(within_s=5)
    assert (said in {s.message.id for s in world.core.said()}) is is_taken


async def test_catching_up_twice_says_and_does_nothing_twice(world, bot):
    ada = world.workspace.person("ada")
    root = await ada.post("general", "@treadle work")
    await world.core.until(world.core.said)
    await ada.post("general", "@treadle stop", thread_ts=root)
    await ada.post("general", "@treadle")
    await world.told("ada")
    await world.settled()
    await bot.entrance.seen.flush_all()
    carried, told = list(world.core.carried), world.replies_to("ada")
    world.core.keys.clear()  # as if the keys had been pruned meanwhile: the worst case
    done = await bot.entrance.catch_up.once()
    assert done.messages >= 3
    again = [c for c in world.core.carried[len(carried) :] if type(c).__name__ != "Say"]
    assert again == []
    assert world.replies_to("ada") == told


async def test_nothing_is_marked_as_read_past_a_gap(world, bot):
    ada = world.workspace.person("ada")
    await ada.post("general", "@treadle before")
    await world.settled()
    await bot.entrance.seen.flush_all()
    key = (world.workspace.team_id, world.workspace.channel("general").id)
    before = world.rows.channel_rows[key].last_seen_ts
    bot.entrance.seen.hold()
    await ada.post("general", "@treadle after the gap")
    await world.settled()
    await bot.entrance.seen.flush()
    await bot.entrance.seen.flush()
    assert world.rows.channel_rows[key].last_seen_ts == before
    await bot.entrance.catch_up.once()
    await bot.entrance.seen.flush_all()
    assert world.rows.channel_rows[key].last_seen_ts > before


async def test_a_channel_that_cannot_be_read_does_not_keep_the_others(world):
    ada = world.workspace.person("ada")
    async with world.running() as bot:
        await ada.post("general", "@treadle one")
        await ada.post("data", "@treadle two")
        await world.settled()
        await bot.entrance.seen.flush_all()
        world.workspace.faults.fail_api["conversations.history"] = {
            "error": "channel_not_found",
            "times": 1,
        }
        done = await bot.entrance.catch_up.once()
        assert len(done.behind) == 1
        assert done.channels >= 3


async def test_mentions_of_long_ago_are_left_alone(world):
    ada = world.workspace.person("ada")
    async with world.running() as bot:
        old = await ada.post("general", "@treadle one")
        await world.settled()
        await bot.entrance.seen.flush_all()
        world.core.keys.clear()
        before = len(world.core.carried)
        later = datetime.now(UTC) + timedelta(days=8)
        await replace(bot.entrance.catch_up, now=lambda: later).once()
        assert old not in [c.message.id for c in world.core.carried[before:]]


async def test_a_message_that_breaks_us_does_not_keep_the_others(world, caplog):
    ada = world.workspace.person("ada")
    async with world.running() as bot:
        await ada.post("general", "@treadle one")
        await world.settled()
        await bot.entrance.seen.flush_all()
    world.workspace.faults.ack_timeout_retries = False
    poison = await ada.post("general", "@treadle poison")
    fine = await ada.post("general", "@treadle fine")
    carry_out = world.core.carry_out

    async def breaking(command, *, keys):
        if poison in str(keys):
            raise ZeroDivisionError
        return await carry_out(command, keys=keys)

    world.core.carry_out = breaking
    async with world.running():
        await world.core.until(lambda: fine in {s.message.id for s in world.core.said()})
    assert "message_not_caught_up" in caplog.text


async def test_a_proxy_in_the_environment_is_not_used_for_this_machine(world, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with world.running():
        ts = await world.workspace.person("ada").post("general", "@treadle hello")
        await world.core.until(world.core.said)
        assert world.core.said()[0].message.id == ts


async def test_other_slack_settings_in_the_environment_change_nothing(world, monkeypatch, caplog):
    """Bolt reads these by itself and would switch to OAuth, or warn about tokens."""
    monkeypatch.setenv("SLACK_CLIENT_ID", "1.2")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "s")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-of-another-app")
    monkeypatch.setenv("SLACK_APP_TOKEN", "xapp-of-another-app")
    async with world.running():
        await world.workspace.person("ada").post("general", "@treadle hello")
        assert len(await world.settled()) == 1
    assert "slack_bolt" not in {record.name.split(".")[0] for record in caplog.records}
