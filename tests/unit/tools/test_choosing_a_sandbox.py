"""The first sandbox that holds is used; with none, nothing is run."""

import asyncio
import os
import time

import pytest

from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.sandbox import bubblewrap
from agent_engine.tools.sandbox.choose import DRIVERS, SandboxChooser
from agent_engine.tools.sandbox.driver import (
    KilledReason,
    Language,
    ProbeResult,
    SandboxResult,
)
from agent_engine.tools.sandbox.failures import SandboxUnavailableError
from agent_engine.tools.sandbox.interpreters import start_of
from agent_engine.tools.sandbox.probes import probe_driver
from tests.fakes.sandbox import NoBoundary, ToldDriver
from tests.fakes.tools import StoppedClock, tool_context

HOLDS = ProbeResult(usable=True, languages=frozenset({Language.PYTHON, Language.BASH}))
LEAKS = ProbeResult(usable=False, reason="it leaks", fix="mend it")


def chooser(**drivers: ToldDriver) -> SandboxChooser:
    return SandboxChooser(drivers={name: lambda d=driver: d for name, driver in drivers.items()})


async def called(driver: ToldDriver, tmp_path, arguments, **options):
    tool = code_execution(chooser(told=driver), **options)
    calls = ToolCaller([tool], StoppedClock())
    return await calls.call("code_execution", arguments, tool_context(tmp_path))


async def test_the_first_that_holds_is_used_and_probed_once():
    first, second = ToldDriver(LEAKS), ToldDriver(HOLDS)
    third = ToldDriver(HOLDS)
    choice = chooser(first=first, second=second, third=third)

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        tasks = [group.create_task(choice.chosen()) for _ in range(5)]

    assert {id(task.result().driver) for task in tasks} == {id(second)}
    assert (first.probes, second.probes, third.probes) == (1, 1, 0)


async def test_with_none_the_refusal_names_every_reason_and_fix_and_nothing_runs(tmp_path):
    driver = ToldDriver(LEAKS)

    seen = await called(driver, tmp_path, {"language": "bash", "code": "echo hi"})

    assert "no sandbox is available (it leaks: mend it)" in (seen.error or "")
    assert driver.jobs == []


async def test_a_refusal_is_remembered_for_a_while_and_then_looked_at_again(monkeypatch):
    driver = ToldDriver(LEAKS)
    choice = chooser(told=driver)
    now_s = 1_000.0
    monkeypatch.setattr("agent_engine.tools.sandbox.choose.time.monotonic", lambda: now_s)

    for passed_s, probes in ((0.0, 1), (59.0, 1), (61.0, 2)):
        now_s = 1_000.0 + passed_s
        with pytest.raises(SandboxUnavailableError):
            await choice.chosen()
        assert driver.probes == probes


async def test_the_operator_may_name_the_sandbox_and_no_other_is_tried():
    first, second = ToldDriver(HOLDS), ToldDriver(LEAKS)
    drivers = {"first": lambda: first, "second": lambda: second}

    with pytest.raises(SandboxUnavailableError):
        await SandboxChooser(only="second", drivers=drivers).chosen()
    assert first.probes == 0
    with pytest.raises(ValueError, match="there are: bubblewrap, sandlock, container"):
        SandboxChooser(only="magic")
    assert list(DRIVERS) == ["bubblewrap", "sandlock", "container"]


async def test_a_driver_that_cannot_even_be_probed_is_not_used():
    class Broken(ToldDriver):
        async def probe(self):
            raise OSError(24, "Too many open files")

    second = ToldDriver(HOLDS)

    assert (await chooser(first=Broken(HOLDS), second=second).chosen()).driver is second
    with pytest.raises(SandboxUnavailableError, match="Too many open files"):
        await chooser(first=Broken(HOLDS)).chosen()


async def test_a_driver_without_a_boundary_is_caught_by_every_probe():
    found = await probe_driver(NoBoundary())

    assert not found.usable
    assert "a secret could be read" in found.reason
    assert "a file outside could be written" in found.reason
    assert "a listener on the loopback could be reached" in found.reason
    assert "a process outside could be killed" in found.reason


