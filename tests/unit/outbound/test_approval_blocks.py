"""What asks about a tool call: nothing hidden, nothing tidied, nothing left open."""

import json
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.types import (
    APPROVE,
    DENY,
    EndReason,
    Limits,
    ProposedCall,
    Resolution,
    StepStatus,
    Usage,
    UserId,
    Wait,
    WaitKind,
)
from bot.local_slack.block_rules import Surface, check_blocks
from bot.outbound.blocks import approval_forms, ids
from bot.outbound.blocks.approval import approval_content, is_shown_whole
from bot.outbound.blocks.extend import day_budget, extend_buttons, extended, near_caps
from bot.outbound.blocks.plan import plan_content
from bot.outbound.blocks.visible import made_visible, shown_value
from bot.outbound.desired import desired
from tests.fakes.runs import AT, UNHURRIED, a_plan, a_run, a_step, ended

SCHEMA = {
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "times": {"type": "integer"},
        "deep": {"type": "boolean"},
        "mode": {"type": "string", "enum": ["soft", "hard"]},
    },
}
FORM = ids.ChangeForm(run_id="r", wait_id="w", channel_id="C", thread_ts="1.1")
ARGUMENTS = {"path": "a.txt", "times": 2, "deep": False, "mode": "soft", "more": {"x": [1]}}


def a_call(arguments=None, **more):
    said = {"because": "rm asks before it does this", "approvers": (UserId("U7"),)}
    given = ARGUMENTS if arguments is None else arguments
    return ProposedCall(tool="rm", arguments=given, digest="d", **{**said, **more})


def a_wait(call=None, **more):
    call = call or a_call()
    return Wait(
        id="r1:1:0",
        kind=WaitKind.APPROVAL,
        step=1,
        opened_at=AT,
        question="Tidy up",
        call=call,
        **more,
    )


def shown(wait, run=None):
    content = approval_content(run or a_run(), wait)
    check_blocks([dict(block) for block in content.blocks], surface=Surface.MESSAGE)
    return json.dumps(content.blocks, ensure_ascii=False), content


def labels(content):
    rows = [block["elements"] for block in content.blocks if block["type"] == "actions"]
    return [button["text"]["text"] for row in rows for button in row]


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("a\nb", "a↵\nb"),
        ("end ", "end␠"),
        ("a \nb", "a␠↵\nb"),
        ("\t", "⇥"),
        ("x\u202ey", "x⟨U+202E⟩y"),
        ("a\u200bb", "a⟨U+200B⟩b"),
        ("\u00a0", "⟨U+00A0⟩"),
        ("⟨U+200B⟩", "⟨U+27E8⟩U+200B⟩"),
        ("↵", "⟨U+21B5⟩"),
        ("\x1b[0m", "⟨U+001B⟩[0m"),
    ],
)
def test_what_does_not_show_is_written_out(text, visible):
    assert made_visible(text) == visible


@UNHURRIED
@given(st.text(max_size=30), st.text(max_size=30))
def test_two_different_texts_never_look_the_same(one, other):
    if one != other:
        assert made_visible(one) != made_visible(other)
    hidden = {"Cf", "Cc", "Zl", "Zp"}
    assert all(unicodedata.category(c) not in hidden or c == "\n" for c in made_visible(one))


def test_an_open_question_shows_every_argument_who_decides_and_what_always_means():
    text, content = shown(a_wait(a_call(like={"host": "a.example"})))
    assert all(json.dumps(name) in text for name in ARGUMENTS)
    assert "<@U7> or an admin" in text
    assert "every call of `rm` with host `a.example`" in text
    wanted = ["Approve", "Approve with changes…", "Always allow this here", "Deny"]
    assert labels(content) == wanted
    assert content.text.startswith("<@U7> *May I do this?* Tidy up")


