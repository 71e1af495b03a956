"""What all tests share: no clock in property tests, and tests that need a system package.

A test marked ``needs_*`` is left out, aloud, where its package is missing; in CI that is an error.
"""

import asyncio
import logging
import os
import shutil

import pytest
from hypothesis import settings
from structlog.stdlib import ProcessorFormatter

from agent_engine.errors import ToolError
from agent_engine.memory import minilm
from agent_engine.tools.sandbox.choose import SandboxChooser


def _sandbox_holds():
    """Whether code can be run here; in CI it must be bubblewrap that holds it."""
    only = "bubblewrap" if os.environ.get("CI") == "true" else None  # noqa: TID251 - the test run's own environment
    try:
        asyncio.run(SandboxChooser(only=only).chosen())
    except ToolError:
        return False
    return True


NEEDS = {
    "needs_embeddings": (minilm.is_installed, "the extra embeddings, a model of this machine"),
    "needs_bubblewrap": (lambda: shutil.which("bwrap"), "bubblewrap, which makes a disk read-only"),
    "needs_node": (lambda: shutil.which("node"), "node, which runs JavaScript programs"),
    "needs_sandbox": (_sandbox_holds, "a sandbox that holds, such as bubblewrap"),
}

# The machine that runs the tests may be busy: how long an example takes says nothing about it.
settings.register_profile("treadle", deadline=None)
# The gate says the same of the same tree; new examples are looked for on people's own machines.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") == "true" else "treadle")  # noqa: TID251 - the test run's own environment


@pytest.fixture(autouse=True)
def _logs_as_they_were():
    """A command that a test runs in this process sets levels; the next test is to have its own."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)
    ours = [h for h in root.handlers if isinstance(h.formatter, ProcessorFormatter)]
    for handler in ours:
        root.removeHandler(handler)


def pytest_configure(config):
    for marker, (_, what) in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: needs {what}")


def pytest_collection_modifyitems(config, items):
    slow = config.rootpath / "tests" / "recovery"
    # One process runs all in turn: what takes longest comes last, so that others are heard of soon.
    items.sort(key=lambda item: item.path.is_relative_to(slow))
    for marker, (is_there, what) in NEEDS.items():
        ours = [item for item in items if item.get_closest_marker(marker)]
        if ours and not is_there():
            _leave_out(config, items, ours, f"they need {what}")


def _leave_out(config, items, ours, why):
    if os.environ.get("CI") == "true":  # noqa: TID251 - the test run's own environment
        raise pytest.UsageError(f"CI must not leave tests out: {why}.")
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{len(ours)} tests left out: {why}.")
