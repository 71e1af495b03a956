"""``treadle run`` and ``ask`` as processes of their own: started, doubled, stopped, refused."""

import asyncio
import json
import os
import pty
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.server import LocalWorkspace
from bot.manifest import load_manifest
from tests.fakes.openai_server import OpenAIServer, as_json, in_order

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
QUESTION = {
    "mode": "ask", "answer": "", "question": "Which quarter?", "choices": ["Q1", "Q2"], "steps": [],
}  # fmt: skip


@asynccontextmanager
async def treadle(*arguments, read_only=None, **environment):
    """Start the command with these settings and no others of ours; ends it if it still runs.

    What is ``read_only`` lies on a read-only disk for it, which binds root too.
    """
    bind = ("bwrap", "--dev-bind", "/", "/", "--ro-bind", read_only, read_only, "--")
    foreign = ("TREADLE_", "SLACK_", "OPENAI_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}  # noqa: TID251 - a child's
    process = await asyncio.create_subprocess_exec(
        *(bind if read_only else ()),
        sys.executable,
        "-m",
        "bot",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        cwd=environment["TREADLE_HOME"],
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def outcome(*arguments, read_only=None, **environment):
    """Run the command to its end; return exit code, standard output and standard error."""
    process_of = treadle(*arguments, read_only=read_only, **environment)
    async with asyncio.timeout(PATIENCE_S), process_of as process:
        out, err = await process.communicate()
        return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def slack():
    async with LocalWorkspace(LocalWorkspaceConfig(manifest=load_manifest())) as workspace:
        yield workspace


@pytest.fixture
def settings(tmp_path, slack):
    return {
        "TREADLE_HOME": str(tmp_path),
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "SLACK_API_URL": slack.api_url,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",
    }


async def test_a_second_run_stops_with_one_sentence_and_sigterm_ends_the_first_cleanly(
    slack, settings
):
    async with asyncio.timeout(PATIENCE_S), treadle("run", **settings) as first:
        await slack.until_connected(PATIENCE_S)
        code, _, err = await outcome("run", **settings)
        assert code == 1
        assert "Treadle is already running on this database." in err
        assert "Traceback" not in err
        code, out, _ = await outcome("doctor", "--json", **settings)
        assert [f["level"] for f in json.loads(out) if f["subject"] == "database"] == ["good"]
        first.send_signal(signal.SIGTERM)
        _, err = await first.communicate()
        assert first.returncode == 0
        assert b"Traceback" not in err
        assert slack.bot_token.encode() not in err


@pytest.mark.parametrize(
    ("scope", "level", "cost"),
    [
        ("files:write", "degraded", "files that agents make cannot be uploaded"),
        ("chat:write", "bad", "nothing can be said"),
    ],
)
async def test_doctor_says_what_each_missing_scope_costs(tmp_path, scope, level, cost):
    manifest = load_manifest()
    manifest["oauth_config"]["scopes"]["bot"].remove(scope)
    async with LocalWorkspace(LocalWorkspaceConfig(manifest=manifest)) as slack:
        code, out, _ = await outcome(
            "doctor",
            "--json",
            TREADLE_HOME=str(tmp_path),
            SLACK_BOT_TOKEN=slack.bot_token,
            SLACK_APP_TOKEN=slack.app_token,
            SLACK_API_URL=slack.api_url,
            OPENAI_BASE_URL="http://127.0.0.1:9/v1",
        )
    finding = next(f for f in json.loads(out) if f["subject"] == "slack")
    assert (finding["level"], code) == (level, 1)
    assert f"without {scope}: {cost}" in finding["said"]
    assert "reinstall" in finding["fix"]


async def test_a_refused_token_is_one_sentence_that_names_the_setting(settings):
    wrong = {**settings, "SLACK_BOT_TOKEN": "xoxb-0-wrong-token"}
    code, _, err = await outcome("run", **wrong)
    assert code == 1
    assert "Slack does not accept SLACK_BOT_TOKEN" in err
    assert "Traceback" not in err
    assert "wrong-token" not in err


async def test_run_says_in_one_sentence_that_its_database_cannot_be_used(settings, tmp_path):
    settings["TREADLE_DATABASE_URL"] = f"sqlite:///{tmp_path}/no/such/folder/t.db"
    code, _, err = await outcome("run", **settings)
    assert code == 1
    assert "of the database does not exist." in err
    assert "Traceback" not in err


@pytest.mark.needs_bubblewrap
@pytest.mark.parametrize("command", [("run",), ("ask", "calculate 17*23"), ("db", "upgrade")])
async def test_a_home_on_a_read_only_disk_is_one_sentence(settings, tmp_path, command):
    code, out, err = await outcome(*command, read_only=str(tmp_path), **settings)
    assert (code, out) == (2, "")
    assert err.strip().splitlines() == [
        f"TREADLE_HOME: {tmp_path} cannot be used (it is read-only): name a folder I can write to."
    ]


@pytest.mark.needs_bubblewrap
async def test_doctor_says_that_the_disk_is_read_only(settings, tmp_path):
    code, out, _ = await outcome("doctor", "--json", read_only=str(tmp_path), **settings)
    levels = {finding["subject"]: finding["level"] for finding in json.loads(out)}
    assert (code, levels["settings"], levels["database"]) == (1, "bad", "bad")


@pytest.mark.needs_bubblewrap
async def test_a_database_on_a_read_only_disk_is_one_sentence(settings, tmp_path):
    await outcome("db", "upgrade", **settings)
    file = str(tmp_path / "treadle.db")
    code, _, err = await outcome("run", read_only=file, **settings)
    assert code == 1
    assert err.strip().splitlines()[-1].startswith(f"The database {file} cannot be written")
    assert "Traceback" not in err


async def test_a_question_that_nobody_is_there_to_answer_is_exit_code_3(settings):
    server = OpenAIServer(in_order(as_json(QUESTION)))
    async with server.running() as url:
        settings |= {"OPENAI_BASE_URL": url, "TREADLE_MODEL": "fake-model"}
        code, out, err = await outcome("ask", "sum up the quarter", "--json", **settings)
    assert code == 3
    said = json.loads(out)
    assert said["status"] == "waiting"
    assert said["waits"] == [{"question": "Which quarter?", "choices": ["Q1", "Q2"]}]
    assert "Traceback" not in err


@asynccontextmanager
async def at_terminal(home, *arguments):
    """Start the command for somebody who sits at a terminal; gives the process and their keys."""
    keys, its = pty.openpty()
    environment = {"TREADLE_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": os.defpath}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        stdin=its,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=home,
    )
    os.close(its)
    try:
        yield process, keys
    finally:
        os.close(keys)
        if process.returncode is None:
            process.kill()
        await process.communicate()


ASKS_FIRST = "[[tools.rules]]\ntool = 'calculate'\nask = 'always'\n"
SUM = ("tool", "calculate", '{"expression": "17*23"}')


async def test_a_person_at_the_terminal_approves_a_call(tmp_path):
    (tmp_path / "treadle.toml").write_text(ASKS_FIRST)
    async with asyncio.timeout(PATIENCE_S), at_terminal(tmp_path, *SUM) as (process, keys):
        await process.stderr.readuntil(b"[a/e/d] ")
        os.write(keys, b"a\n")
        out, _ = await process.communicate()
    assert (process.returncode, json.loads(out)["result"]) == (0, "391")


async def test_an_interrupt_at_a_prompt_ends_at_once_and_without_a_traceback(tmp_path):
    (tmp_path / "treadle.toml").write_text(ASKS_FIRST)
    async with asyncio.timeout(PATIENCE_S), at_terminal(tmp_path, *SUM) as (process, _):
        await process.stderr.readuntil(b"[a/e/d] ")
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert (process.returncode, err) == (130, b"\n")


INTERRUPTED_BESIDE_THE_LOOP = """
import asyncio, signal, sys, threading, time
import typer
from bot.cli import _run

def interrupt():
    time.sleep(0.2)  # until the loop waits
    signal.pthread_kill(threading.get_ident(), signal.{})

async def main():
    threading.Thread(target=interrupt).start()
    await asyncio.Event().wait()

try:
    _run(main())
except typer.Exit as end:
    sys.exit(end.exit_code)
"""


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
async def test_a_signal_is_heard_by_a_loop_that_only_waits(name, code):
    script = INTERRUPTED_BESIDE_THE_LOOP.format(name)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
    try:
        async with asyncio.timeout(PATIENCE_S):
            assert await process.wait() == code
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
