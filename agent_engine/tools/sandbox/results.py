"""From a finished process to what a model is told of it."""

from agent_engine.tools.sandbox.copying import CopiedOut
from agent_engine.tools.sandbox.driver import KilledReason, SandboxJob, SandboxResult
from agent_engine.tools.sandbox.process import Finished


def result_of(job: SandboxJob, finished: Finished, copied: CopiedOut) -> SandboxResult:
    """Put together what came of a program."""
    code = finished.returncode
    return SandboxResult(
        stdout=_text(finished.stdout, job),
        stderr=_text(finished.stderr, job),
        exit_code=128 - code if code < 0 else code,
        timed_out=finished.killed_reason is KilledReason.TIMEOUT,
        killed_reason=finished.killed_reason,
        duration_s=round(finished.duration_s, 3),
        output_truncated=finished.truncated,
        files=tuple(sorted(copied.files)),
        notes=tuple(copied.notes),
        folder_full=copied.full,
    )


def _text(output: bytes, job: SandboxJob) -> str:
    return output[: job.limits.stream_bytes].decode(errors="replace")
