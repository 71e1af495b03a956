import pytest

from agent_engine.memories import MemoryKind
from agent_engine.types import UserId
from bot.inbound import memory_words as say
from bot.inbound.words import Verb, mention_verb

ORDERS = {
    "": say.ListThem(),
    "list": say.ListThem(),
    "facts": say.ListThem(kind=MemoryKind.FACT),
    "list lessons": say.ListThem(kind=MemoryKind.LESSON),
    "search the kiln": say.Search(words="the kiln"),
    "Show #7": say.ShowOne(memory_id=7),
    "remember that the kiln is off": say.Remember(text="the kiln is off"),
    "remember that": say.Remember(text="that"),
    "forget 7": say.ForgetOne(memory_id=7),
    "forget 7 things": say.ForgetWords(words="7 things"),
    "forget 9999999999": say.ForgetWords(words="9999999999"),
    "forget everything here!": say.ForgetEverything(),
    "forget everything about kilns": say.ForgetWords(words="everything about kilns"),
    "forget me": say.ForgetFrom(person=None),
    "forget <@U12|bob>": say.ForgetFrom(person=UserId("U12")),
    "export": say.Export(),
    "show": say.Unclear(said="show"),
    "forget": say.Unclear(said="forget"),
    "remember": say.Unclear(said="remember"),
    "leaks in our app": say.Unclear(said="leaks in our app"),
}


@pytest.mark.parametrize(("argument", "order"), ORDERS.items())
def test_what_stands_behind_memory_is_understood(argument, order):
    assert say.read_order(argument) == order


@pytest.mark.parametrize(
    "text", ["memory", "Memory?", "memory export.", "memory help", "memory forget me"]
)
def test_a_mention_with_these_words_is_about_the_memory(text):
    assert mention_verb(text) is Verb.MEMORY


@pytest.mark.parametrize(
    "text", ["memory leaks", "our memory is full", "memory and disk", "memory show me the leaks"]
)
def test_other_words_about_memory_are_a_problem(text):
    assert mention_verb(text) is None
