"""What all tests share: no clock in property tests, and tests that need a system package.

A test marked ``needs_*`` is left out, aloud, where its package is missing; in CI that is an error.
"""

import os
import shutil

import pytest
from hypothesis import settings

NEEDS = {
    "needs_node": ("node", "JavaScript programs are run by node"),
    "needs_chromium": ("chromium", "the page is driven in Chromium"),
}

# The machine that runs the tests may be busy: how long an example takes says nothing about it.
settings.register_profile("treadle", deadline=None)
settings.load_profile("treadle")


def pytest_configure(config):
    for marker, (program, reason) in NEEDS.items():
        config.addinivalue_line("markers", f"{marker}: {reason} ({program})")


def pytest_collection_modifyitems(config, items):
    for marker, (program, reason) in NEEDS.items():
        ours = [item for item in items if item.get_closest_marker(marker)]
        if ours and shutil.which(program) is None:
            _leave_out(config, items, ours, f"{reason}, and {program} is not installed")


def _leave_out(config, items, ours, why):
    if os.environ.get("CI") == "true":  # noqa: TID251 - the test run's own environment
        raise pytest.UsageError(f"CI must not leave tests out: {why}.")
    config.hook.pytest_deselected(items=ours)
    items[:] = [item for item in items if item not in ours]
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"{len(ours)} tests left out: {why}.")
