import doctest
import importlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.types import UserId
from bot.inbound import words
from bot.inbound.slack_events import SlashCommand
from bot.inbound.slash import command_names, read_order
from bot.inbound.words import Verb

MODULES = [
    "inbound.words",
    "inbound.memory_words",
    "inbound.moments",
    "inbound.read_slack",
    "inbound.slash",
    "outbound.proxies",
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_documentation_are_true(name):
    result = doctest.testmod(importlib.import_module(f"bot.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("slack", "people"),
    [
        ("<#C1>", "#C1"),
        ("<!here>", "@here"),
        ("<!subteam^S1|@ops>", "@ops"),
        ("<!date^1^{date}|yesterday>", "yesterday"),
        ("<mailto:a@b.c|a@b.c>", "a@b.c"),
        ("<https://a.b>", "https://a.b"),
        ("<https://a.b|https://a.b>", "https://a.b"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_slacks_marks_are_spelt_out(slack, people):
    assert words.plain(slack) == people


@given(st.text(max_size=60))
def test_escaping_and_undoing_it_gives_the_same_text(text):
    assert words.unescaped(words.escaped(text)) == text


@given(st.text(max_size=60))
def test_a_solve_message_keeps_the_problem(text):
    problem = text.strip()
    message = words.solve_message("U1", words.escaped(problem))
    assert words.is_solve_message(message)
    assert words.plain(words.solve_problem(message)) == problem


def test_only_solve_keys_name_an_asker():
    assert words.asker_of(words.solve_key("U1", "1.2.3")) == "U1"
    assert words.asker_of("run:r1:plan") is None
    assert words.asker_of("solve::x") is None


@pytest.mark.parametrize(
    ("command", "text", "verb", "argument"),
    [
        ("/solve", "a b", Verb.SOLVE, "a b"),
        ("/treadle", "", Verb.HELP, ""),
        ("/treadle", "solve a\nb", Verb.SOLVE, "a\nb"),
        ("/treadle", "SOLVE a", Verb.SOLVE, "a"),
        ("/treadle", "solve\na b", Verb.SOLVE, "a b"),
        ("/treadle", "tasks", Verb.TASKS, ""),
        ("/treadle", "dance now", None, "dance now"),
        ("/other", "x", None, "x"),
    ],
)
def test_commands_are_taken_apart(command, text, verb, argument):
    given_command = SlashCommand(
        origin=None, user_id="U1", channel_id="C1", command=command, text=text
    )
    order = read_order(given_command, names=command_names())
    assert (order.verb, order.argument) == (verb, argument)


def test_code_behind_a_mention_keeps_every_blank():
    code = "def f(x):\n    if x:\n        return  'a , b'\n"
    said = words.without_mention(f"<@UB> run this\n{code}", UserId("UB"))
    assert said == f"run this\n{code}".strip()
