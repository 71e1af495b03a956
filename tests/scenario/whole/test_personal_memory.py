"""``/memory personal``: what is kept for one person alone, and where they let it be used."""

import json

from tests.scenario.whole.test_memory import ASKED, KILN, answered
from tests.scenario.whole.test_memory_command import buttons, memory, press, shown

OWN = "remember for me that the kiln runs on Tuesdays"


async def test_what_is_kept_for_one_person_is_used_in_a_channel_only_by_their_word(town):
    kept = await memory(town, OWN)
    assert "Remembered for you alone. It is used where you say" in kept.text
    assert "Tuesdays" not in await answered(town, ASKED)
    on = await memory(town, "personal on")
    assert "Everyone in this channel can read what comes of that" in on.text
    assert "Tuesdays" in await answered(town, ASKED)
    assert "Tuesdays" not in await answered(town, ASKED, person="grace")
    assert "Tuesdays" not in await answered(town, ASKED, channel="data")
    assert "not used here. They are kept" in (await memory(town, "personal off")).text
    assert "the kiln runs on Tuesdays" in shown(await memory(town, "mine"))


async def test_nobody_else_sees_changes_or_forgets_what_is_kept_for_one_person(town):
    await memory(town, OWN)
    listed = await memory(town, "mine")
    [forget] = buttons(listed, "Forget")
    assert "Nothing is kept for you alone" in (await memory(town, "mine", person="linus")).text
    assert "Tuesdays" not in shown(await memory(town, "search kiln", person="linus"))
    assert "Tuesdays" not in shown(await memory(town, "show 1", person="linus"))
    assert "Tuesdays" not in shown(await memory(town, person="linus"))
    # Linus is an admin, and sends the button that only Ada was shown.
    note = await memory(town, "remember that the lathe is blue", person="linus")
    await press(town, note, "Forget", person="linus", value=forget["value"])
    await town.until(lambda: town.person("linus").ephemerals("general")[-1].ts != note.ts)
    assert "the kiln runs on Tuesdays" in shown(await memory(town, "mine"))
    await press(town, listed, "Forget")
    await town.until(lambda: "Forgotten" in town.person("ada").ephemerals("general")[-1].text)
    assert "Nothing is kept for you alone" in (await memory(town, "mine")).text


async def test_what_an_answer_used_of_ones_own_is_shown_to_that_person_alone(town):
    await memory(town, OWN)
    await memory(town, "personal on")
    ts = await town.mention(ASKED)
    await town.answered(ts)
    message = next(m for m in town.ours(ts) if buttons(m, "Memories"))
    for person, sees in (("ada", True), ("grace", False)):
        await press(town, message, "Memories", person=person)
        view = await town.until(town.person(person).modal)
        assert "The answer used" in json.dumps(view.payload)
        assert ("the kiln runs on Tuesdays" in json.dumps(view.payload)) is sees


async def test_in_direct_messages_what_is_to_be_remembered_is_kept_for_that_person(town):
    dm = town.workspace.dm("ada").id
    assert "not used here" in (await memory(town, "personal", channel=dm)).text
    on = await memory(town, "personal on", channel=dm)
    assert "what you ask me to remember in these direct messages is kept for you" in on.text
    ts = await town.person("ada").post(dm, KILN)
    await town.answered(ts, channel=dm)
    assert "the kiln runs on Tuesdays" in shown(await memory(town, "mine"))
    assert "Tuesdays" not in await answered(town, ASKED)


async def test_forgetting_a_person_takes_their_own_memories_and_their_consent(town):
    await memory(town, OWN)
    await memory(town, "personal on")
    asked = await memory(town, "forget me")
    [button] = buttons(asked, "Forget it all")
    await press(town, asked, "Forget it all", value=button["value"])
    await town.until(lambda: "memor" in _last(town, "ada").text and _last(town, "ada") != asked)
    assert "Nothing is kept for you alone" in (await memory(town, "mine")).text
    assert "not used here" in (await memory(town, "personal")).text


def _last(town, person):
    return town.person(person).ephemerals("general")[-1]
