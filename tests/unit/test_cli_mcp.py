"""MCP servers from the command line: the same path, and nothing left behind."""

import json
import sys

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
