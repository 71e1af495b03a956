"""``/memory``: what is remembered is seen, found, corrected, pinned and forgotten by people."""

import json

import pytest

from bot.agents_file import parse_agents_file
from tests.scenario.whole.conftest import open_town
from tests.scenario.whole.test_commands import field_values
from tests.scenario.whole.test_memory import ASKED, KILN, answered


@pytest.fixture
def without_local_model(monkeypatch):
    async def no_model():
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", no_model)


def shown(message):
    return f"{message.text} {json.dumps(message.blocks)}"


def last(town, person="ada", channel="general"):
    return town.person(person).ephemerals(channel)[-1]


def buttons(message, label):
    elements = [e for b in message.blocks or [] for e in b.get("elements", ())]
    return [e for e in elements if e["type"] == "button" and e["text"]["text"] == label]


async def memory(town, text="", *, person="ada", channel="general"):
    """Give the command; return the message that it showed."""
    await town.person(person).slash(channel, "/memory", text)
    return last(town, person, channel)


async def press(town, message, label, *, person="ada", value=None):
    [button] = buttons(message, label)
    await town.person(person).click(
        "general", message.ts, button["action_id"], value or button["value"]
    )


async def told(town, words, *, person="ada", channel="general"):
    def seen():
        found = town.person(person).ephemerals(channel)
        return next((m for m in reversed(found) if words in shown(m)), None)

    return await town.until(seen)


async def test_what_was_told_is_listed_and_an_empty_memory_says_how_to_fill_it(town):
    assert "remembers nothing here yet" in (await memory(town)).text
    await answered(town, KILN)
    listed = await memory(town)
    assert "1 fact, 1 episode" in listed.text
    assert "the kiln runs on Tuesdays" in shown(listed)
    assert "Search finds every kind, by words." in shown(listed)
    assert "kiln" not in shown(await memory(town, channel="data"))


async def test_a_fact_told_by_command_is_known_to_the_agent_and_kept_once(town):
    for _ in range(2):
        said = await memory(town, "remember that the kiln runs on Tuesdays")
        assert said.text == "Remembered."
    assert "1 fact" in (await memory(town)).text
    assert "Tuesdays" in await answered(town, ASKED)
    assert "Tuesdays" in shown(await memory(town, "search kiln"))


async def test_a_correction_takes_the_place_of_the_old_words_and_keeps_them_as_history(town):
    listed = await memory(town, "remember the kiln runs on Tuesdays")
    await press(town, listed, "Correct")
    ada = town.person()
    form = await town.until(ada.modal)
    said = await ada.submit(form.id, field_values(form, words="the kiln runs on Fridays"))
    assert not said.get("response_action")
    answer = await answered(town, ASKED)
    assert "Fridays" in answer
    assert "Tuesdays" not in answer
    whole = shown(await memory(town, "show 2"))
    assert whole.index("Fridays") < whole.index("Tuesdays")
    assert "has the number 1" in (await memory(town, "show 1")).text


