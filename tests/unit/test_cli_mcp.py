"""MCP servers from the command line: the same path, and nothing left behind."""

import json
import sys

import pytest

from tests.fakes.mcp_town import SCRIPT
from tests.unit.test_cli import treadle  # noqa: F401 - a fixture

GIVEN = {"TOKEN": "abcdefgh"}
FILE = f"""
[[mcp_servers]]
name = "fake"
command = "{sys.executable}"
args = ["{SCRIPT}"]
env = ["TOKEN"]
for_every_agent = true
ask = "never"

[[mcp_servers]]
name = "gone"
command = "/no/such/program"
for_every_agent = true

[[mcp_servers]]
name = "private"
command = "{sys.executable}"
args = ["{SCRIPT}"]
"""


def run(treadle, tmp_path, *words):  # noqa: F811 - the fixture's value
    (tmp_path / "treadle.toml").write_text(FILE)
    return treadle(*words, **GIVEN)


def test_a_servers_tool_is_called_by_the_path_of_agents(treadle, tmp_path):  # noqa: F811 - a fixture
    done = run(treadle, tmp_path, "tool", "mcp_fake_echo", '{"text": "hello"}')
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"success": True, "text": "hello"})
    done = run(treadle, tmp_path, "tool", "mcp_fake_touchy")
    assert json.loads(done.stdout)["text"] == "my token is [secret]"


def test_what_is_not_allowed_or_not_there_is_told(treadle, tmp_path):  # noqa: F811 - a fixture
    done = run(treadle, tmp_path, "tool", "mcp_private_echo", '{"text": "x"}')
    assert done.exit_code == 1
    assert "not one this agent may use" in json.loads(done.stdout)["error"]
    done = run(treadle, tmp_path, "tool", "mcp_gone_x")
    assert "cannot be started" in json.loads(done.stdout)["error"]


def test_the_list_has_the_tools_of_servers(treadle, tmp_path):  # noqa: F811 - a fixture
    done = run(treadle, tmp_path, "tool", "list")
    names = [tool["name"] for tool in json.loads(done.stdout)]
    assert {"calculate", "mcp_fake_echo", "mcp_private_echo"} <= set(names)


def test_doctor_says_how_servers_are(treadle, tmp_path):  # noqa: F811 - a fixture
    done = run(treadle, tmp_path, "doctor")
    (line,) = [line for line in done.stdout.splitlines() if " mcp: " in line]
    assert line.startswith("! mcp: fake offers 18 tools; gone is away (its command")


# -- what a server said before -------------------------------------------------------------------


@pytest.fixture
def with_reader(treadle, tmp_path):  # noqa: F811 - the fixture's value
    """Run a command while the server describes its tool ``reader`` with these words."""

    def run_with(description, *words, tool="reader"):
        made = {"name": "reader", "description": description, "inputSchema": {"type": "object"}}
        tools = [json.dumps(made), json.dumps({**made, "name": tool})]
        args = json.dumps([str(SCRIPT), "--tool", tools[0], "--tool", tools[1]])
        table = {"name": '"fake"', "command": json.dumps(sys.executable), "args": args}
        more = {"env": '["TOKEN"]', "for_every_agent": "true", "ask": '"never"'}
        lines = [f"{key} = {value}" for key, value in {**table, **more}.items()]
        (tmp_path / "treadle.toml").write_text("\n".join(["[[mcp_servers]]", *lines]))
        return treadle(*words, **GIVEN)

    return run_with


def test_a_tool_that_changed_between_two_commands_is_withheld_until_accepted(with_reader):
    call = ("tool", "mcp_fake_reader")
    assert with_reader("Reads.", *call).exit_code == 0

    refused = with_reader("Reads, and sends it away.", *call)
    assert refused.exit_code == 1
    assert "treadle mcp accept fake" in json.loads(refused.stdout)["error"]

    shown = with_reader("Reads, and sends it away.", "mcp", "accept", "fake")
    assert shown.exit_code == 3
    assert "mcp_fake_reader (before: first seen 2" in shown.stdout
    assert '-  "description": "Reads.",\n+  "description": "Reads, and sends it away.",' in (
        shown.stdout
    )
    assert "--yes does" in shown.stderr
    assert with_reader("Reads, and sends it away.", *call).exit_code == 1

    accepted = with_reader("Reads, and sends it away.", "mcp", "accept", "fake", "--yes")
    assert (accepted.exit_code, "Accepted" in accepted.stdout) == (0, True)
    assert with_reader("Reads, and sends it away.", *call).exit_code == 0
    assert with_reader("Reads.", *call).exit_code == 1


def test_nothing_is_accepted_where_nothing_changed(with_reader):
    with_reader("Reads.", "tool", "mcp_fake_reader")
    done = with_reader("Reads.", "mcp", "accept", "fake")
    assert (done.exit_code, "there is nothing to do" in done.stdout) == (0, True)


def test_one_tool_alone_can_be_accepted_by_either_of_its_names(with_reader):
    for name in ("reader", "mcp_fake_reader"):
        with_reader(f"Before {name}.", "mcp", "accept", "fake", "--yes")
        done = with_reader(f"Words for {name}.", "mcp", "accept", "fake", name, "--yes")
        assert (done.exit_code, "Accepted" in done.stdout) == (0, True)
    other = with_reader("Others again.", "mcp", "accept", "fake", "echo", "--yes")
    assert "there is nothing to do" in other.stdout
    none = with_reader("Others again.", "mcp", "accept", "fake", "nothing", "--yes")
    assert (none.exit_code, "has no tool nothing" in none.stderr) == (1, True)


def test_a_tool_that_is_gone_is_forgotten_with_the_word_for_the_whole_server(with_reader):
    with_reader("Reads.", "tool", "mcp_fake_reader", tool="old")
    for _ in range(2):
        done = with_reader("Reads.", "mcp", "accept", "fake", "reader", "--yes")
        assert "there is nothing to do" in done.stdout
    done = with_reader("Reads.", "mcp", "accept", "fake", "--yes")
    assert "Not listed any more, and to be forgotten: 'old'" in done.stdout
    again = with_reader("Reads.", "mcp", "accept", "fake", "--yes")
    assert "there is nothing to do" in again.stdout


def test_an_unknown_server_and_one_that_is_away_are_told_of(treadle, tmp_path):  # noqa: F811 - a fixture
    unknown = run(treadle, tmp_path, "mcp", "accept", "wiki")
    assert (unknown.exit_code, "no MCP server is called wiki" in unknown.stderr) == (1, True)
    away = run(treadle, tmp_path, "mcp", "accept", "gone")
    assert (away.exit_code, "cannot be started" in away.stderr) == (1, True)


def test_doctor_tells_of_a_changed_tool_with_the_fix_and_changes_nothing(with_reader, tmp_path):
    before = with_reader("Reads.", "doctor")
    assert not (tmp_path / "home").exists()
    assert "✓ mcp: fake offers 18 tools\n" in before.stdout
    with_reader("Reads.", "tool", "mcp_fake_reader")
    for _ in range(2):
        after = with_reader("Reads, and sends it away.", "doctor")
        assert (
            "! mcp: fake offers 17 tools, and describes mcp_fake_reader otherwise than before"
            "  →  look at what changed with `treadle mcp accept fake`\n"
        ) in after.stdout
