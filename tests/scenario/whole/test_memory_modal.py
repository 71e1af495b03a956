"""*Memories* and *Browse and search* open a modal that is true after every click."""

import asyncio
import json

from agent_engine.errors import StorageError
from bot.outbound.blocks import ids
from tests.scenario.whole.test_commands import field_values
from tests.scenario.whole.test_memory import ASKED, KILN, answered
from tests.scenario.whole.test_memory_command import buttons, memory, press, told


def shown(view):
    return json.dumps(view.payload, ensure_ascii=False)


def buttons_in(view, label):
    elements = [e for b in view.payload["blocks"] for e in b.get("elements", ())]
    return [e for e in elements if e["type"] == "button" and e["text"]["text"] == label]


async def browse(town, message, label="Browse and search", *, person="ada"):
    """Press a button of a message that opens the modal; return the modal."""
    await press(town, message, label, person=person)
    return await town.until(town.person(person).modal)


async def within(town, label, *, person="ada"):
    """Press a button in the modal; it shows what became of that before Slack is answered."""
    view = town.person(person).modal()
    button = buttons_in(view, label)[0]
    await town.person(person).click_in_view(view.id, button["action_id"], button["value"])
    return town.person(person).modal()


async def search(town, view, words, kind="all"):
    values = field_values(view, find=words)
    values["kind"]["kind"]["selected_option"] = {"value": kind}
    said = await town.person().submit(view.id, values)
    assert said["response_action"] == "update"
    return town.person().modal()


async def used(town):
    """Let an answer use a memory; return its message."""
    ts = await town.mention(ASKED)
    await town.answered(ts)
    return next(m for m in town.ours(ts) if buttons(m, "Memories"))


async def test_an_answers_memories_open_with_their_source_and_go_at_a_click(town):
    await answered(town, KILN)
    message = await used(town)
    before = len(town.ephemerals())
    view = await browse(town, message, "Memories")
    assert "The answer used" in shown(view)
    assert "the kiln runs on Tuesdays" in shown(view)
    assert "a person's word · <http" in shown(view)
    assert "|its thread>" in shown(view)
    assert "submit" not in view.payload
    there = len(buttons_in(view, "Forget"))
    view = await within(town, "Forget")
    assert "1 memory in all." in shown(view)
    assert "gone since" in shown(view)
    assert len(buttons_in(view, "Forget")) < there
    view = await within(town, "All that is remembered here")
    assert "episode" in shown(view)
    assert len(town.ephemerals()) == before, "what is said in the modal is said nowhere else"


async def test_pages_are_turned_and_memories_are_searched_in_the_modal(town):
    for number in range(9):
        listed = await memory(town, f"remember that shelf {number} holds paint number {number}")
    await memory(town, "remember that the kiln runs on Tuesdays")
    listed = await memory(town)
    view = await browse(town, listed)
    assert "shelf 8" in shown(view)
    assert "shelf 0" not in shown(view)
    view = await within(town, "More")
    assert "shelf 0" in shown(view)
    assert not buttons_in(view, "More")
    view = await search(town, view, "kiln")
    assert "For “kiln”, best first." in shown(view)
    assert "shelf" not in shown(view)
    view = await search(town, view, "paint")
    assert buttons_in(view, "More")
    view = await within(town, "More")
    assert shown(view).count("holds paint") >= 1
    assert not buttons_in(view, "More")
    view = await search(town, view, "kiln", kind="lesson")
    assert "Nothing here fits" in shown(view)
    view = await search(town, view, "", kind="lesson")
    assert "None of this kind." in shown(view)


async def test_the_last_page_that_is_emptied_gives_way_to_the_one_before(town):
    for number in range(9):
        await memory(town, f"remember that shelf {number} holds paint number {number}")
    await browse(town, await memory(town))
    await within(town, "More")
    view = await within(town, "Forget")
    assert "shelf 8" in shown(view)
    assert not buttons_in(view, "Back")


