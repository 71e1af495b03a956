"""The table of blocks that Slack refuses, and the correct ones that must pass."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.local_slack.block_rules import Surface, block_problems, check_blocks
from bot.local_slack.errors import RefusedError

Block = dict[str, Any]


def plain(text: str = "Text") -> Block:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "Text") -> Block:
    return {"type": "mrkdwn", "text": text}


def section(**more: Any) -> Block:
    return {"type": "section", "text": mrkdwn()} | more


def button(**more: Any) -> Block:
    return {"type": "button", "action_id": "go", "text": plain("Go")} | more


def actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def rich(text: str = "x") -> Block:
    leaf = {"type": "text", "text": text, "style": {"bold": True}}
    return {
        "type": "rich_text",
        "elements": [{"type": "rich_text_section", "elements": [leaf]}],
    }


def card(**more: Any) -> Block:
    return {"type": "task_card", "task_id": "1", "title": "Count", "status": "complete"} | more


def plan(*tasks: Block) -> Block:
    return {"type": "plan", "title": "Plan", "tasks": list(tasks)}


def table(rows: int, columns: int) -> Block:
    cell = {"type": "raw_text", "text": "1"}
    return {"type": "table", "rows": [[cell] * columns for _ in range(rows)]}


def option(value: str = "a", text: str = "A") -> Block:
    return {"text": plain(text), "value": value}


def menu(**more: Any) -> Block:
    return {"type": "static_select", "action_id": "pick", "options": [option()]} | more


def field(element: Block, **more: Any) -> Block:
    return {"type": "input", "label": plain("Label"), "element": element} | more


def feedback(**more: Any) -> Block:
    side = {"text": plain("Good"), "value": "up"}
    return {
        "type": "feedback_buttons",
        "action_id": "rate",
        "positive_button": side,
        "negative_button": side,
    } | more


CORRECT: dict[str, list[Block]] = {
    "text": [section(), section(text=plain()), section(text=None, fields=[mrkdwn()])],
    "header and divider": [{"type": "header", "text": plain()}, {"type": "divider"}],
    "markdown": [{"type": "markdown", "text": "**bold**"}],
    "context": [{"type": "context", "elements": [mrkdwn(), plain()]}],
    "image": [{"type": "image", "image_url": "https://x.example/a.png", "alt_text": "A"}],
    "buttons": [actions(button(), button(action_id="b", style="danger", url="https://x.example"))],
    "menu": [section(accessory=menu(initial_option=option(), placeholder=plain()))],
    "overflow": [section(accessory={"type": "overflow", "action_id": "o", "options": [option()]})],
    "confirm": [actions(button(confirm={"title": plain(), "text": mrkdwn(), "deny": plain("No")}))],
    "feedback": [{"type": "context_actions", "elements": [feedback()]}],
    "rich text": [rich()],
    "plan": [plan(card(details=rich(), output=rich()), card(task_id="2", status="pending"))],
    "task card": [card(sources=[{"type": "url", "url": "https://x.example", "text": "Example"}])],
    "table": [table(100, 20)],
    "alert": [{"type": "alert", "text": mrkdwn(), "level": "warning"}],
    "container": [{"type": "container", "title": plain(), "child_blocks": [section()]}],
    "card": [{"type": "card", "title": plain(), "body": mrkdwn()}],
    "carousel": [{"type": "carousel", "elements": [{"type": "card", "title": plain()}]}],
    "chart": [{"type": "data_visualization", "anything": 1}],
    "data table": [{"type": "data_table", "rows": [["a"], ["1"]], "caption": "A"}],
    "fifty": [{"type": "divider"}] * 50,
}

WRONG: dict[str, tuple[list[Block], str]] = {
    "unknown type": ([{"type": "nonsense"}], "/blocks/0/type"),
    "no type": ([{}], "/blocks/0"),
    "fifty-one": ([{"type": "divider"}] * 51, "/blocks"),
    "section without content": ([{"type": "section"}], "/blocks/0"),
    "section too long": ([section(text=mrkdwn("x" * 3001))], "/blocks/0/text/text"),
    "empty text": ([section(text=mrkdwn(""))], "/blocks/0/text/text"),
    "eleven fields": ([section(fields=[mrkdwn()] * 11)], "/blocks/0/fields"),
    "unknown key": ([section(colour="red")], "/blocks/0"),
    "unknown key of a text": ([section(text=mrkdwn() | {"emoji": True})], "/blocks/0/text"),
    "mrkdwn header": ([{"type": "header", "text": mrkdwn()}], "/blocks/0/text/type"),
    "header too long": ([{"type": "header", "text": plain("x" * 151)}], "/blocks/0/text/text"),
    "mrkdwn button": ([actions(button(text=mrkdwn()))], "/blocks/0/elements/0/text/type"),
    "button text": ([actions(button(text=plain("x" * 76)))], "/blocks/0/elements/0/text/text"),
    "button value": ([actions(button(value="x" * 2001))], "/blocks/0/elements/0/value"),
    "button style": ([actions(button(style="green"))], "/blocks/0/elements/0/style"),
    "action id": ([actions(button(action_id="x" * 256))], "/blocks/0/elements/0/action_id"),
    "twenty-six actions": (
        [actions(*(button(action_id=str(n)) for n in range(26)))],
        "/blocks/0/elements",
    ),
    "no actions": ([actions()], "/blocks/0/elements"),
    "text among actions": ([actions(mrkdwn())], "/blocks/0/elements/0/type"),
    "same action id": ([actions(button(), button())], "/blocks/0"),
    "same block id": ([section(block_id="a"), section(block_id="a")], "/blocks/1/block_id"),
    "block id": ([section(block_id="x" * 256)], "/blocks/0/block_id"),
    "eleven in context": (
        [{"type": "context", "elements": [mrkdwn()] * 11}],
        "/blocks/0/elements",
    ),
    "button in context": (
        [{"type": "context", "elements": [button()]}],
        "/blocks/0/elements/0/type",
    ),
    "six context actions": (
        [
            {
                "type": "context_actions",
                "elements": [feedback(action_id=str(n)) for n in range(6)],
            }
        ],
        "/blocks/0/elements",
    ),
    "half a feedback": (
        [{"type": "context_actions", "elements": [feedback(negative_button=None)]}],
        "/blocks/0/elements/0",
    ),
    "image without alt": (
        [{"type": "image", "image_url": "https://x.example/a.png"}],
        "/blocks/0",
    ),
    "image without address": ([{"type": "image", "alt_text": "A"}], "/blocks/0"),
    "menu without options": (
        [section(accessory={"type": "static_select", "action_id": "p"})],
        "/blocks/0/accessory",
    ),
    "too many options": ([actions(menu(options=[option()] * 101))], "/blocks/0/elements/0/options"),
    "option text": (
        [actions(menu(options=[option(text="x" * 76)]))],
        "/blocks/0/elements/0/options/0/text/text",
    ),
    "markdown too long": (
        [{"type": "markdown", "text": "x" * 12_001}],
        "/blocks/0/text",
    ),
    "plan without title": ([{"type": "plan", "tasks": []}], "/blocks/0"),
    "bad task in a plan": ([plan(card(status="done"))], "/blocks/0/tasks/0/status"),
    "task without status": ([card(status=None)], "/blocks/0"),
    "task details as text": ([plan(card(details="x"))], "/blocks/0/tasks/0/details"),
    "alert too long": ([{"type": "alert", "text": mrkdwn("x" * 201)}], "/blocks/0/text/text"),
    "alert level": ([{"type": "alert", "text": mrkdwn(), "level": "loud"}], "/blocks/0/level"),
    "too many rows": ([table(101, 2)], "/blocks/0/rows"),
    "too many columns": ([table(1, 21)], "/blocks/0/rows/0"),
    "ragged table": (
        [{"type": "table", "rows": [table(1, 1)["rows"][0], table(1, 2)["rows"][0]]}],
        "/blocks/0/rows",
    ),
    "two tables": ([table(1, 1), table(1, 1)], "/blocks"),
    "rich text leaf": (
        [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": ["x"]}]}],
        "/blocks/0/elements/0/elements/0",
    ),
    "eleven children": (
        [{"type": "container", "title": plain(), "child_blocks": [section()] * 11}],
        "/blocks/0/child_blocks",
    ),
    "container without title": ([{"type": "container", "child_blocks": [section()]}], "/blocks/0"),
    "eleven cards": (
        [{"type": "carousel", "elements": [{"type": "card", "title": plain()}] * 11}],
        "/blocks/0",
    ),
    "unknown key of a card": ([{"type": "card", "title": plain(), "size": 3}], "/blocks/0"),
    "three charts": ([{"type": "data_visualization"}] * 3, "/blocks"),
}


@pytest.mark.parametrize("name", CORRECT)
def test_correct_blocks_pass(name: str) -> None:
    assert block_problems(CORRECT[name], surface=Surface.MESSAGE) == []


@pytest.mark.parametrize("name", WRONG)
def test_wrong_blocks_are_refused_where_they_are_wrong(name: str) -> None:
    blocks, pointer = WRONG[name]
    problems = block_problems(blocks, surface=Surface.MESSAGE)
    assert problems
    assert any(problem.endswith(f"[json-pointer:{pointer}]") for problem in problems), problems


_KEYS = st.sampled_from(["type", "text", "elements", "tasks", "rows", "title", "x", "fields"])
_WORDS = st.sampled_from(
    ["section", "actions", "plan", "table", "container", "rich_text", "mrkdwn", "button", "x", ""]
)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _WORDS,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(_KEYS, part, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.dictionaries(_KEYS, _JSON, max_size=5), max_size=3))
def test_no_blocks_however_wrong_make_the_check_fail(blocks: list[Block]) -> None:
    problems = block_problems(blocks, surface=Surface.MESSAGE)
    assert all("[json-pointer:/blocks" in problem for problem in problems)


def test_inputs_belong_into_modals_with_their_limits() -> None:
    good = [field({"type": "plain_text_input", "action_id": "a", "multiline": True})]
    assert block_problems(good, surface=Surface.MODAL) == []
    bad = [field({"type": "plain_text_input"}, label=mrkdwn()), field(button())]
    problems = block_problems(bad, surface=Surface.MODAL)
    assert [p.partition(" [")[2] for p in problems] == [
        "json-pointer:/view/blocks/0/label/type]",
        "json-pointer:/view/blocks/1/element/type]",
    ]


@pytest.mark.parametrize("kind", [plan(), table(1, 1), {"type": "markdown", "text": "x"}])
def test_some_blocks_are_for_messages_only(kind: Block) -> None:
    assert block_problems([kind], surface=Surface.MESSAGE) == []
    assert block_problems([kind], surface=Surface.HOME)


def test_a_view_takes_a_hundred_blocks() -> None:
    dividers = [{"type": "divider"}] * 100
    assert block_problems(dividers, surface=Surface.HOME) == []
    assert block_problems([*dividers, {"type": "divider"}], surface=Surface.HOME)


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "markdown", "text": "x" * 6_001}] * 2,
        [section(text=mrkdwn("x" * 2_700))] * 5,
    ],
)
def test_all_blocks_together_have_a_limit(blocks: list[Block]) -> None:
    with pytest.raises(RefusedError) as refused:
        check_blocks(blocks, surface=Surface.MESSAGE)
    assert refused.value.code == "msg_blocks_too_long"


def test_refused_types_are_named() -> None:
    with pytest.raises(RefusedError) as refused:
        check_blocks([plan()], surface=Surface.MESSAGE, refused_types=frozenset({"plan"}))
    assert refused.value.code == "invalid_blocks"
    assert refused.value.facts["response_metadata"]["messages"] == [
        "[ERROR] unsupported type: plan [json-pointer:/blocks/0/type]"
    ]
