"""The examples in docstrings are true."""

import doctest
from types import ModuleType

import pytest

from agent_engine.tools import calculate, declare, paths, shorten
from agent_engine.tools.mcp import words


@pytest.mark.parametrize("module", [calculate, declare, paths, shorten, words])
def test_examples_in_docstrings_say_what_happens(module: ModuleType):
    failed, tried = doctest.testmod(module)

    assert tried > 0
    assert failed == 0
