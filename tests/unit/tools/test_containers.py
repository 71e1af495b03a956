"""Containers are made as told, watched, and removed, whatever the engine does.

The engine is a script that writes down what it is asked; no boundary is tested here.
"""

import asyncio
import itertools
import shutil
from pathlib import Path

import pytest

from agent_engine.tools.quota import MIB
from agent_engine.tools.sandbox import container, engine
from agent_engine.tools.sandbox.container import Container
from agent_engine.tools.sandbox.driver import KilledReason, Language, SandboxJob, SandboxLimits
from agent_engine.tools.sandbox.failures import SandboxError
from agent_engine.tools.sandbox.setup import ContainerSettings, Setup
from tests.fakes.docker import FakeDocker

IMAGE = {"stdout": '[{"Config": {"Volumes": null}}]'}


@pytest.fixture
def docker(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_IN_A_CONTAINER", ())
    home = tmp_path / "engine"
    home.mkdir()
    return FakeDocker(home)


def driver_of(docker, **settings):
    return Container(Setup(container=ContainerSettings(engine=str(docker.path), **settings)))


async def ran(docker, code, language=Language.BASH, folder=None, stdin="", **limits):
    job = SandboxJob(
        language=language, code=code, stdin=stdin, folder=folder, limits=SandboxLimits(**limits)
    )
    async with asyncio.timeout(20):
        return await driver_of(docker).run(job)


def removed(docker):
    return [call["words"][-1] for call in docker.calls() if call["words"][0] == "rm"]


def made(docker):
    return next(call["words"] for call in docker.calls() if call["words"][0] == "run")


async def test_a_container_is_closed_off_on_every_side(docker):
    await ran(docker, "echo hi")

    words = made(docker)
    pairs = list(itertools.pairwise(words))
    for pair in (
        ("--network", "none"), ("--cap-drop", "ALL"), ("--user", "65534:65534"),
        ("--security-opt", "no-new-privileges"), ("--pull", "never"), ("--cpus", "1"),
        ("--stop-signal", "KILL"), ("-u", "https_proxy"), ("-u", "HTTPS_PROXY"),
        ("--pids-limit", "72"), ("--log-driver", "none"), ("--entrypoint", "/usr/bin/env"),
    ):  # fmt: skip
        assert pair in pairs
    assert "--read-only" in words
    memory = words[words.index("--memory") + 1]
    assert ("--memory-swap", memory) in pairs
    assert 512 * MIB < int(memory) < 700 * MIB
    tmpfs = [after for before, after in pairs if before == "--tmpfs"]
    assert [text.split(":")[0] for text in tmpfs] == ["/work", "/code", "/tmp"]  # noqa: S108 - inside
    assert all("size=" in text and "nosuid" in text for text in tmpfs)
    forbidden = {"--volume", "-v", "--mount", "--privileged", "--device", "--rm", "--publish"}
    assert not forbidden & set(words)


async def test_the_engine_inherits_nothing_of_the_bots_environment(docker, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")

    await ran(docker, "echo hi")

    names = {name for call in docker.calls() for name in call["env"]}
    assert names <= {"PATH", "HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "LC_CTYPE", "PWD", "SHLVL"}


async def test_a_program_gets_its_files_and_input_and_its_files_come_back(docker, tmp_path):
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("given")
    code = 'cat in/a.txt; read x; echo -n " $x"; mkdir out; echo -n made > out/b.txt; echo e >&2'

    ended = await ran(docker, code, folder=folder, stdin="typed\nmore\n")

    assert (ended.stdout, ended.stderr, ended.exit_code) == ("given typed", "e\n", 0)
    assert ended.files == ("out/b.txt",)
    assert (folder / "out" / "b.txt").read_text() == "made"
    assert len(removed(docker)) == 1
    assert removed(docker)[0] == made(docker)[2]


async def test_python_runs_and_links_it_makes_stay_behind(docker, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    code = "import os; os.symlink('/etc/passwd', 'l'); open('a', 'w').write('x'); print(input())"

    ended = await ran(docker, code, Language.PYTHON, folder=folder, stdin="typed")

    assert (ended.stdout, ended.files) == ("typed\n", ("a",))
    assert [path.name for path in folder.iterdir()] == ["a"]


@pytest.mark.parametrize(("code", "number"), [("exit 3", 3), ("kill -TERM $$", 143)])
async def test_the_exit_code_is_the_programs_own(docker, code, number):
    assert (await ran(docker, code)).exit_code == number


async def test_a_program_that_takes_too_long_is_stopped_inside_and_removed(docker, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    ended = await ran(docker, "echo begun; touch a; sleep 60", folder=folder, timeout_s=1.0)

    assert (ended.timed_out, ended.stdout, ended.files) == (True, "begun\n", ())
    assert "not kept" in ended.notes[0]
    assert len(removed(docker)) == 1


async def test_an_engine_that_hangs_is_given_up_and_asked_to_remove(docker, monkeypatch):
    monkeypatch.setattr(container, "_START_S", 0.1)
    docker.says({"run": {"sleep": 60}})

    with pytest.raises(SandboxError, match="the container could not be set up"):
        await ran(docker, "echo hi", timeout_s=0.3)
    assert len(removed(docker)) == 1


async def test_a_flood_is_stopped_and_its_beginning_kept(docker):
    ended = await ran(docker, "yes", stream_bytes=1_000)

    assert ended.killed_reason is KilledReason.OUTPUT
    assert len(ended.stdout) == 1_000
    assert len(removed(docker)) == 1


async def test_a_flood_is_stopped_before_the_room_for_files_is_used_up(docker, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    code = "head -c 40000 /dev/zero; sleep 60"

    for where in ("", " >&2"):
        ended = await ran(docker, f"({code}){where}", folder=folder, stream_bytes=1_000)
        shutil.rmtree(docker.home / "root")

        assert ended.killed_reason is KilledReason.OUTPUT
        assert ended.duration_s < 10


async def test_files_that_are_larger_than_the_output_may_be_come_back(docker, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    code = "echo said; head -c 3000000 /dev/zero > big; head -c 900 /dev/zero | tr '\\0' x"

    ended = await ran(docker, code, folder=folder, stream_bytes=1_000)

    assert (ended.killed_reason, ended.files) == (None, ("big",))
    assert ended.stdout == "said\n" + "x" * 900
    assert (folder / "big").stat().st_size == 3_000_000


async def test_too_much_output_of_a_program_that_ended_is_said_too(docker):
    ended = await ran(docker, "head -c 2000 /dev/zero; exit 0", stream_bytes=1_000)

    assert (ended.killed_reason, ended.output_truncated) == (KilledReason.OUTPUT, True)


async def test_a_program_killed_for_its_memory_is_told_so(docker):
    docker.says({"inspect": {"stdout": "true\n"}})

    ended = await ran(docker, "kill -KILL $$")

    assert (ended.killed_reason, ended.exit_code) == (KilledReason.MEMORY, 137)


async def test_what_the_engine_refuses_is_a_sentence(docker):
    docker.says({"run": {"code": 125, "stderr": "docker: unknown runtime specified x.\n"}})

    with pytest.raises(SandboxError, match="set up: docker: unknown runtime"):
        await ran(docker, "echo hi")


async def test_cancelling_removes_the_container(docker):
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(ran(docker, "sleep 60"))
        while not (docker.home / "root" / "code" / "main.sh").exists():  # noqa: ASYNC110 - there is no event in another process
            await asyncio.sleep(0.01)
        task.cancel()

    assert task.cancelled()
    assert len(removed(docker)) == 1


async def test_a_forged_end_fools_nobody_but_the_program(docker, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    ended = await ran(docker, "printf '\\nE0123 0 -\\nnot an archive'; exit 4", folder=folder)

    assert (ended.exit_code, ended.files) == (4, ())
    assert ended.stdout == "\nE0123 0 -\nnot an archive"


@pytest.mark.parametrize(
    ("answers", "reason", "fix"),
    [
        ({"version": {"code": 1, "stderr": "No daemon"}}, "No daemon", "start docker"),
        ({"image": {"code": 1, "stderr": "No such image: x"}}, "No such image", "docker pull p"),
    ],
)  # fmt: skip
async def test_an_engine_that_cannot_be_used_is_refused_with_the_fix(docker, answers, reason, fix):
    docker.says(answers)

    found = await driver_of(docker).probe()

    assert not found.usable
    assert reason in found.reason
    assert fix in found.fix


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ('[{"Config": {"Volumes": {"/data": {}}}}]', "volumes of python:3.12-slim: /data"),
        ("nonsense", "cannot be read"),
        ("[]", "cannot be read"),
        ('[{"Config": 1}]', "cannot be read"),
    ],
)  # fmt: skip
async def test_an_image_with_volumes_or_without_a_description_is_refused(docker, about, reason):
    docker.says({"version": {}, "image": {"stdout": about}, "container": {}})

    found = await driver_of(docker).probe()

    assert not found.usable
    assert reason in found.reason


@pytest.mark.parametrize(
    ("version", "told"), [("podman version 4.3.1", True), ("Docker version 29.1.0", False)]
)
async def test_podman_is_told_what_read_only_means_whatever_it_is_called(docker, version, told):
    docker.says({
        "version": {}, "--version": {"stdout": version}, "image": IMAGE, "container": {},
        "info": {}, "run": {"code": 125},
    })  # fmt: skip

    await driver_of(docker).probe()

    assert ("--read-only-tmpfs=false" in made(docker)) is told


async def test_gvisor_is_used_where_the_engine_has_it(docker):
    docker.says({
        "version": {}, "image": IMAGE, "container": {},
        "info": {"stdout": '{"runc": {}, "runsc": {}}'}, "run": {"code": 125},
    })  # fmt: skip

    await driver_of(docker).probe()

    words = made(docker)
    assert words[words.index("--runtime") + 1] == "runsc"


async def test_an_engine_without_a_boundary_is_caught_by_the_probe(docker):
    """The fake confines nothing, so the probe of a container has to find it out."""
    docker.says({"version": {}, "image": IMAGE, "container": {}, "info": {}})

    found = await driver_of(docker).probe()

    assert not found.usable


async def test_a_command_whose_server_does_not_answer_gives_way_to_the_next(
    docker, tmp_path, monkeypatch
):
    (tmp_path / "second").mkdir()
    podman = FakeDocker(tmp_path / "second")
    monkeypatch.setattr(engine, "NAMES", (str(docker.path), str(podman.path)))
    docker.says({"version": {"code": 1, "stderr": "No daemon"}})

    ended = await Container().run(SandboxJob(language=Language.BASH, code="echo hi"))

    assert ended.stdout == "hi\n"
    assert [call["words"][0] for call in docker.calls()] == ["version"]
    podman.says({"version": {"code": 1, "stderr": "No rights"}})
    assert "No daemon" in (await Container().probe()).reason


async def test_no_engine_and_a_bot_in_a_container_are_refused(docker, monkeypatch):
    none = Container(Setup(container=ContainerSettings(engine="no-such-engine")))

    assert (await none.probe()).reason == "no-such-engine is not installed"
    monkeypatch.setattr(engine, "_IN_A_CONTAINER", (Path("/"),))
    found = await driver_of(docker).probe()
    assert "must not use docker" in found.reason
    assert not (docker.home / "calls").exists()
