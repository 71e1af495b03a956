"""The tool that runs programs an agent wrote: always in a sandbox, or not at all."""

import asyncio
import signal
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from pydantic import Field

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.tools.quota import Quota, shown_size
from agent_engine.tools.sandbox.choose import SandboxChooser
from agent_engine.tools.sandbox.driver import (
    KilledReason,
    Language,
    SandboxJob,
    SandboxLimits,
    SandboxResult,
)
from agent_engine.types import JsonObject

MAX_CODE_CHARS: Final = 200_000
MAX_STDIN_CHARS: Final = 1_000_000
MAX_PARALLEL: Final = 4
"""Programs at once in one process; further ones wait their turn."""
_QUEUE_S: Final = 60.0
"""How long a program may wait for its turn, and its sandbox for its set-up."""
_TROUBLE_LINES: Final = 3
_SIGNALLED: Final = 128


class CodeExecutionParameters(Parameters):
    """What ``code_execution`` takes."""

    language: Language = Field(description="The language the program is written in.")
    code: str = Field(max_length=MAX_CODE_CHARS, description="The whole program.")
    stdin: str = Field(
        default="", max_length=MAX_STDIN_CHARS, description="What the program reads from its input."
    )


class _Runner:
    """Runs programs, a few at a time."""

    def __init__(
        self, chooser: SandboxChooser, allowed: frozenset[Language], limits: SandboxLimits
    ) -> None:
        self._chooser = chooser
        self._allowed = allowed
        self._limits = limits
        self._turns = asyncio.Semaphore(MAX_PARALLEL)

    async def run(self, parameters: CodeExecutionParameters, context: ToolContext) -> JsonObject:
        """Run a program and tell what came of it."""
        if parameters.language not in self._allowed:
            names = ", ".join(sorted(self._allowed))
            raise ToolError(f"{parameters.language} is not allowed here; use one of: {names}")
        chosen = await self._chooser.chosen()
        if parameters.language not in chosen.languages:
            names = ", ".join(sorted(chosen.languages & self._allowed)) or "none"
            raise ToolError(f"{parameters.language} is not installed; there are: {names}")
        job = SandboxJob(
            language=parameters.language,
            code=parameters.code,
            stdin=parameters.stdin,
            folder=context.task_folder,
            limits=self._limits,
        )
        async with self._turns:
            return _result(await chosen.driver.run(job), self._limits)


def code_execution(
    chooser: SandboxChooser,
    *,
    languages: Collection[Language] = tuple(Language),
    limits: SandboxLimits | None = None,
    quota: Quota | None = None,
    packages: Sequence[str] = (),
) -> DeclaredTool[CodeExecutionParameters]:
    """Return the tool that runs programs.

    Args:
        chooser: where the sandbox comes from.
        languages: those that may be used; at least one.
        limits: caps of one program; None for the usual ones.
        quota: how much a task folder may hold; None for the usual.
        packages: what python programs can import beside the standard library.
    """
    if not languages:
        raise ValueError("at least one language must be allowed")
    caps = _with_quota(limits or SandboxLimits(), quota or Quota())
    names = ", ".join(sorted(languages))
    return DeclaredTool(
        name="code_execution",
        description=(
            f"Run a program ({names}) in a sandbox without network, for at most "
            f"{caps.timeout_s:g} s. It starts in a copy of the task folder, of which at most "
            f"{shown_size(caps.copied_in_bytes)} are given to it: files it makes or changes there "
            f"(up to {shown_size(caps.work_bytes)}) are kept and listed in 'files' (deletions are "
            f"not). Returns stdout, stderr and exit_code.{_offer(packages)}"
        ),
        parameters=CodeExecutionParameters,
        run=_Runner(chooser, frozenset(languages), caps).run,
        traits=ToolTraits(timeout_s=caps.timeout_s + _QUEUE_S, idempotent=True),
        describe=_describe,
        characteristics=lambda arguments: {"language": str(arguments["language"])},
    )


def _offer(packages: Sequence[str]) -> str:
    return f" Python packages: {', '.join(packages)}." if packages else ""


def _with_quota(limits: SandboxLimits, quota: Quota) -> SandboxLimits:
    """Let a program have as many files as fit into a task folder, and no more bytes than usual.

    What it is given is held in memory, twice while it runs.
    """
    given = min(quota.size, limits.copied_in_bytes)
    return replace(limits, folder_quota=quota, copied_in_bytes=given, copied_files=quota.files)


def _result(ended: SandboxResult, limits: SandboxLimits) -> JsonObject:
    success = ended.exit_code == 0 and ended.killed_reason is None and not ended.folder_full
    result: dict[str, object] = {
        "success": success,
        "stdout": ended.stdout,
        "stderr": ended.stderr,
        "exit_code": ended.exit_code,
        "files": list(ended.files),
        "timed_out": ended.timed_out,
        "duration_s": ended.duration_s,
    }
    if not success:
        result["error"] = _error(ended, limits)
    if ended.notes:
        result["notes"] = list(ended.notes)
    return result


def _error(ended: SandboxResult, limits: SandboxLimits) -> str:
    match ended.killed_reason:
        case KilledReason.TIMEOUT:
            return f"the program was stopped after {limits.timeout_s:g} s; do less at once"
        case KilledReason.OUTPUT:
            return f"the program was stopped: it wrote more than {limits.stream_bytes} bytes"
        case KilledReason.MEMORY:
            return f"the program was stopped: it used more than {limits.memory} bytes of memory"
        case KilledReason.PROCESSES:
            return f"the program was stopped: it started more than {limits.processes} processes"
        case KilledReason.DISK:
            return (
                f"the program was stopped: it wrote more than {limits.work_bytes} bytes of files, "
                "or too many files, or folders too deep or closed"
            )
        case None if ended.exit_code == 0:
            return f"the program ended well, but not all of its files are kept: {ended.folder_full}"
        case None:
            tail = " / ".join(ended.stderr.strip().splitlines()[-_TROUBLE_LINES:])
            how = f"exit code {ended.exit_code}{_by_signal(ended, limits)}"
            return how + (f": {tail[-500:]}" if tail else "")


def _by_signal(ended: SandboxResult, limits: SandboxLimits) -> str:
    """Say what the signal meant that ended a program, for those that limits of ours send."""
    match ended.exit_code - _SIGNALLED:
        case signal.SIGXFSZ:
            return f" (it wrote a file of more than {limits.file_bytes} bytes)"
        case signal.SIGKILL | signal.SIGXCPU if ended.duration_s >= limits.cpu_s:
            return f" (it used more than {limits.cpu_s} s of processor time)"
        case signal.SIGKILL:
            return " (it was killed, as happens to what needs too much memory)"
        case signal.SIGSEGV | signal.SIGABRT:
            return f" (it crashed; it may use {limits.memory} bytes of memory)"
        case _:
            return ""


def _describe(_arguments: JsonObject, result: JsonObject) -> str:
    if "exit_code" not in result:
        return ""
    if result.get("timed_out"):
        return "timed out"
    lines = len(str(result["stdout"]).splitlines())
    said = [f"exit code {result['exit_code']}", f"{lines} line{'' if lines == 1 else 's'}"]
    if files := result["files"]:
        said.append(f"made {', '.join(files[:3])}" + (" …" if len(files) > 3 else ""))  # noqa: PLR2004  as many as fit a line
    return ", ".join(said)
