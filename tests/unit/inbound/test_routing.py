"""What messages mean, as tables of cases; nothing here needs Slack, a model or a database."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.commands import Amend, CancelThread, Say
from agent_engine.places import ChannelKind, Person
from agent_engine.types import (
    AgentId,
    AgentProfile,
    ChannelId,
    FollowUps,
    RunId,
    TaskStatus,
    UserId,
    WorkspaceId,
)
from bot.inbound import routing
from bot.inbound.facts import Do, Facts, Ignored, Open, Reply, Show, Us
from bot.inbound.moments import sent_at
from bot.inbound.slack_events import Author, MessageEdited, MessagePosted, Origin, SlackFile
from bot.inbound.words import Verb
from tests.fakes.runs import a_run

T, C, UB, ADA, GRACE = WorkspaceId("T1"), ChannelId("C1"), UserId("UB"), UserId("UA"), UserId("UG")
US = Us(workspace_id=T, user_id=UB, bot_id="BB", admins=frozenset({UserId("UADMIN")}))
AGENT = AgentProfile(id=AgentId("default"), workspace_id=T, name="Treadle")


def person(user=ADA, **more):
    return Person(workspace_id=T, user_id=user, fetched_at=datetime.now(UTC), **more)


def facts(**more):
    return Facts(**{"us": US, "agent": AGENT, "person": person(), **more})


def agent(**more):
    return replace(AGENT, **more)


def posted(text="<@UB> hi", **more):
    base = {
        "origin": Origin(workspace_id=T, delivery_id="Ev1"),
        "channel_id": C,
        "ts": "10.000001",
        "author": Author(user_id=ADA, home_workspace_id=T),
        "text": text,
        "kind": ChannelKind.PUBLIC,
    }
    return MessagePosted(**{**base, **more})


REPLY = {"thread_ts": "9.000001"}
TASK = {"latest_run": RunId("r1")}
MENTION_ONLY = {"agent": agent(follow_ups=FollowUps.MENTION_ONLY)}


@pytest.mark.parametrize(
    ("event", "known", "reason"),
    [
        (posted("nice weather"), {}, "not_addressed"),
        (posted("<@UG> nice"), {}, "not_addressed"),
        (posted("reply", **REPLY), {}, "no_task"),
        (posted("reply", **REPLY), {**TASK, **MENTION_ONLY}, "mention_only"),
        (posted("<@UG> ask <@UB>", **REPLY), {**TASK, **MENTION_ONLY}, "speaks_to_another"),
        (posted("<@UA> has joined", subtype="channel_join"), {}, "subtype:channel_join"),
        (posted(author=Author(user_id=UB)), {}, "own"),
        (posted(author=Author(bot_id="BB")), {}, "own"),
        (posted(author=Author()), {}, "no_author"),
        (posted(author=Author(user_id=UserId("USLACKBOT"))), {}, "slackbot"),
        (posted(author=Author(user_id=GRACE, bot_id="BX")), {}, "bot"),
        (posted(), {"person": person(is_bot=True)}, "bot"),
        (posted("thanks", **REPLY), {**TASK, "person": person(is_guest=True)}, "guest"),
        (posted("thanks", **REPLY), {**TASK, "person": person(is_external=True)}, "external"),
        (
            posted("thanks", author=Author(bot_id="BX"), **REPLY),
            {**TASK, "agent": agent(allow_bots=True)},
            "bot",
        ),
    ],
)
def test_messages_that_are_not_for_us(event, known, reason):
    assert routing.route_message(event, facts(**known)) == Ignored(reason=reason)


@pytest.mark.parametrize(
    ("event", "known", "text", "starts"),
    [
        (posted("<@UB> what is 2+2?"), {}, "what is 2+2?", True),
        (posted("hey <@UB|treadle>, do it"), {}, "hey, do it", True),
        (posted("<@UG> and <@UB> look"), {}, "<@UG> and look", True),
        (posted("<@UB> look", **REPLY), {}, "look", True),
        (posted("<@UB> look", **REPLY), {**TASK, **MENTION_ONLY}, "look", True),
        (posted("and faster", **REPLY), TASK, "and faster", False),
        (posted("<@UG> see", **REPLY), TASK, "<@UG> see", False),
        (posted("hi", kind=ChannelKind.DIRECT), {}, "hi", True),
        (posted("hi", kind=None, channel_id=ChannelId("D1")), {}, "hi", True),
        (posted("hi", kind=ChannelKind.DIRECT, **REPLY), MENTION_ONLY, "hi", True),
        (posted("<@UB> hi", kind=ChannelKind.GROUP), {}, "hi", True),
        (posted("no mark", is_mention_event=True), {}, "no mark", True),
        (posted("<@UB> a &lt; b &amp;&amp; c"), {}, "a < b && c", True),
        (posted("<@UB> read <https://a.b|this>"), {}, "read this (https://a.b)", True),
        (posted("<@UB> help me stop smoking"), {}, "help me stop smoking", True),
        (
            posted(),
            {"person": person(is_guest=True), "agent": agent(allow_guests=True)},
            "hi",
            True,
        ),
        (
            posted(author=Author(bot_id="BX")),
            {"agent": agent(allow_bots=True), "person": person(is_bot=True)},
            "hi",
            True,
        ),
        (posted("<@UB>", files=(SlackFile(id="F", name="a.csv"),)), {}, "(attached: a.csv)", True),
        (posted("<@UB> " + "x" * 40_000), {}, "x" * 40_000, True),
    ],
)
def test_messages_that_start_or_continue_a_task(event, known, text, starts):
    route = routing.route_message(event, facts(**known))
    assert isinstance(route, Do)
    say = route.command
    assert isinstance(say, Say)
    assert (say.message.text, say.starts, say.continues) == (text, starts, True)
    assert say.thread.thread_ts == (event.thread_ts or event.ts)
    assert say.message.id == event.ts


def test_a_mention_and_its_message_share_a_key():
    mention = posted(is_mention_event=True)
    message = posted(origin=Origin(workspace_id=T, delivery_id="Ev2"))
    routes = [routing.route_message(event, facts()) for event in (mention, message)]
    keys = [set(route.keys) for route in routes]
    assert keys[0] & keys[1] == {"msg:C1:10.000001"}
    assert {"ev:Ev1"} == keys[0] - keys[1]


@pytest.mark.parametrize(
    ("text", "known", "part"),
    [
        ("<@UB>", {}, "for example"),
        ("<@UB>  \n", {}, "for example"),
        ("<@UB> hi", {"person": person(is_guest=True)}, "guests"),
        ("<@UB> hi", {"person": person(is_external=True)}, "this workspace"),
        ("<@UB> stop", {}, "in the task's thread"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(text, known, part):
    route = routing.route_message(posted(text), facts(**known))
    assert isinstance(route, Reply)
    assert part in route.text


@pytest.mark.parametrize("verb", [Verb.HELP, Verb.TASKS, Verb.AGENT, Verb.STATUS])
def test_verbs_show_something(verb):
    for text in (f"<@UB> {verb}", f"<@UB> {verb.upper()}!", f"{verb} <@UB>"):
        assert routing.route_message(posted(text), facts()) == Show(verb=verb)


def test_memory_shows_what_stands_behind_it():
    shown = routing.route_message(posted("<@UB> memory search the kiln"), facts())
    assert shown == Show(verb=Verb.MEMORY, argument="search the kiln")


@pytest.mark.parametrize("text", ["memory leaks", "collab", "solve"])
def test_verbs_that_do_not_exist_are_words_of_a_problem(text):
    route = routing.route_message(posted(f"<@UB> {text}"), facts())
    assert isinstance(route, Do)


@pytest.mark.parametrize(
    ("who", "status", "stops"),
    [
        (person(ADA), TaskStatus.RUNNING, True),
        (person(GRACE), TaskStatus.RUNNING, False),
        (person(GRACE, is_admin=True), TaskStatus.WAITING, True),
        (person(UserId("UADMIN")), TaskStatus.PENDING, True),
        (person(ADA), TaskStatus.COMPLETED, False),
    ],
)
def test_who_may_stop_a_task_by_mention(who, status, stops):
    run = a_run("r1", requester=ADA, status=status)
    event = posted("<@UB> stop", author=Author(user_id=who.user_id), **REPLY)
    route = routing.route_message(event, facts(person=who, run=run, **TASK))
    assert isinstance(route, Do) == stops
    if isinstance(route, Do):
        assert isinstance(route.command, CancelThread)
        assert route.command.by == who.user_id


def edited(text="<@UB> new", previous_text="<@UB> old", **more):
    base = {
        "origin": Origin(workspace_id=T, delivery_id="Ev3"),
        "channel_id": C,
        "ts": "10.000001",
        "edited_ts": "11.000000",
        "author": Author(user_id=ADA),
        "text": text,
        "previous_text": previous_text,
        "was_edited_by_person": True,
        "kind": ChannelKind.PUBLIC,
    }
    return MessageEdited(**{**base, **more})


@pytest.mark.parametrize(
    ("event", "known", "reason"),
    [
        (edited("same", "same"), TASK, "same_words"),
        (edited("x", None, was_edited_by_person=False), TASK, "same_words"),
        (edited(author=Author(user_id=UB)), TASK, "own"),
        (edited(), {**TASK, "person": person(is_guest=True)}, "guest"),
        (edited(), {}, "no_task"),
        (edited("a", "b"), {}, "not_addressed"),
        (edited("a", "<@UB>"), TASK, "not_addressed"),
        (edited("a", "b", **REPLY), {**TASK, **MENTION_ONLY}, "not_addressed"),
    ],
)
def test_edits_that_mean_nothing(event, known, reason):
    assert routing.route_edit(event, facts(**known)) == Ignored(reason=reason)


def test_an_edit_of_what_a_task_was_told_amends_it():
    route = routing.route_edit(edited(), facts(**TASK))
    assert isinstance(route, Do)
    assert isinstance(route.command, Amend)
    assert route.command.message.id == "10.000001#edited11.000000"
    assert route.command.message.text == "new"


@pytest.mark.parametrize("before", ["do", "<@UB>", "<@UB> help", None])
def test_an_edit_of_what_meant_nothing_starts_the_task_under_the_messages_key(before):
    route = routing.route_edit(edited("<@UB> do", before), facts())
    assert isinstance(route, Do)
    assert isinstance(route.command, Say)
    assert "msg:C1:10.000001" in route.keys


FILE = SlackFile(id="F1", name="a.csv")


def test_words_added_to_a_mention_that_had_only_a_file_amend_its_task():
    route = routing.route_edit(edited("<@UB> sum it up", "<@UB>", files=(FILE,)), facts(**TASK))
    assert isinstance(route, Do)
    assert isinstance(route.command, Amend)
    assert [file.id for file in route.command.message.files] == ["F1"]


def test_a_message_with_a_file_that_only_mentions_us_after_an_edit_brings_it_along():
    route = routing.route_edit(edited("<@UB> sum it up", "sum it up", files=(FILE,)), facts())
    assert isinstance(route, Do)
    assert isinstance(route.command, Say)
    assert [file.id for file in route.command.message.files] == ["F1"]


def test_an_edit_into_a_stop_stops():
    run = a_run("r1", requester=ADA, status=TaskStatus.RUNNING)
    route = routing.route_edit(edited("<@UB> stop", "<@UB> stp", **REPLY), facts(run=run, **TASK))
    assert isinstance(route, Do)
    assert isinstance(route.command, CancelThread)


def test_what_was_said_before_a_task_is_context_and_steers_nobody():
    said = routing.earlier_message(posted("<@UG> says 5"), US)
    assert said is not None
    assert (said.text, said.steers) == ("<@UG> says 5", False)
    assert routing.earlier_message(posted(author=Author(user_id=UB)), US) is None
    assert routing.earlier_message(posted("joined", subtype="channel_join"), US) is None


@pytest.mark.parametrize("ts", ["", "abc", "1e999", "nan", "9" * 30])
def test_a_time_stamp_that_is_none_does_no_harm(ts):
    assert sent_at(ts).tzinfo is not None


TEXTS = st.text(max_size=30) | st.sampled_from(["<@UB>", "<@UB> stop", "help <@UB>", "<@UG> <@UB>"])
AUTHORS = st.builds(
    Author,
    user_id=st.none() | st.sampled_from([ADA, GRACE, UB]),
    bot_id=st.none() | st.sampled_from(["BB", "BX"]),
    is_stranger=st.booleans(),
)
MESSAGES = st.builds(
    posted,
    TEXTS,
    author=AUTHORS,
    kind=st.none() | st.sampled_from(ChannelKind),
    thread_ts=st.none() | st.just("9.000001"),
    subtype=st.sampled_from(["", "bot_message", "channel_join", "file_share"]),
    is_mention_event=st.booleans(),
)
FACTS = st.builds(
    facts,
    agent=st.builds(
        agent,
        follow_ups=st.sampled_from(FollowUps),
        allow_bots=st.booleans(),
        allow_guests=st.booleans(),
    ),
    person=st.builds(
        person,
        is_bot=st.booleans(),
        is_guest=st.booleans(),
        is_external=st.booleans(),
        is_admin=st.booleans(),
    ),
    latest_run=st.none() | st.just(RunId("r1")),
)


@given(MESSAGES, FACTS)
def test_every_message_has_a_meaning_and_ours_never_starts_anything(event, known):
    route = routing.route_message(event, known)
    assert isinstance(route, Do | Reply | Show | Open | Ignored)
    if routing.is_ours(event, US):
        assert isinstance(route, Ignored)
    welcome = known.agent.allow_guests or not (known.person.is_guest or known.person.is_external)
    if not welcome:
        assert not isinstance(route, Do)
