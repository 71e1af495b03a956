"""Sandboxes for tests: one that is none at all, and a stand-in that says what it is told."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from agent_engine.tools.sandbox.copying import CopiedOut
from agent_engine.tools.sandbox.driver import Language, ProbeResult, SandboxJob, SandboxResult
from agent_engine.tools.sandbox.interpreters import Start, found_languages, start_of
from agent_engine.tools.sandbox.process import Bounds, Command, run_bounded
from agent_engine.tools.sandbox.results import result_of


class NoBoundary:
    """Runs programs as they are, with nothing around them: every probe must catch it."""

    name = "nothing"
    needs = "a boundary"
    languages = found_languages()

    async def probe(self) -> ProbeResult:
        return ProbeResult(usable=True, languages=self.languages)

    async def run(self, job: SandboxJob) -> SandboxResult:
        start = start_of(job.language, job.code)
        with tempfile.TemporaryDirectory() as folder:
            lay_out(Path(folder), start)
            command = Command(
                argv=start.argv(folder), env={"PATH": "/usr/bin:/bin"}, stdin=job.stdin.encode()
            )
            finished = await run_bounded(command, Bounds(timeout_s=job.limits.timeout_s))
        return result_of(job, finished, CopiedOut())


def lay_out(folder: Path, start: Start) -> None:
    folder.chmod(0o755)
    for source in start.sources:
        (folder / source.name).write_text(source.text)


@dataclass
class ToldDriver:
    """Gives the result and the probe it was told, and counts."""

    probe_result: ProbeResult
    result: SandboxResult = field(
        default_factory=lambda: SandboxResult(stdout="", stderr="", exit_code=0)
    )
    name: str = "told"
    needs: str = "to be told"
    probes: int = 0
    jobs: list[SandboxJob] = field(default_factory=list)

    @property
    def languages(self) -> frozenset[Language]:
        return self.probe_result.languages

    async def probe(self) -> ProbeResult:
        self.probes += 1
        return self.probe_result

    async def run(self, job: SandboxJob) -> SandboxResult:
        self.jobs.append(job)
        return self.result
