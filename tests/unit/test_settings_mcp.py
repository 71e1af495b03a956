"""``[[mcp_servers]]``: what the file says, what comes from the environment, what is wrong."""

import pytest

from agent_engine.tools.mcp.servers import HttpServer, StdioServer
from agent_engine.tools.quota import Quota
from agent_engine.types import Asks
from bot.mcp_servers import mcp_servers
from bot.settings import Purpose, SettingsError, read_settings

ENVIRONMENT = {"GH": "ghp-secret", "WIKI": "wiki-secret", "PATH": "/bin", "HOME": "/root", "X": "1"}


@pytest.fixture
def read(tmp_path):
    def reading(text, environment=ENVIRONMENT):
        (tmp_path / "treadle.toml").write_text(text)
        return read_settings(Purpose.TERMINAL, environment=environment, folder=tmp_path)

    return reading


def server(**more):
    said = {"name": "a", "command": "run", **more}
    lines = [
        f"{key} = {value if str(value)[0] in '[{' else repr(value)}" for key, value in said.items()
    ]
    return "[[mcp_servers]]\n" + "\n".join(lines) + "\n"


def test_a_program_gets_the_named_variables_path_and_home_and_nothing_else(read):
    (made,) = mcp_servers(read(server(env='{ TOKEN = "GH" }', args='["-v"]')), Quota(size=7))
    assert isinstance(made.reached, StdioServer)
    assert (made.reached.command, made.reached.args) == ("run", ("-v",))
    assert made.reached.env == {"PATH": "/bin", "HOME": "/root", "TOKEN": "ghp-secret"}
    assert made.blot("it is ghp-secret") == "it is [secret]"
    assert (made.ask, made.for_every_agent, made.trust_annotations) == (None, False, False)
    assert made.quota == Quota(size=7)


def test_headers_are_filled_from_the_environment(read):
    text = '[[mcp_servers]]\nname = "w"\nurl = "http://10.0.0.1/mcp"\nask = "first_time"\n'
    text += 'headers = { Authorization = "Bearer ${WIKI}", V = "1" }\n'
    (made,) = mcp_servers(read(text), Quota())
    headers = {"Authorization": "Bearer wiki-secret", "V": "1"}
    assert isinstance(made.reached, HttpServer)
    assert (made.reached.url, made.reached.headers) == ("http://10.0.0.1/mcp", headers)
    assert made.blot("it is wiki-secret") == "it is [secret]"
    assert made.ask is Asks.FIRST_TIME


def test_secrets_are_in_no_representation(read):
    settings = read(server(env='["GH"]'))
    assert "ghp-secret" not in repr(settings)
    assert "ghp-secret" not in repr(mcp_servers(settings, Quota()))


def test_without_servers_nothing_of_the_environment_is_kept(read):
    assert read("").variables == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (server(env='["NOT_THERE"]'), "NOT_THERE is not set, but the MCP server a is"),
        (server(name="A-b"), "mcp_servers.0.name"),
        (server(url="http://x"), "give either a command or a url"),
        ('[[mcp_servers]]\nname = "a"\n', "give either a command or a url"),
        (server(headers='{ A = "b" }'), "headers with a url"),
        ('[[mcp_servers]]\nname = "a"\nurl = "ftp://x"\n', "give an address that starts with"),
        (server(ask="perhaps"), "mcp_servers.0.ask"),
        (server(timeout=3), "timeout is not a setting: did you mean timeout_s?"),
        (server(timeout_s=0), "greater than 0"),
        (server() + server(), "two servers have this name"),
        ('[agents.x]\ntools = ["mcp_b_*"]\n' + server(), "agents.x.tools names the MCP server 'b'"),
    ],
)
def test_what_is_wrong_is_said_with_its_fix(read, text, problem):
    with pytest.raises(SettingsError) as caught:
        read(text)
    assert problem in str(caught.value)
