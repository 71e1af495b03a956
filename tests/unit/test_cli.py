"""The command line: what it prints, and exit codes that mean something."""

import errno
import json

import pytest
from typer.testing import CliRunner

from bot.cli import app

TOKENS = {"SLACK_BOT_TOKEN": "xoxb-1-1", "SLACK_APP_TOKEN": "xapp-1-1"}
BAD = {
    "SLACK_BOT_TOKEN": "abc",
    "TREADLE_HTTP_PORT": "many",
    "TREADLE_LOG_LEVEL": "LOUD",
    "OPENAI_BASE_URL": "localhost:8080",
    "TREADLE_DATABASE_URL": "mysql://root:hunter2@host/db",
}


@pytest.fixture
def treadle(tmp_path, monkeypatch):
    """Run the command in an empty folder, with these settings and no others."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.model_source.find_local_model", _no_local_model)
    for name in _settings_of_this_machine():
        monkeypatch.delenv(name)

    def run(*arguments, stdin=None, **environment):
        env = {"TREADLE_HOME": str(tmp_path / "home"), **environment}
        return CliRunner().invoke(app, arguments, input=stdin, env=env, catch_exceptions=False)

    return run


async def _no_local_model():
    return None


def _settings_of_this_machine():
    import os  # noqa: PLC0415 - looked at here only, to keep the machine's own settings out

    ours = ("TREADLE_", "SLACK_", "OPENAI_")
    return [name for name in os.environ if name.startswith(ours)]  # noqa: TID251 - as above


def test_what_nobody_expected_is_one_sentence_and_a_log_line_without_secrets(treadle, monkeypatch):
    secret = "sk-not-for-anybody-0123456789"  # noqa: S105 - opens nothing

    async def broken(*_args, **_more):
        raise ZeroDivisionError(f"it was {secret}")

    monkeypatch.setattr("bot.audit_cli.verify", broken)
    done = treadle("audit", "verify", OPENAI_API_KEY=secret)
    assert done.exit_code == 1
    assert "Something went wrong on our side" in done.stderr
    assert "ZeroDivisionError: it was [secret]" in done.stderr
    assert secret not in done.stderr


def test_nothing_is_said_where_nobody_reads_on(treadle, monkeypatch):
    async def into_a_closed_pipe(*_args, **_more):
        raise BrokenPipeError(errno.EPIPE, "nobody reads")

    monkeypatch.setattr("bot.audit_cli.verify", into_a_closed_pipe)
    done = treadle("audit", "verify")
    assert (done.exit_code, done.stderr) == (1, "")


RULE = "[[tools.rules]]\ntool = 'calculate'\nask = 'always'\n"


def test_a_call_that_needs_a_person_is_refused_where_nobody_sits(treadle, tmp_path):
    (tmp_path / "treadle.toml").write_text(RULE)
    refused = treadle("tool", "calculate", '{"expression": "17*23"}')
    assert refused.exit_code == 3
    said = json.loads(refused.stdout)
    assert "a person has to approve it" in said["error"]
    assert said["needs_approval"]["arguments"] == {"expression": "17*23"}


def test_a_call_that_needs_a_person_is_made_with_their_word(treadle, tmp_path):
    (tmp_path / "treadle.toml").write_text(RULE)
    done = treadle("tool", "calculate", '{"expression": "17*23"}', "--yes")
    assert (done.exit_code, "391" in done.stdout) == (0, True)


def test_a_task_that_asks_for_approval_is_returned_with_the_call(treadle, tmp_path):
    (tmp_path / "treadle.toml").write_text(RULE)
    waiting = treadle("ask", "calculate 17*23", "--json")
    assert waiting.exit_code == 3
    (wait,) = json.loads(waiting.stdout)["waits"]
    assert wait["call"]["tool"] == "calculate"
    assert wait["choices"] == ["approve", "deny"]


# -- ask -----------------------------------------------------------------------------------------


def test_ask_prints_the_answer(treadle):
    done = treadle("ask", "calculate 17*23")
    assert done.exit_code == 0
    assert "391" in done.stdout


def test_ask_into_a_pipe_prints_the_markdown_with_nothing_around_it(treadle):
    code = "run this\n```bash\nseq 1 99 | tr '\\n' ' '; printf '\\033[31mred'\n```"
    done = treadle("ask", f"calculate 17*23 then {code}")
    assert "`17*23` = **391**\n" in done.stdout
    assert "\x1b" not in done.stdout + done.stderr
    assert max(len(line) for line in done.stdout.splitlines()) > 200
    assert [line for line in done.stderr.splitlines() if line.endswith(" ")] == []


def test_ask_as_json_is_one_object_with_nothing_around_it(treadle):
    done = treadle("ask", "calculate 17*23 then save the result to a.txt", "--json")
    said = json.loads(done.stdout)
    assert (done.exit_code, said["status"], said["success"]) == (0, "completed", True)
    assert "391" in said["answer"]
    assert [entry["result"]["success"] for entry in said["history"]] == [True, True]
    assert [path.rsplit("/", 1)[-1] for path in said["files"]] == ["a.txt"]


def test_ask_without_a_problem_is_wrong_use(treadle):
    assert treadle("ask").exit_code == 2


# -- tool ----------------------------------------------------------------------------------------


def test_tool_runs_one_tool_and_prints_its_observation(treadle):
    done = treadle("tool", "calculate", '{"expression": "17*23"}')
    assert (done.exit_code, json.loads(done.stdout)["result"]) == (0, "391")


def test_tool_reads_its_arguments_from_standard_input(treadle):
    done = treadle("tool", "calculate", "-", stdin='{"expression": "6*7"}')
    assert json.loads(done.stdout)["result"] == "42"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [("{nonsense", "not JSON"), ("[1, 2]", "a JSON object"), ('"x"', "a JSON object")],
)
def test_arguments_that_are_no_object_are_wrong_use(treadle, arguments, words):
    done = treadle("tool", "calculate", arguments)
    assert done.exit_code == 2
    assert words in one_sentence(done.stderr)


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("calculat", "{}", "did you mean calculate"),
        ("calculate", '{"sum": 1}', "sum"),
        ("file_operations", '{"operation": "read", "path": "../../etc/passwd"}', "path"),
    ],
)
def test_a_call_that_fails_is_an_observation_and_exit_code_1(treadle, name, arguments, words):
    done = treadle("tool", name, arguments)
    said = json.loads(done.stdout)
    assert (done.exit_code, said["success"]) == (1, False)
    assert words in said["error"]


def test_tool_list_shows_all_of_them(treadle):
    names = [tool["name"] for tool in json.loads(treadle("tool", "list").stdout)]
    assert {"calculate", "code_execution", "file_operations"} <= set(names)


def test_a_tool_is_called_without_looking_for_a_model(treadle, monkeypatch):
    async def nobody_asks():
        raise AssertionError("a tool needs no model")

    monkeypatch.setattr("bot.model_source.find_local_model", nobody_asks)
    assert treadle("tool", "calculate", '{"expression": "17*23"}').exit_code == 0
    assert treadle("tool", "list").exit_code == 0


# -- doctor --------------------------------------------------------------------------------------


def test_doctor_looks_at_everything_and_says_each_fix(treadle):
    done = treadle("doctor", "--json")
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert set(findings) == {
        "settings",
        "database",
        "model",
        "embeddings",
        "sandbox",
        "web search",
        "api calls",
        "mcp",
        "slack",
    }
    assert done.exit_code == 0
    assert findings["database"]["level"] == "good"
    assert all(f["fix"] for f in findings.values() if f["level"] != "good")


@pytest.mark.parametrize("command", [("doctor",), ("run",), ("ask", "hello"), ("db", "upgrade")])
def test_all_bad_settings_are_listed_at_once_and_no_secret_with_them(treadle, command):
    done = treadle(*command, **BAD)
    said = done.stdout + done.stderr
    assert done.exit_code == (1 if command == ("doctor",) else 2)
    assert all(name in said for name in BAD)
    assert "hunter2" not in said
    assert "Traceback" not in said


def test_doctor_changes_nothing(treadle, tmp_path):
    for _ in range(2):
        said = treadle("doctor").stdout
        assert "`treadle run` will make" in said
    assert list(tmp_path.iterdir()) == []
    treadle("db", "upgrade")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert "answers and is up to date" in treadle("doctor").stdout
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_doctor_says_that_the_home_folder_cannot_be_made(treadle, tmp_path):
    (tmp_path / "file").write_text("")
    done = treadle("doctor", "--json", TREADLE_HOME=str(tmp_path / "file" / "below"))
    findings = {finding["subject"]: finding for finding in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert (findings["settings"]["level"], findings["database"]["level"]) == ("bad", "bad")
    assert "TREADLE_HOME" in findings["settings"]["fix"]


def test_doctor_says_that_a_database_cannot_be_used(treadle, tmp_path):
    done = treadle("doctor", TREADLE_DATABASE_URL=f"sqlite:///{tmp_path}/nowhere/t.db")
    assert done.exit_code == 1
    assert "does not exist" in done.stdout


# -- manifest ------------------------------------------------------------------------------------


def test_the_manifest_for_a_public_address_has_every_request_url(treadle):
    done = treadle("manifest", "--url", "https://bot.example", "--json")
    made = json.loads(done.stdout)
    assert made["settings"]["socket_mode_enabled"] is False
    url = "https://bot.example/slack/events"
    assert {c["url"] for c in made["features"]["slash_commands"]} == {url}


@pytest.mark.parametrize("url", ["http://bot.example", "bot.example", "https://"])
def test_slack_delivers_to_https_only(treadle, url):
    done = treadle("manifest", "--url", url)
    assert done.exit_code == 2
    assert "https" in one_sentence(done.stderr)


# -- run -----------------------------------------------------------------------------------------


def test_run_without_tokens_says_each_that_is_missing(treadle):
    done = treadle("run")
    assert done.exit_code == 2
    assert "SLACK_BOT_TOKEN is missing" in done.stderr
    assert "SLACK_APP_TOKEN is missing" in done.stderr


def test_run_with_an_unknown_role_says_which_there_are(treadle):
    done = treadle("run", "--role", "boss")
    assert (done.exit_code, "all, gateway, worker" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    "command",
    [("run",), ("ask", "hello"), ("tool", "calculate", '{"expression": "1"}'), ("db", "upgrade")],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("home", ["/proc/treadle", "{folder}/file/below"])
def test_a_home_that_cannot_be_written_is_one_sentence(treadle, tmp_path, command, home):
    (tmp_path / "file").write_text("")
    where = {"TREADLE_HOME": home.format(folder=tmp_path)}
    done = treadle(*command, **where, **TOKENS)
    assert done.exit_code == 2
    assert one_sentence(done.stderr).startswith("TREADLE_HOME: ")


def test_the_home_is_made_for_its_owner_alone(treadle, tmp_path):
    assert treadle("db", "upgrade").exit_code == 0
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


# -- db ------------------------------------------------------------------------------------------


def test_the_database_is_upgraded_copied_and_never_overwritten(treadle, tmp_path):
    assert "up to date" in treadle("db", "upgrade").stdout
    copy = tmp_path / "copy.db"
    assert str(copy) in treadle("db", "backup", str(copy)).stdout.replace("\n", "")
    assert copy.stat().st_size > 0
    again = treadle("db", "backup", str(copy))
    assert again.exit_code == 1
    assert "never overwrites" in one_sentence(again.stderr)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///nowhere/at/all/t.db", "does not exist"),
        ("sqlite://", "needs a file"),
        ("postgresql://me:hunter2@127.0.0.1:1/none", "could not be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_sentence(treadle, url, words):
    done = treadle("db", "upgrade", TREADLE_DATABASE_URL=url)
    assert done.exit_code == 1
    assert words in one_sentence(done.stderr)
    assert "hunter2" not in done.stderr


def one_sentence(text):
    """Return the text, which must be one line for people."""
    line = text.strip()
    assert "\n" not in line, text
    assert "Traceback" not in line
    return line