async def test_a_driver_that_runs_nothing_is_not_usable():
    silent = ToldDriver(HOLDS)

    found = await probe_driver(silent)

    assert not found.usable
    assert "does not start programs" in found.reason


async def test_a_language_that_is_not_allowed_or_not_there_is_refused(tmp_path):
    driver = ToldDriver(HOLDS)

    for language, options, words in (
        ("bash", {"languages": [Language.PYTHON]}, "bash is not allowed here; use one of: python"),
        ("javascript", {}, "javascript is not installed; there are: bash, python"),
        ("perl", {}, "language must be one of 'python', 'javascript', 'bash'"),
    ):
        arguments = {"language": language, "code": "1"}
        seen = await called(driver, tmp_path, arguments, **options)
        assert words in (seen.error or "")
    assert driver.jobs == []


@pytest.mark.parametrize(
    ("result", "success", "outcome", "error"),
    [
        (SandboxResult(stdout="a\nb\n", stderr="", exit_code=0), True, "exit code 0, 2 lines", ""),
        (
            SandboxResult(stdout="x", stderr="", exit_code=0, files=("a.png",)),
            True,
            "exit code 0, 1 line, made a.png",
            "",
        ),
        (
            SandboxResult(stdout="", stderr="trace\nValueError: no\n", exit_code=1),
            False,
            "exit code 1, 0 lines",
            "exit code 1: trace / ValueError: no",
        ),
        (
            SandboxResult(
                stdout="", stderr="", exit_code=137, timed_out=True,
                killed_reason=KilledReason.TIMEOUT,
            ),
            False,
            "timed out",
            "stopped after 30 s",
        ),
        (
            SandboxResult(stdout="", stderr="", exit_code=153),
            False,
            "exit code 153, 0 lines",
            "it wrote a file of more than 67108864 bytes",
        ),
        (
            SandboxResult(stdout="", stderr="", exit_code=137, duration_s=20.1),
            False,
            "exit code 137, 0 lines",
            "more than 20 s of processor time",
        ),
        (
            SandboxResult(stdout="", stderr="", exit_code=137, duration_s=1.0),
            False,
            "exit code 137, 0 lines",
            "needs too much memory",
        ),
        (
            SandboxResult(stdout="", stderr="", exit_code=0, killed_reason=KilledReason.OUTPUT),
            False,
            "exit code 0, 0 lines",
            "wrote more than 1048576 bytes",
        ),
    ],
)  # fmt: skip
async def test_success_is_exit_code_zero_and_an_end_of_its_own(
    tmp_path, result, success, outcome, error
):
    driver = ToldDriver(HOLDS, result)

    seen = await called(driver, tmp_path, {"language": "python", "code": "1", "stdin": "in"})

    assert seen.success is success
    assert seen.outcome == outcome
    assert error in (seen.error or "")
    assert seen.files == result.files
    assert driver.jobs[0].folder == tmp_path
    assert driver.jobs[0].stdin == "in"


def test_at_least_one_language_must_be_allowed():
    with pytest.raises(ValueError, match="at least one"):
        code_execution(chooser(), languages=[])


@pytest.mark.parametrize(
    ("code", "main"),
    [
        ("import fs from 'fs'", "main.mjs"),
        ("  export const x = 1", "main.mjs"),
        ("const x = await f()", "main.mjs"),
        ("const fs = require('fs')", "main.cjs"),
        ("// we import nothing\nimportant()", "main.cjs"),
        ("import('fs').then(console.log)", "main.cjs"),
        ("import{x} from './x.mjs'", "main.mjs"),
        ("\n" * 200_000, "main.cjs"),
        (" " * 200_000, "main.cjs"),
        ("const " + "= " * 100_000, "main.cjs"),
    ],
)
def test_javascript_is_started_as_what_it_is_and_that_is_found_quickly(code, main):
    started_s = time.monotonic()

    assert start_of(Language.JAVASCRIPT, code).main == main
    assert time.monotonic() - started_s < 2


def test_files_are_not_counted_before_a_process_has_gone_inside(monkeypatch):
    monkeypatch.setattr(bubblewrap, "_MAX_FILES", 0)
    monkeypatch.setattr(bubblewrap, "_CAPPED", ("/usr", "/usr/bin"))

    assert bubblewrap._too_many_files([os.getpid()]) is None