def test_what_is_too_long_is_cut_in_sight_and_can_be_seen_whole():
    call = a_call({"body": "x" * 5_000 + "END"})
    text, content = shown(a_wait(call))
    assert not is_shown_whole(call)
    assert "Cut here" in text
    assert "Show all" in labels(content)
    modal = approval_forms.whole_modal(call)
    assert "END" in json.dumps(modal)
    check_blocks(list(modal["blocks"]), surface=Surface.MODAL)
    assert approval_forms.fits_modal(call)


def test_what_no_window_shows_is_handed_over_as_a_file():
    call = a_call({"body": "x" * 300_000})
    run = a_run(waits=(a_wait(call),), plan=a_plan(a_step(1, status=StepStatus.WAITING)))
    (file,) = desired([run], {}, shown_status=None).files
    assert len(file.text) > 300_000
    assert len(approval_forms.whole_modal(call)["blocks"]) <= 100


@pytest.mark.parametrize(
    ("resolution", "sentence"),
    [
        (Resolution(value=APPROVE, by=UserId("U9"), at=AT), "✅ Approved by <@U9>, <!date^"),
        (
            Resolution(value=APPROVE, by=UserId("U9"), at=AT, arguments={**ARGUMENTS, "times": 3}),
            "Approved with changes by <@U9>",
        ),
        (Resolution(value=DENY, by=UserId("U9"), at=AT, remark="<!channel> no"), "&lt;!channel"),
    ],
)
def test_a_decided_question_says_who_and_what_and_has_no_buttons(resolution, sentence):
    text, content = shown(a_wait(resolution=resolution))
    assert sentence in text
    assert labels(content) == []


def test_a_stopped_run_closes_its_question():
    text, content = shown(a_wait(), ended(a_run(), EndReason.STOPPED))
    assert "No longer needed" in text
    assert labels(content) == []


@UNHURRIED
@given(st.dictionaries(st.text(max_size=20), st.text(max_size=300), max_size=30), st.text())
def test_any_call_makes_blocks_that_slack_takes(arguments, words):
    call = a_call(arguments, like={"exactly": "h"})
    shown(replace(a_wait(call), question=words))
    fields(call)


def typed(**values):
    """The state of the form, with these fields filled in and the others as they were."""
    now = {
        "path": {"value": "a.txt"},
        "times": {"value": "2"},
        "deep": {"selected_option": {"value": "false"}},
        "mode": {"selected_option": {"value": "soft"}},
        "more": {"value": '{"x": [1]}'},
    }
    fields = [approval_forms.field_name(n) for n in range(len(ARGUMENTS))]
    both = zip(fields, ARGUMENTS, strict=True)
    return {field: {field: values.get(name, now[name])} for field, name in both}


def test_a_form_left_as_it_was_approves_the_call_as_proposed():
    changes = approval_forms.read_changes(typed(), a_call(), SCHEMA)
    assert (changes.arguments, changes.errors) == (None, {})


def test_what_is_typed_comes_back_exactly_and_by_its_type():
    filled = typed(
        path={"value": " b\n"}, times={"value": "7"}, deep={"selected_option": {"value": "true"}}
    )
    changes = approval_forms.read_changes(filled, a_call(), SCHEMA)
    assert changes.arguments == {**ARGUMENTS, "path": " b\n", "times": 7, "deep": True}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [("times", "many", "whole number"), ("times", "1.5", "whole number"), ("more", "{", "JSON")],
)
def test_what_does_not_fit_is_said_beside_its_field(name, value, sentence):
    changes = approval_forms.read_changes(typed(**{name: {"value": value}}), a_call(), SCHEMA)
    field = approval_forms.field_name(list(ARGUMENTS).index(name))
    assert sentence in changes.errors[field]
    assert list(changes.errors) == [field]