async def test_a_correction_is_made_above_the_modal_and_seen_in_it(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    await browse(town, await memory(town))
    form = await within(town, "Correct")
    ada = town.person()
    said = await ada.submit(form.id, field_values(form, words=""))
    assert said["response_action"] == "errors"
    said = await ada.submit(form.id, field_values(form, words="the kiln runs on Fridays"))
    assert not said.get("response_action")
    view = ada.modal()
    assert "Corrected." in shown(view)
    assert "the kiln runs on Fridays" in shown(view)
    view = await within(town, "Pin")
    assert "Pinned" in shown(view)
    assert buttons_in(view, "Unpin")


async def test_who_may_not_change_a_memory_reads_so_in_the_modal(town):
    await memory(town, "remember the kiln runs on Tuesdays", person="grace")
    await browse(town, await memory(town, person="linus"), person="linus")
    for label in ("Forget", "Correct", "Pin"):
        view = await within(town, label, person="linus")
        assert "Only <@" in shown(view)
        assert "the kiln runs on Tuesdays" in shown(view)


async def test_the_modal_shows_the_channel_it_was_opened_in_and_no_other(town):
    await memory(town, "remember the vault opens at nine", channel="data")
    await memory(town, "remember the lathe is broken")
    view = await browse(town, await memory(town))
    assert "vault" not in shown(view)
    view = await search(town, view, "vault")
    assert "the vault opens" not in shown(view)
    form = ids.read_form(view.payload["callback_id"], view.payload["private_metadata"])
    assert form.channel_id == town.workspace.channel("general").id


async def test_where_no_modal_opens_the_list_is_shown_in_the_channel(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    listed = await memory(town)
    town.workspace.faults.merge({"fail_api": {"views.open": {"error": "expired_trigger_id"}}})
    await press(town, listed, "Browse and search")
    await town.until(lambda: len(town.ephemerals()) > 2)
    assert "remembers here: 1 fact" in town.ephemerals()[-1]
    assert town.person().modal() is None


async def test_a_result_is_told_in_the_channel_when_the_modal_was_closed_meanwhile(town):
    await memory(town, "remember the kiln runs on Tuesdays")
    listed = await memory(town)
    await browse(town, listed)
    town.workspace.faults.merge({"fail_api": {"views.update": {"error": "not_found"}}})
    await within(town, "Forget")
    await told(town, "1 memory in all.")


async def test_a_search_that_takes_too_long_or_fails_says_so_beside_its_field(town, monkeypatch):
    await memory(town, "remember the kiln runs on Tuesdays")
    view = await browse(town, await memory(town))

    async def hang(*_args, **_options):
        await asyncio.Event().wait()

    async def fail(*_args, **_options):
        raise StorageError("the database cannot be used")

    monkeypatch.setattr("bot.inbound.memory_browser.SEARCH_S", 0.05)
    for search_of in (hang, fail):
        monkeypatch.setattr("agent_engine.memory.book.MemoryBook.search", search_of)
        said = await town.person().submit(view.id, field_values(view, find="kiln"))
        assert said["response_action"] == "errors"
        assert "Please try again" in said["errors"]["find"]


async def test_who_left_a_private_channel_is_shown_nothing_more_and_changes_nothing(town):
    ada, grace = town.person(), town.person("grace")
    await ada.create_channel("kilns", is_private=True)
    await ada.invite("kilns", "grace")
    await ada.invite("kilns", "treadle")
    await memory(town, "remember the kiln runs on Tuesdays", person="grace", channel="kilns")
    listed = await memory(town, person="grace", channel="kilns")
    [button] = buttons(listed, "Browse and search")
    await grace.click("kilns", listed.ts, button["action_id"], button["value"])
    view = await town.until(grace.modal)
    form = await within(town, "Correct", person="grace")
    assert "response_action" not in await grace.submit(form.id, field_values(form, words="Fridays"))
    assert "Fridays" in shown(grace.modal())
    form = await within(town, "Correct", person="grace")

    await grace.leave("kilns")
    said = await grace.submit(form.id, field_values(form, words="Sundays"))
    assert "for its members" in str(said["errors"])
    await grace.close(form.id)
    said = await grace.submit(view.id, field_values(view, find="kiln"))
    assert "for its members" in str(said["view"])
    assert "Fridays" not in str(said)
    listed = await memory(town, channel="kilns")
    assert "Fridays" in listed.text + json.dumps(listed.blocks)
