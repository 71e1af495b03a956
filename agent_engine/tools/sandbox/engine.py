"""Talks to docker or podman on their command line, as the bot's own user.

It knows what differs between the two. It must never pull an image, and never use an engine that
the bot reaches from inside a container of its own: whoever holds that socket holds the host.
"""

import json
import logging
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.interpreters import SEARCH_PATH
from agent_engine.tools.sandbox.process import Bounds, Command, Finished, run_bounded
from agent_engine.tools.sandbox.setup import ContainerSettings
from agent_engine.tools.shorten import one_line

logger = logging.getLogger(__name__)

NAMES: Final = ("docker", "podman")
LABEL: Final = "treadle.sandbox=1"
_GVISOR: Final = "runsc"
_ASK_S: Final = 15.0
_REMOVE_S: Final = 20.0
_IN_A_CONTAINER: Final = (
    *(Path("/.dockerenv"), Path("/run/.containerenv")),
    Path("/var/run/secrets/kubernetes.io"),
)


class NotUsableError(SandboxError):
    """There is no engine to use."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class Engine:
    """The engine of this machine, which need not be there."""

    def __init__(self, settings: ContainerSettings) -> None:
        self._settings = settings
        self._runtime = settings.runtime
        self._is_podman: bool | None = None
        self._answered = ""

    @property
    def path(self) -> str:
        """The command: the first that answered, else the first that is installed.

        Raises:
            NotUsableError: none is.
        """
        if self._answered:
            return self._answered
        for name in (self._settings.engine,) if self._settings.engine else NAMES:
            if path := shutil.which(name, path=SEARCH_PATH):
                return path
        wanted = self._settings.engine or "no container engine"
        raise NotUsableError(f"{wanted} is not installed", fix="install docker or podman")

    async def words(self) -> tuple[str, ...]:
        """Return what only this engine, or this operator, wants to hear with a new container."""
        if self._is_podman is None:
            await self._find()
            # What is called docker may be podman.
            version = await self._asked(("--version",), fix=f"install {self.path} anew")
            self._is_podman = "podman" in version.lower()
        runtime = () if self._runtime is None else ("--runtime", self._runtime)
        # Podman's idea of read-only leaves /run and /var/tmp writable, of any size.
        return (*runtime, "--read-only-tmpfs=false") if self._is_podman else runtime

    async def look(self) -> str:
        """Look at engine, image and runtime, clear away old containers; say what was found.

        Raises:
            NotUsableError: something of it cannot be used.
        """
        called = Path(self.path).name
        if any(mark.exists() for mark in _IN_A_CONTAINER):
            raise NotUsableError(
                f"the bot runs in a container, from which it must not use {called}",
                fix="run the bot on the host or in a machine of its own",
            )
        await self._find()
        called = Path(self.path).name
        image = self._settings.image
        about = await self._asked(("image", "inspect", image), fix=f"{called} pull {image}")
        if volumes := _volumes(about):
            raise NotUsableError(
                f"programs could fill the disk through the volumes of {image}: {volumes}",
                fix="use an image that declares no volumes",
            )
        await self._asked(
            ("container", "prune", "--force", "--filter", f"label={LABEL}"),
            fix=f"let the bot's user use {called}",
        )
        if self._runtime is None and await self._has_gvisor():
            self._runtime = _GVISOR
        return f"{called} with {self._runtime or 'its usual runtime'}"

    async def ran_out_of_memory(self, name: str) -> bool:
        """Whether the kernel ended something in this container for want of memory."""
        ended = await self._ask(("inspect", "--format", "{{.State.OOMKilled}}", name))
        return ended.stdout.strip() == b"true"

    def remove(self, name: str) -> None:
        """Remove the container with all that runs in it; killing the command leaves it running."""
        words = ["rm", "--force", "--volumes", name]
        try:
            ended = subprocess.run(  # noqa: S603  our own words, no shell
                [self.path, *words],
                check=False,
                capture_output=True,
                timeout=_REMOVE_S,
                env=environment(),
            )
        except (OSError, SandboxError, subprocess.TimeoutExpired):
            logger.warning("container_left", extra={"container": name})
        else:
            if ended.returncode != 0:
                logger.info("container_not_removed", extra={"container": name})

    async def _find(self) -> None:
        """Find an engine that answers: docker's command may be there without its server."""
        first: NotUsableError | None = None
        for name in (self._settings.engine,) if self._settings.engine else NAMES:
            self._answered = shutil.which(name, path=SEARCH_PATH) or ""
            try:
                if self._answered:
                    fix = f"start {Path(name).name}, and let the bot's user use it"
                    await self._asked(("version",), fix=fix)
                    return
            except NotUsableError as error:
                first = first or error
        self._answered = ""
        if first is not None:
            raise first

    async def _has_gvisor(self) -> bool:
        ended = await self._ask(("info", "--format", "{{json .Runtimes}}"))
        try:
            return _GVISOR in json.loads(ended.stdout)
        except (ValueError, TypeError):  # podman says no such thing: name it in the settings
            return False

    async def _asked(self, arguments: Sequence[str], *, fix: str) -> str:
        ended = await self._ask(arguments)
        if ended.returncode != 0:
            said = one_line(ended.stderr.decode(errors="replace"))[:200]
            why = said or ("no answer" if ended.killed_reason else f"exit code {ended.returncode}")
            raise NotUsableError(f"{self._settings.engine or 'the engine'}: {why}", fix=fix)
        return ended.stdout.decode(errors="replace")

    async def _ask(self, arguments: Sequence[str]) -> Finished:
        command = Command(argv=(self.path, *arguments), env=environment(), drop_root=False)
        return await run_bounded(command, Bounds(timeout_s=_ASK_S))


def environment() -> dict[str, str]:
    """Return what a command line of an engine needs to find its server; nothing is inherited."""
    user = os.geteuid()
    found = {"PATH": SEARCH_PATH}
    try:
        found["HOME"] = pwd.getpwuid(user).pw_dir
    except KeyError:  # a user without a name
        found["HOME"] = "/nonexistent"
    own = Path(f"/run/user/{user}")
    if own.is_dir():
        found["XDG_RUNTIME_DIR"] = str(own)
        if (own / "docker.sock").exists() and not Path("/var/run/docker.sock").exists():
            found["DOCKER_HOST"] = f"unix://{own}/docker.sock"
    return found


def _volumes(about: str) -> str:
    """Name the volumes that an image declares, from what the engine says about it."""
    try:
        (facts,) = json.loads(about)
        return one_line(", ".join(sorted(facts["Config"].get("Volumes") or {})))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotUsableError(
            "what the engine says of the image cannot be read", fix="use docker or podman"
        ) from error