def fields(call, schema=SCHEMA, **more):
    """The fields of the form, by the argument they are for; None for one that cannot be edited."""
    view = approval_forms.change_modal(FORM, call, schema, **more)
    blocks = json.loads(json.dumps(view["blocks"]))
    check_blocks(blocks, surface=Surface.MODAL)
    found = {block.get("block_id"): block.get("element") for block in blocks}
    names = [approval_forms.field_name(n) for n in range(len(call.arguments))]
    return dict(zip(call.arguments, map(found.get, names), strict=True))


@pytest.mark.parametrize(
    ("value", "schema", "kind", "lines"),
    [
        ("a.txt", {"type": "string"}, "plain_text_input", False),
        ("a.txt", {"type": "string", "maxLength": 4_096}, "plain_text_input", False),
        ("two\nlines", {"type": "string"}, "plain_text_input", True),
        ("x" * 121, {"type": "string"}, "plain_text_input", True),
        (" led by a blank", {"type": "string"}, "plain_text_input", True),
        ("a\u2028b", {"type": "string"}, "plain_text_input", True),
        ("print(1)", {"type": "string", "maxLength": 100_000}, "plain_text_input", True),
        ("soft", {"enum": ["soft", "hard"]}, "static_select", None),
        (2, {"type": "integer", "enum": [1, 2]}, "static_select", None),
        (2, {"type": "integer"}, "number_input", None),
        (2.5, {}, "number_input", None),
        (1e300, {"type": "number"}, "plain_text_input", False),
        (10**20, {"type": "integer"}, "plain_text_input", False),
        (True, {"type": "boolean"}, "static_select", None),
        ({"a": 1}, {"type": "object"}, "plain_text_input", True),
        (None, {"anyOf": [{"type": "string"}, {"type": "null"}]}, "plain_text_input", True),
        ("x", {"anyOf": [{"type": "string"}, {"type": "null"}]}, "plain_text_input", False),
        ("a", {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}, "static_select", None),
        (3, {"oneOf": [{"type": "string"}, {"type": "integer"}]}, "number_input", None),
    ],
)
def test_each_argument_has_the_field_that_fits_it(value, schema, kind, lines):
    element = fields(a_call({"it": value}), {"properties": {"it": schema}})["it"]
    assert element["type"] == kind
    assert element.get("multiline") is lines


def test_a_number_keeps_within_what_the_tool_takes():
    schema = {"properties": {"n": {"type": "integer", "minimum": 1, "maximum": 10}}}
    element = fields(a_call({"n": 2}), schema)["n"]
    assert (element["min_value"], element["max_value"]) == ("1", "10")
    assert (element["initial_value"], element["is_decimal_allowed"]) == ("2", False)


def test_only_texts_that_a_tool_can_do_without_may_be_left_empty():
    schema = {**SCHEMA, "required": ["path", "note"]}
    call = a_call({**ARGUMENTS, "note": "", "more": "a text that nothing requires"})
    view = approval_forms.change_modal(FORM, call, schema)
    may = [block["optional"] for block in view["blocks"] if block["type"] == "input"]
    wanted = {"path": False, "times": False, "deep": False, "mode": False}
    assert dict(zip(call.arguments, may, strict=True)) == {**wanted, "more": True, "note": True}


ODD = {"n": 2.0, "many": 2, "mode": "a"}
ODD_SCHEMA = {"properties": {"many": {"enum": [1, 2]}, "mode": {"enum": ["a", "b"]}}}


@pytest.mark.parametrize(
    ("number", "many", "left"),
    [("2", "2", None), ("2.0", "1", {**ODD, "many": 1}), ("3", "2", {**ODD, "n": 3})],
)
def test_numbers_and_menus_come_back_as_what_they_were(number, many, left):
    typed = {
        "argument-0": {"argument-0": {"type": "number_input", "value": number}},
        "argument-1": {"argument-1": {"selected_option": {"value": many}}},
        "argument-2": {"argument-2": {"selected_option": {"value": "a"}}},
    }
    changes = approval_forms.read_changes(typed, a_call(ODD), ODD_SCHEMA)
    assert (changes.arguments, changes.errors) == (left, {})


