"""A mention starts one task in its thread, however often and in whatever shape it arrives."""

import pytest

from agent_engine.commands import Amend
from bot.outbound.content import Content

pytestmark = pytest.mark.usefixtures("bot")


async def test_a_mention_and_its_message_event_are_one_task(world):
    ts = await world.workspace.person("ada").post("general", "@treadle what is 17*23?")
    (say,) = await world.settled()
    assert say.message.text == "what is 17*23?"
    assert say.message.id == ts
    assert say.message.author == world.workspace.person("ada").id
    assert (say.thread.thread_ts, say.starts, say.continues) == (ts, True, True)
    assert say.agent_id == "default"


async def test_the_second_event_of_a_mention_costs_no_transaction(world):
    await world.workspace.person("ada").post("general", "@treadle what is 17*23?")
    said = len(await world.settled()) + 1
    assert said == world.core.attempts == 2


async def test_a_mention_anywhere_in_the_text_counts(world):
    await world.workspace.person("ada").post("general", "hey @treadle, could you help?")
    (say,) = await world.settled()
    assert say.message.text == "hey, could you help?"


async def test_a_message_without_a_mention_is_none_of_our_business(world):
    await world.workspace.person("ada").post("general", "nice weather")
    assert await world.settled() == []


async def test_the_same_event_delivered_twice_is_one_task(world):
    world.workspace.faults.duplicate_deliveries = 1.0
    await world.workspace.person("ada").post("general", "@treadle once please")
    assert len(await world.settled()) == 1


async def test_a_very_long_message_is_accepted_whole(world):
    text = "word " * 7_990
    await world.workspace.person("ada").post("general", f"@treadle {text}")
    (say,) = await world.settled()
    assert say.message.text == text.strip()


async def test_an_empty_mention_gets_one_sentence_with_an_example(world):
    await world.workspace.person("ada").post("general", "@treadle")
    await world.told("ada")
    assert await world.settled() == []
    (sentence,) = world.replies_to("ada")
    assert "for example" in sentence
    assert world.replies_to("grace") == []


async def test_a_link_preview_starts_and_tells_nothing(world):
    ts = await world.workspace.person("ada").post("general", "@treadle read https://a.example")
    world.workspace.unfurl(world.workspace.channel("general").id, ts)
    assert len(await world.settled()) == 1
    assert not any(isinstance(command, Amend) for command in world.core.carried)


async def test_an_edit_amends_the_task_and_starts_no_second_one(world):
    ada = world.workspace.person("ada")
    ts = await ada.post("general", "@treadle add 1 and 2")
    await world.core.until(world.core.said)
    await ada.edit("general", ts, "@treadle add 1 and 3")
    await world.core.until(lambda: any(isinstance(x, Amend) for x in world.core.carried))
    assert len(await world.settled()) == 1
    (amend,) = [x for x in world.core.carried if isinstance(x, Amend)]
    assert amend.message.text == "add 1 and 3"
    assert amend.message.id.startswith(f"{ts}#edited")


async def test_a_mention_that_comes_with_an_edit_starts_the_task(world):
    ada = world.workspace.person("ada")
    ts = await ada.post("general", "add 1 and 2")
    await ada.edit("general", ts, "@treadle add 1 and 2")
    (say,) = await world.settled()
    assert say.message.id == ts


async def test_a_reply_continues_the_task_without_a_mention(world):
    ada, grace = world.workspace.person("ada"), world.workspace.person("grace")
    root = await ada.post("general", "@treadle write a poem")
    await world.core.until(world.core.said)
    await grace.post("general", "make it rhyme", thread_ts=root)
    await world.core.until(lambda: len(world.core.said()) == 2)
    steer = world.core.said()[1]
    assert (steer.thread.thread_ts, steer.starts, steer.continues) == (root, False, True)


async def test_a_reply_in_a_thread_without_a_task_is_ignored(world):
    ada = world.workspace.person("ada")
    root = await ada.post("general", "lunch?")
    await ada.post("general", "yes", thread_ts=root)
    assert await world.settled() == []


async def test_a_mention_in_a_thread_knows_what_was_said_before(world):
    ada, grace = world.workspace.person("ada"), world.workspace.person("grace")
    root = await ada.post("general", "the sum of 2 and 2?")
    await grace.post("general", "I would say 5", thread_ts=root)
    await ada.post("general", "@treadle who is right?", thread_ts=root)
    (say,) = await world.settled()
    assert [m.text for m in say.earlier] == ["the sum of 2 and 2?", "I would say 5"]
    assert not any(m.steers for m in say.earlier)
    assert say.thread.thread_ts == root


async def test_a_known_persons_mention_needs_no_call_to_slack(world):
    ada = world.workspace.person("ada")
    await ada.post("general", "@treadle first")
    await world.settled()
    calls = [entry.name for entry in world.workspace.traffic if entry.name == "users.info"]
    await ada.post("general", "@treadle second")
    await world.settled()
    again = [entry.name for entry in world.workspace.traffic if entry.name == "users.info"]
    assert calls == again
    assert not any(entry.name == "auth.test" for entry in list(world.workspace.traffic)[1:])


async def test_files_are_named_to_the_task(world):
    await world.workspace.person("ada").upload(
        "general", "sales.csv", b"a,b\n", comment="@treadle sum this up"
    )
    (say,) = await world.settled()
    assert say.message.text == "sum this up"
    (file,) = say.message.files
    assert (file.name, file.mimetype, file.size) == ("sales.csv", "text/csv", 4)


async def test_a_direct_message_is_a_task(world):
    ts = await world.workspace.person("ada").post(world.workspace.dm("ada").id, "what is 2+2?")
    await world.core.until(world.core.said)
    (say,) = world.core.said()
    assert (say.thread.thread_ts, say.starts) == (ts, True)


async def test_what_the_bot_writes_itself_starts_nothing(world, bot):
    channel = world.workspace.channel("general").id
    text = f"<@{world.workspace.bot_user_id}> do it"
    await bot.talk.post_message(channel, Content(text=text), key="run:r1:answer:0")
    assert await world.settled() == []
    assert world.replies_to("ada") == []


async def test_an_edit_after_the_task_has_ended_is_not_answered_with_too_late(world):
    ada = world.workspace.person("ada")
    ts = await ada.post("general", "@treadle add 1 and 2")
    await world.core.until(world.core.said)
    world.core.declines = "already_ended"
    await ada.edit("general", ts, "@treadle add 1 and two")
    await world.core.until(lambda: any(isinstance(x, Amend) for x in world.core.carried))
    await world.bot.entrance.underway.drained(within_s=5)
    assert world.replies_to("ada") == []


async def test_an_empty_mention_that_gets_its_problem_by_an_edit_starts_the_task(world):
    ada = world.workspace.person("ada")
    ts = await ada.post("general", "@treadle")
    await world.told("ada")
    await ada.edit("general", ts, "@treadle add 1 and 2")
    (say,) = await world.settled()
    assert say.message.text == "add 1 and 2"


async def test_of_a_long_thread_the_root_and_the_newest_messages_are_known(world):
    world.workspace.faults.enforce_rate_limits = False
    ada = world.workspace.person("ada")
    root = await ada.post("general", "the root")
    for number in range(320):
        await ada.post("general", f"reply {number}", thread_ts=root)
    await ada.post("general", "@treadle sum it up", thread_ts=root)
    (say,) = await world.settled()
    assert say.earlier[0].text == "the root"
    assert say.earlier[-1].text == "reply 319"
    assert len(say.earlier) == 101
