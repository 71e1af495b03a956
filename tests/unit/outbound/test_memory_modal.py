"""The modal of memories: within Slack's sizes, literal, and with what can be done."""

import json
from dataclasses import replace

import pytest

from agent_engine.memories import MemoryKind, Origin, SearchMode
from agent_engine.types import AgentId, RunId
from bot.outbound.blocks import ids, memories, memory_ids, memory_modal
from tests.fakes.blocks import check_view
from tests.fakes.runs import THREAD
from tests.unit.outbound.test_memory_blocks import KILN, NASTY, a_page, labels

FORM = memory_ids.BrowseForm(agent_id=AgentId("A1"), channel_id="C1", thread_ts="1.0")
NOWHERE = memory_modal.Sources(workspace_url="https://w.example/", threads={})
FULL = [replace(NASTY, id=n) for n in range(memories.PAGE + 1)]


def a_modal(shelf, sources=NOWHERE, notice=""):
    view = memory_modal.memories_modal(shelf, sources, notice=notice)
    check_view(view)
    return view


def listed(*shown, tally, page=0):
    form = replace(FORM, page=page)
    return memory_modal.listed_shelf(form, a_page(*shown, tally=tally, page=page))


def found(shown, **changes):
    form = replace(FORM, words="kiln", **changes)
    return memory_modal.found_shelf(form, shown, mode=SearchMode.FUSED)


@pytest.mark.parametrize(
    "shelf",
    [
        listed(tally={}),
        listed(*FULL[:-1], tally={MemoryKind.FACT: 20}, page=1),
        found(FULL),
        found([]),
        memory_modal.used_shelf(replace(FORM, run_id="r1"), [NASTY] * 1, told=3),
        memory_modal.used_shelf(replace(FORM, run_id="r1"), [], told=0),
        memory_modal.used_shelf(
            replace(FORM, run_id="r1"), [replace(NASTY, id=n) for n in range(40)], told=42
        ),
    ],
)
def test_slack_takes_the_modal_whatever_is_remembered(shelf):
    view = a_modal(shelf, notice="Forgotten.")
    marked = [b for b in view["blocks"] if b["type"] in ("section", "context")]
    assert "<!channel>" not in json.dumps(marked)
    assert "\u202e" not in json.dumps(view, ensure_ascii=False)
    assert ("submit" in view) == any(b["type"] == "input" for b in view["blocks"])
    assert ids.read_form(view["callback_id"], view["private_metadata"]) == shelf.form


def test_the_pages_turn_as_far_as_there_are_some():
    tally = {MemoryKind.FACT: 17}
    assert labels(a_modal(listed(KILN, tally=tally))["blocks"])[-1:] == ["More"]
    assert labels(a_modal(listed(KILN, tally=tally, page=1))["blocks"])[-2:] == ["Back", "More"]
    assert labels(a_modal(listed(KILN, tally=tally, page=2))["blocks"])[-1:] == ["Back"]
    assert labels(a_modal(found(FULL))["blocks"])[-1:] == ["More"]
    assert labels(a_modal(found(FULL[1:]))["blocks"])[-1:] == ["Forget"]


def test_an_entry_says_where_it_comes_from():
    memory = replace(KILN, origin=replace(KILN.origin, run_id=RunId("r1")))
    told = memory_modal.Sources(workspace_url="https://w.example/", threads={"r1": THREAD})
    shown = json.dumps(a_modal(listed(memory, tally={MemoryKind.FACT: 1}), told))
    assert "said by <@U1>" in shown
    assert "a person's word" in shown
    assert "<https://w.example/archives/C1/p1732300000000100|its thread>" in shown
    unknown = replace(memory, origin=Origin())
    assert "its thread" not in json.dumps(a_modal(found([unknown]), told))


def test_what_is_searched_for_is_read_from_the_form():
    values = {
        "find": {"find": {"value": " kiln " + "x" * 500}},
        "kind": {"kind": {"selected_option": {"value": "lesson"}}},
    }
    form = memory_modal.read_search(replace(FORM, page=3, kind="fact"), values)
    assert (form.kind, form.page, form.channel_id) == ("lesson", 0, "C1")
    assert form.words.startswith("kiln x")
    assert len(form.words) == memory_modal.MAX_WORDS
    assert memory_modal.read_search(replace(FORM, words="kiln"), {}) == FORM