@pytest.mark.parametrize("name", ["deep", "mode"])
def test_a_menu_that_was_emptied_is_no_choice(name):
    changes = approval_forms.read_changes(
        typed(**{name: {"selected_option": None}}), a_call(), SCHEMA
    )
    field = approval_forms.field_name(list(ARGUMENTS).index(name))
    assert changes.errors == {field: "Choose one."}


def test_an_argument_with_a_secret_is_not_offered_and_stays_as_it_is():
    call = a_call({"url": "https://u:hunter22@a.test", "to": "a"})
    shown = fields(call, None, hidden={"url"})
    assert (shown["url"], shown["to"]["type"]) == (None, "plain_text_input")
    field = approval_forms.field_name(1)
    changes = approval_forms.read_changes({field: {field: {"value": "b"}}}, call, None)
    assert changes.arguments == {**call.arguments, "to": "b"}


def test_an_argument_too_long_for_a_field_stays_as_it_is():
    call = a_call({"body": "x" * 4_000, "to": "a"})
    field = approval_forms.field_name(1)
    changes = approval_forms.read_changes({field: {field: {"value": "b"}}}, call, None)
    assert changes.arguments == {"body": "x" * 4_000, "to": "b"}


def test_the_plan_shows_what_is_asked_and_who_approved():
    waiting = a_run(waits=(a_wait(),), plan=a_plan(a_step(1, status=StepStatus.WAITING)))
    assert "waiting for approval" in json.dumps(plan_content(waiting).blocks)


@pytest.mark.parametrize(
    ("limit", "label", "raised"),
    [
        ("iterations", "Extend to 20 steps", {"iterations": 20}),
        ("tokens", "Extend to 400,000 tokens", {"tokens": 400_000}),
        ("seconds", "Extend to 30 min", {"seconds": 1_800.0}),
    ],
)
def test_extending_doubles_the_limit_that_was_reached(limit, label, raised):
    run = ended(a_run(limits=Limits()), EndReason.LIMIT)
    run = replace(run, end=replace(run.end, limit=limit))
    assert [button["text"]["text"] for button in extend_buttons(run)] == [label]
    assert extended(run) == replace(Limits(), **raised)


def test_a_day_budget_is_extended_and_an_unknown_limit_is_not():
    run = ended(a_run(), EndReason.LIMIT)
    day = replace(run, end=replace(run.end, limit="channel_day"))
    assert day_budget(day) == "channel"
    assert len(extend_buttons(day)) == 1
    assert extend_buttons(replace(run, end=replace(run.end, limit="identical calls"))) == []
    assert extend_buttons(a_run()) == []


def test_a_cap_is_named_when_it_is_near():
    far = a_run(usage=Usage(prompt_tokens=10), limits=Limits(tokens=1_000))
    assert near_caps(far) == ""
    near = replace(far, usage=Usage(prompt_tokens=850))
    assert near_caps(near) == "Near its limit: 85% of its tokens used."


def test_people_are_reminded_of_what_is_open_since_before_and_of_nothing_else():
    run = a_run(waits=(a_wait(),))

    def reminding(before, run=run):
        wanted = desired([run], {}, shown_status=None, remind_before=before).messages
        return [w for w in wanted if ":reminder:" in w.post.key]

    (reminder,) = reminding(AT)
    assert reminder.content.text.startswith("<@U7> This task is still waiting")
    assert reminding(None) == []
    assert reminding(AT.replace(year=2025)) == []
    decided = a_wait(resolution=Resolution(value=APPROVE))
    assert reminding(AT, replace(run, waits=(decided,))) == []


def test_values_that_are_no_texts_are_shown_as_json():
    assert shown_value({"a": ["\u200b"]}) == '{\n  "a": [\n    "⟨U+200B⟩"\n  ]\n}'
