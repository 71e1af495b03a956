"""The bot's process is set up for a long life, whatever the C library."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from bot import footprint
from bot.cli import app

TOLD = """
import gc
from bot.footprint import settle_in
settle_in()
settle_in()
print(gc.get_threshold())
"""


def test_garbage_is_looked_for_less_often():
    ran = subprocess.run([sys.executable, "-c", TOLD], capture_output=True, text=True, check=True)  # noqa: S603
    assert ran.stdout.strip() == str(footprint._GARBAGE)


def test_a_c_library_without_mallopt_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(footprint.ctypes, "CDLL", lambda _name: object())
    monkeypatch.setattr(footprint.gc, "set_threshold", lambda *_: None)
    footprint.settle_in()


def test_the_bots_command_settles_in_first(monkeypatch: pytest.MonkeyPatch):
    called: list[str] = []
    monkeypatch.setattr(footprint, "settle_in", lambda: called.append("settled"))
    assert CliRunner().invoke(app, ["run", "--role", "nobody"]).exit_code
    assert called == ["settled"]
