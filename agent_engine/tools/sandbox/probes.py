"""Find out whether a sandbox holds, by trying to get out of it.

A secret is put where a program run by the bot could find it: in the environment of a process, in a
file, and a listener is opened on the loopback. Nothing the program says about itself is believed:
the secret must not come back, no file must appear, nobody must have called, and the process must
live.
"""

import asyncio
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from agent_engine.tools.sandbox.driver import (
    Driver,
    Language,
    ProbeResult,
    SandboxJob,
    SandboxLimits,
)
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.process import unprivileged_id
from agent_engine.tools.sandbox.setup import Setup
from agent_engine.tools.shorten import one_line

_LIMITS: Final = SandboxLimits(timeout_s=15.0)
_IMPORTS_S: Final = 60.0
_ESCAPE: Final = """\
grep -hazs '' /proc/[0-9]*/environ
cat "{folder}/secret" "/proc/1/root{folder}/secret" "/proc/{pid}/root{folder}/secret"
echo out > "{folder}/written"
ln -s "{folder}" away; echo out > away/written
exec 3<>/dev/tcp/127.0.0.1/{port} && echo called >&3
echo tried-{token}
kill -KILL {pid}
exit 0
"""
_HELLO: Final = {
    Language.PYTHON: "print('hel' + 'lo')",
    Language.JAVASCRIPT: "console.log('hel' + 'lo')",
    Language.BASH: "true; echo hel''lo",
}


_IMPORTS: Final = """\
import importlib, importlib.metadata as metadata, sys
environment = sys.prefix != sys.base_prefix
names = sorted({{top for top, made in metadata.packages_distributions().items()
                if not top.startswith("_") and top.isidentifier() and made[0] not in {skipped!r}}})
broken = []
for name in names:
    try: importlib.import_module(name)
    except BaseException as error: broken.append(f"{{name}} ({{type(error).__name__}})")
print("environment" if environment else "system", *broken[:5], sep=", ")
"""


async def probe_driver(driver: Driver, setup: Setup | None = None) -> ProbeResult:
    """Start every language, then try to get out; usable when something starts and nothing gets out.

    Args:
        driver: a driver whose own preconditions have been checked.
        setup: what the operator offers to programs.
    """
    offered = setup or Setup()
    if problem := await asyncio.to_thread(offered.problem):
        return ProbeResult(usable=False, reason=problem, fix="correct [tools.code_execution]")
    problems = {language: await _problem(driver, language) for language in sorted(driver.languages)}
    started = frozenset(language for language, problem in problems.items() if not problem)
    if Language.BASH not in started:
        why = problems.get(Language.BASH, "bash is not installed")
        return ProbeResult(
            usable=False,
            reason=f"{driver.name} does not start programs on this machine ({why})",
            fix=driver.needs,
        )
    leaks = await _leaks(driver)
    if leaks:
        return ProbeResult(
            usable=False,
            reason=f"{driver.name} does not hold on this machine: {', '.join(leaks)}",
            fix="use another driver, or run the bot on a newer kernel",
        )
    remarks = () if setup is None else await _remarks(driver, offered, started)
    return ProbeResult(usable=True, languages=started, remarks=remarks)


async def _remarks(driver: Driver, offered: Setup, started: frozenset[Language]) -> tuple[str, ...]:
    said = [await asyncio.to_thread(offered.memory_remark)]
    said += [f"{name} does not start inside" for name in sorted(driver.languages - started)]
    if offered.python_environment is not None and Language.PYTHON in started:
        said.append(await _import_remark(driver, offered.python_environment))
    return tuple(said)


async def _import_remark(driver: Driver, environment: Path) -> str:
    """Import everything that the prepared environment offers, inside, and say what came of it."""
    code = _IMPORTS.format(skipped=("pip", "setuptools", "wheel"))
    limits = SandboxLimits(timeout_s=_IMPORTS_S, cpu_s=int(_IMPORTS_S))
    job = SandboxJob(language=Language.PYTHON, code=code, limits=limits)
    try:
        ended = await driver.run(job)
    except SandboxError as error:
        return f"the packages of {environment} could not be tried: {error.message}"
    kind, *broken = (ended.stdout.strip().splitlines() or [""])[-1].split(", ")
    if kind != "environment":
        return f"the packages of {environment} do not work: {one_line(ended.stderr) or 'no answer'}"
    if broken:
        return f"packages of {environment} cannot be imported: {one_line(', '.join(broken))}"
    return f"the packages of {environment} can be imported"


async def _problem(driver: Driver, language: Language) -> str:
    """Start a small program, twice if need be, and say why it did not work; empty when it did."""
    return await _once(driver, language) and await _once(driver, language)


async def _once(driver: Driver, language: Language) -> str:
    job = SandboxJob(language=language, code=_HELLO[language], limits=_LIMITS)
    try:
        result = await driver.run(job)
    except SandboxError as error:
        return error.message
    if result.exit_code == 0 and result.stdout.strip() == "hello":
        return ""
    return one_line(f"exit code {result.exit_code} {result.stderr}")


async def _leaks(driver: Driver) -> list[str]:
    async with _bait() as bait:
        code = _ESCAPE.format(folder=bait.folder, port=bait.port, token=bait.token, pid=bait.pid)
        try:
            result = await driver.run(SandboxJob(language=Language.BASH, code=code, limits=_LIMITS))
        except SandboxError as error:
            return [error.message]
        return _found(bait, result.stdout + result.stderr)


def _found(bait: "_Bait", output: str) -> list[str]:
    tried = f"tried-{bait.token}" in output
    checks = {
        "the escape programs did not run to their end": not tried,
        "a secret could be read": bait.secret in output,
        "a file outside could be written": (bait.folder / "written").exists(),
        "a listener on the loopback could be reached": bait.called.is_set(),
        "a process outside could be killed": _has_ended(bait.pid),
    }
    return [sentence for sentence, failed in checks.items() if failed]


def _has_ended(pid: int) -> bool:
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # it was waited for already
        return True


@dataclass(slots=True, kw_only=True)
class _Bait:
    """What a program would find if it could get out."""

    folder: Path
    port: int = 0
    pid: int = 0
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    called: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def _bait() -> AsyncIterator[_Bait]:
    """Lay out a secret file, a process with a secret environment, and a listener."""
    with tempfile.TemporaryDirectory(prefix="treadle-probe-") as name:
        bait = _Bait(folder=Path(name))
        # Open to everyone: the sandbox is to hold it back, not the permissions.
        bait.folder.chmod(0o777)
        (bait.folder / "secret").write_text(bait.secret)
        server = await asyncio.start_server(lambda _, writer: _answer(bait, writer), "127.0.0.1")
        bait.port = server.sockets[0].getsockname()[1]
        holder = await asyncio.create_subprocess_exec(
            "/bin/cat",
            stdin=asyncio.subprocess.PIPE,
            env={"SECRET": bait.secret},
            user=unprivileged_id(),
        )
        bait.pid = holder.pid
        try:
            yield bait
        finally:
            with contextlib.suppress(ProcessLookupError):
                holder.kill()
            await holder.wait()
            server.close()
            await server.wait_closed()


def _answer(bait: _Bait, writer: asyncio.StreamWriter) -> None:
    bait.called.set()
    writer.close()