async def test_forgetting_shows_what_would_go_and_then_it_is_gone(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    asked = await memory(town, "forget the kiln")
    assert "This would go" in asked.text
    [button] = buttons(asked, "Forget")
    assert button["confirm"]["confirm"]["text"] == "Forget"
    await press(town, asked, "Forget")
    await told(town, "1 memory in all.")
    assert "remembers nothing" in (await memory(town)).text
    await press(town, asked, "Forget")
    await told(town, "not remembered any more")


async def test_a_pinned_memory_comes_first(town):
    first = await memory(town, "remember the kiln runs on Tuesdays")
    await memory(town, "remember the lathe is broken")
    await press(town, first, "Pin")
    await told(town, "Pinned: it comes first")
    listed = shown(await memory(town))
    assert listed.index("kiln") < listed.index("lathe")
    assert "Unpin" in listed


async def test_nobody_changes_what_comes_from_somebody_else_but_admins(town):
    mine = await memory(town, "remember the kiln runs on Tuesdays", person="grace")
    theirs = await memory(town, person="linus")
    for label in ("Forget", "Correct", "Pin"):
        await press(town, theirs, label, person="linus")
        await told(town, "Only <@", person="linus")
    assert town.person("linus").modal() is None
    assert "kiln" in shown(await memory(town, person="linus"))
    assert mine.text == "Remembered."


@pytest.mark.usefixtures("without_local_model")
async def test_everything_here_goes_when_an_admin_says_so_twice(tmp_path, workspace):
    file, _ = parse_agents_file({"slack": {"admins": [workspace.person("ada").id]}}, name="t")
    async with open_town(tmp_path, workspace, file=file) as town:
        await memory(town, "remember the kiln runs on Tuesdays", person="grace")
        said = await memory(town, "forget everything here", person="linus")
        assert said.text.startswith("Only an admin")
        asked = await memory(town, "forget everything here")
        await press(town, asked, "Forget everything here")
        await told(town, "Forgotten: 1 memory")
        assert "remembers nothing" in (await memory(town)).text


async def test_forget_me_takes_what_comes_from_me_in_every_channel_and_nothing_else(town):
    await memory(town, "remember the kiln runs on Tuesdays", person="grace")
    await memory(town, "remember the vault opens at nine", person="grace", channel="data")
    await memory(town, "remember the lathe is broken", person="linus")
    refused = await memory(town, f"forget <@{town.person('grace').id}>", person="linus")
    assert refused.text.startswith("Only an admin")
    asked = await memory(town, "forget me", person="grace")
    [button] = buttons(asked, "Forget it all")
    own = await memory(town, "forget me", person="linus")
    await press(town, own, "Forget it all", person="linus", value=button["value"])
    await told(town, "Only an admin", person="linus")
    await press(town, asked, "Forget it all", person="grace")
    said = await told(town, "Forgotten: 2 memories", person="grace")
    assert "Messages in Slack" in said.text
    assert "are left as they are" in said.text
    assert "lathe" in shown(await memory(town, person="linus"))
    assert "remembers nothing" in (await memory(town, person="linus", channel="data")).text


async def test_no_button_reaches_into_another_channel(town):
    await memory(town, "remember the vault opens at nine", person="grace", channel="data")
    listed = await memory(town, "remember the lathe is broken")
    forged = [
        json.dumps({**json.loads(buttons(listed, "Forget")[0]["value"]), "memory_id": number})
        for number in (1, -1, 10**12)
    ]
    for value in forged:
        before = len(town.ephemerals())
        await press(town, listed, "Forget", value=value)
        await town.until(lambda seen=before: len(town.ephemerals()) > seen)
        assert "not remembered any more" in last(town).text
    assert "has the number 1" in (await memory(town, "show 1")).text
    assert "fits" in (await memory(town, "search vault")).text
    assert "vault" in shown(await memory(town, person="grace", channel="data"))


async def test_what_came_of_a_task_that_worked_with_files_says_that_it_may_repeat_them(town):
    await answered(town, "calculate 17*23")
    assert "may repeat a page or a file" not in shown(await memory(town, "episodes"))
    await answered(town, "calculate 17*23 then save the result to answer.txt")
    assert "may repeat a page or a file" in shown(await memory(town, "episodes"))


async def test_the_export_comes_as_a_file_to_the_person_alone(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    said = await memory(town, "export")
    assert "sending you 1 memory" in said.text
    calls = town.workspace.traffic.calls
    [call] = await town.until(lambda: calls("files.completeUploadExternal"))
    assert call.args["channel_id"].startswith("D")


async def test_the_same_words_work_in_a_thread_and_other_words_are_a_problem(town):
    ts = await town.mention(KILN)
    await town.answered(ts)
    await town.mention("memory search kiln", thread_ts=ts)
    await told(town, "2 memories for")
    await town.mention("memory remember the lathe is broken", thread_ts=ts)
    await told(town, "Remembered.")
    problem = await town.mention("memory leaks in our app: find them")
    await town.answered(problem)
    assert (await town.run(problem)).task.description == "memory leaks in our app: find them"


async def test_an_answer_shows_which_memories_it_used(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    ts = await town.mention(ASKED)
    await town.answered(ts)
    message = next(m for m in town.ours(ts) if buttons(m, "Memories"))
    assert "1 memory used" in shown(message)
    await press(town, message, "Memories")
    view = await town.until(town.person().modal)
    assert "The answer used 1 memory" in json.dumps(view.payload)
    assert "the kiln runs on Tuesdays" in json.dumps(view.payload)


@pytest.mark.parametrize("text", ["dance", "show me", "forget", "remember", "<!channel>"])
async def test_words_that_are_not_understood_get_one_sentence(town, text):
    said = await memory(town, text)
    assert "does not know" in said.text
    assert "<!channel>" not in said.text


async def test_guests_are_refused(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    said = await memory(town, person="gus")
    assert "guests" in said.text
    assert "kiln" not in shown(said)
