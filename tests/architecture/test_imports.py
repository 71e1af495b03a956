"""The import contracts hold, and they bite."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("bot", "agent_engine", "storage")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
WRONG = {
    "the engine imports the bot": ("agent_engine/clock.py", "import bot.errors"),
    "the engine imports storage": ("agent_engine/clock.py", "import storage.columns"),
    "storage imports the loop": ("storage/people.py", "import agent_engine.loop"),
    "inbound imports a store": ("bot/inbound/routing.py", "import storage.people"),
    "outbound imports inbound": ("bot/outbound/text.py", "import bot.inbound.words"),
    "SQL in the bot": ("bot/home.py", "import sqlalchemy"),
    "Slack in storage": ("storage/people.py", "import slack_sdk"),
    "the vendor in a planner": ("agent_engine/planners/llm.py", "import openai"),
    "a planner imports a tool": ("agent_engine/planners/llm.py", "import agent_engine.tools.call"),
    "dbos outside its file": ("agent_engine/loop.py", "import dbos"),
    "a file without a place": ("bot/somewhere.py", ""),
}


def lint_imports(folder):
    """Check the contracts of the tree in this folder; return whether they hold, and the report."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", LINT, "--no-cache"],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def tree(tmp_path):
    """A copy of the packages that may be spoilt."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__", "page")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    return tmp_path


def test_the_contracts_hold():
    held, report = lint_imports(ROOT)
    assert held, report


def test_every_wrong_import_is_reported(tree):
    held, report = lint_imports(tree)
    assert held, report
    for case, (path, line) in WRONG.items():
        file = tree / path
        before = file.read_text() if file.exists() else None
        file.write_text(f"{before or ''}\n{line}\n")
        held, report = lint_imports(tree)
        assert not held, case
        assert "BROKEN" in report or "not listed" in report.lower(), report
        if before is None:
            file.unlink()
        else:
            file.write_text(before)
