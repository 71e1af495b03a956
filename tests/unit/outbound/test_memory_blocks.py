"""What is remembered is shown literally, within Slack's sizes, with what can be done about it."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.memories import (
    MemoryKind,
    MemoryScope,
    MemoryState,
    Origin,
    SearchMode,
    StoredMemory,
    Trust,
)
from agent_engine.places import Post, PostKind, PostState
from agent_engine.types import AgentId, ChannelId, MemoryUse, ProposedFact, UserId, WorkspaceId
from bot.outbound.blocks import memories, memory_ids
from bot.outbound.blocks.answer import answer_messages
from bot.outbound.blocks.memory_export import exported
from bot.outbound.desired import desired
from tests.fakes.blocks import all_texts, check_content, check_view
from tests.fakes.runs import THREAD, a_run, answered

AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
KILN = StoredMemory(
    id=7,
    scope=MemoryScope(
        workspace_id=WorkspaceId("T1"), channel_id=ChannelId("C1"), agent_id=AgentId("A1")
    ),
    kind=MemoryKind.FACT,
    text="the kiln runs on Tuesdays",
    content=None,
    key=None,
    trust=Trust.PERSON,
    origin=Origin(person=UserId("U1")),
    state=MemoryState.HELD,
    created_at=AT,
    expires_at=None,
    used_at=AT,
    access_count=3,
    pinned=False,
    weight=1.0,
    supersedes=None,
    details={},
)
NASTY = replace(KILN, text="<!channel> *<https://evil.example|here>* \u202e" + "x" * 5_000)
LABELS = {
    "held": (KILN, ["Correct", "Pin", "Forget"]),
    "pinned": (replace(KILN, pinned=True), ["Correct", "Unpin", "Forget"]),
    "proposed": (replace(KILN, state=MemoryState.PROPOSED), ["Keep", "Forget"]),
}
FACT = ProposedFact(id=7, text=KILN.text, agent_id=AgentId("A1"))


def a_page(*shown, tally, page=0):
    return memories.MemoryPage(
        agent_id=AgentId("A1"),
        agent_name="Ada",
        tally=tally,
        memories=shown,
        kind=None,
        page=page,
        by_meaning=False,
        command="/memory",
    )


def labels(blocks):
    return [e["text"]["text"] for b in blocks if b["type"] == "actions" for e in b["elements"]]


@pytest.mark.parametrize(("memory", "expected"), LABELS.values(), ids=LABELS)
def test_an_entry_offers_what_can_be_done_about_it(memory, expected):
    assert labels(memories.entry_blocks(memory)) == expected


def test_every_screen_is_what_slack_takes_whatever_is_remembered():
    full = a_page(*[replace(NASTY, id=n) for n in range(8)], tally={MemoryKind.FACT: 30}, page=1)
    contents = [
        memories.page_content(a_page(tally={})),
        memories.page_content(full),
        memories.found_content([NASTY] * 1, words=NASTY.text, mode=SearchMode.FUSED),
        memories.found_content([], words="<!here>", mode=SearchMode.KEYWORD, to_forget=True),
        memories.one_content([NASTY] * 9, thread_url="https://w.example/archives/C1/p1"),
        memories.to_forget_content([NASTY, KILN]),
        memories.used_content([NASTY], gone=2),
        memories.forget_scope_content(AgentId("A1"), tally={MemoryKind.FACT: 2}),
        memories.forget_person_content(UserId("U1"), is_self=False),
        memories.proposed_content(replace(FACT, text=NASTY.text)),
        memories.proposed_content(replace(FACT, confirmed_by=UserId("U2"))),
        memories.proposed_content(replace(FACT, text="")),
        memories.proposed_content(None),
    ]
    for content in contents:
        check_content(content)
        marked = [b for b in content.blocks if b["type"] in ("section", "context")]
        assert "<!channel>" not in json.dumps(marked) or "plain_text" in json.dumps(marked)
        assert "\u202e" not in all_texts(content)


def test_a_list_says_how_many_of_what_and_turns_its_pages():
    tally = {MemoryKind.FACT: 9, MemoryKind.LESSON: 1, MemoryKind.EPISODE: 40}
    first = memories.page_content(a_page(KILN, tally=tally))
    assert "9 facts, 40 episodes, 1 lesson" in first.text
    assert labels(first.blocks)[-2:] == ["Older", "Browse and search"]
    last = memories.page_content(a_page(KILN, tally=tally, page=1))
    assert labels(last.blocks)[-2:] == ["Newer", "Browse and search"]
    assert "Page 2 of 2" in all_texts(last)


def test_the_form_holds_the_words_as_they_are():
    form = memory_ids.CorrectMemoryForm(
        agent_id=AgentId("A1"), memory_id=7, channel_id="C1", thread_ts=""
    )
    view = memories.correct_modal(form, NASTY)
    check_view(view)
    assert view["blocks"][0]["element"]["initial_value"].startswith("<!channel> *<https")


def test_an_export_is_json_with_all_that_people_may_know():
    [told] = json.loads(exported([replace(KILN, text="lone \ud800 and ü")]))["memories"]
    assert (told["id"], told["person"], told["text"]) == (7, "U1", "lone \ud800 and ü")


def test_an_answer_says_how_many_memories_it_used_and_shows_them_at_a_click():
    uses = (MemoryUse(id=1, kind="fact"), MemoryUse(id=2, kind="note"))
    run = replace(answered(a_run()), memories_used=uses)
    [content] = answer_messages(run, run.answer).contents
    check_content(content)
    assert "2 memories used" in all_texts(content)
    assert "Memories" in labels(content.blocks)


# -- asked in the thread -------------------------------------------------------------------------

KEY = "run:r1:memory:7"


def posted(state):
    return {
        KEY: Post(
            key=KEY,
            thread=THREAD,
            kind=PostKind.MEMORY,
            state=state,
            step=None,
            ts="1.2",
            created_at=AT,
        )
    }


CASES = {
    "proposed": ((FACT,), {}, [False]),
    "proposed and shown": ((FACT,), posted(PostState.POSTED), [False]),
    "confirmed before it was shown": ((replace(FACT, confirmed_by=UserId("U2")),), {}, []),
    "confirmed": (
        (replace(FACT, confirmed_by=UserId("U2")),),
        posted(PostState.POSTED),
        [False],
    ),
    "forgotten": ((), posted(PostState.POSTED), [False]),
    "forgotten while it was sent": ((), posted(PostState.INTENDED), [True]),
    "forgotten and never shown": ((), posted(PostState.ABANDONED), []),
}


@pytest.mark.parametrize(("proposed", "posts", "expected"), CASES.values(), ids=CASES)
def test_a_proposed_fact_is_asked_about_once_and_then_says_what_became_of_it(
    proposed, posts, expected
):
    run = replace(answered(a_run()), proposed=proposed)
    wanted = desired([run], posts, shown_status=None)
    found = [m for m in wanted.messages if m.post.key == KEY]
    assert [m.only_if_left for m in found] == expected


def test_nothing_is_proposed_before_the_end():
    run = replace(a_run(), proposed=(FACT,))
    wanted = desired([run], {}, shown_status=None)
    assert [m for m in wanted.messages if m.post.key == KEY] == []
