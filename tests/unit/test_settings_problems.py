"""Every problem is listed at once, whatever kind it is, with its place and its fix."""

import re
import tomllib
from copy import deepcopy
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.agents_file import AgentsFile, parse_agents_file
from bot.settings import Purpose, SettingsError, read_settings
from bot.tables.table import EACH, NAME, kinds_in

EXAMPLE = re.sub(
    r"^# (?=[\w]+ = |\[)",
    "",
    (Path(__file__).parents[2] / "treadle.example.toml").read_text(),
    flags=re.MULTILINE,
)
"""The example with everything in it switched on."""
WRONG = """
surprise = 1

[agent]
planer = "llm"
max_concurrent = 0
channels = ["C0000001"]

[agents.data]
channels = ["general", "#data", "random"]
delegates = ["nobody"]
remind_after_hours = 2
tools = ["mcp_nowhere_*"]

[models.own]
api_key_env = "OWN_KEY"
base_url = "gpu.example"
price = { prompt_usd = 1 }

[slack]
admins = ["ada"]

[tools.api_call]
domains = ["example.com", "https://b.example", "*"]

[tools.api_call.secrets.other]
host = "other.example"
env = "OTHER_TOKEN"
header = "Host"

[[tools.rules]]
ask = "always"

[[tools.rules]]
tool = "calculate"

[[mcp_servers]]
name = "No"
command = "run"

[[mcp_servers]]
name = "wiki"
env = ["WIKI_TOKEN"]
"""
PROBLEMS = (
    "surprise is not a setting: remove it.",
    "agent.planer is not a setting: did you mean planner?",
    "agent.max_concurrent: input should be greater than or equal to 1 (it is 0).",
    "agents.data.channels.0: give a channel id",
    "agents.data.channels.2: give a channel id",
    "agents.data.remind_after_hours is not a setting: it belongs in [slack].",
    "models.own.price.completion_usd is required: add it.",
    "slack.admins.0: give a user id, such as \"U0123456789\" (it is 'ada').",
    "tools.api_call.domains.1: 'https://b.example' is not a domain",
    "tools.api_call.domains.2: name the domains",
    "tools.rules.0.tool is required: add it.",
    "mcp_servers.0.name: use up to 24 lower-case letters",
    "agent.channels: leave it out",
    "agents.data.delegates names the agent 'nobody', which does not exist: use one of data, def",
    "agents.data.tools names the MCP server 'nowhere', which is not configured",
    'models.own.base_url: start it with "https://"',
    "tools.api_call.secrets.other: other.example is not in domains",
    "tools.api_call.secrets.other.header: 'Host' cannot carry a secret",
    "tools.rules.1 says nothing",
    "mcp_servers.1: give either a command or a url",
    "models.own takes its key from OWN_KEY, which is not set",
    "OTHER_TOKEN is missing: set it, or remove tools.api_call.secrets.other",
    "WIKI_TOKEN is not set, but the MCP server wiki is configured to get it.",
)


def found(text):
    _, problems = parse_agents_file(tomllib.loads(text), name="treadle.toml")
    return [problem.removeprefix("treadle.toml: ") for problem in problems]


def test_a_file_that_is_wrong_in_many_ways_is_told_all_of_them_once(tmp_path):
    (tmp_path / "treadle.toml").write_text(WRONG)
    with pytest.raises(SettingsError) as caught:
        read_settings(Purpose.TERMINAL, environment={}, folder=tmp_path)
    said = [problem.removeprefix("treadle.toml: ") for problem in caught.value.problems]
    missing = [p for p in PROBLEMS if sum(s.startswith(p) for s in said) != 1]
    assert missing == []
    assert [s for s in said if not s.startswith(PROBLEMS)] == []


def test_what_is_right_in_a_file_that_is_wrong_is_read():
    file, problems = parse_agents_file(tomllib.loads(WRONG), name="t")
    assert problems
    assert file.agents["data"].delegates == ("nobody",)
    assert file.agent.max_concurrent == 50
    assert [server.name for server in file.mcp_servers] == ["wiki"]
    assert [rule.tool for rule in file.tools.rules] == ["calculate"]


@pytest.mark.parametrize(
    "text",
    [
        "agent = 3",
        "agents = [1]",
        "mcp_servers = [1, { name = 'a', command = 'x' }]",
        "[[mcp_servers]]\nname = 'a'\ncommand = 'x'\nenv = [['A']]",
        "[[mcp_servers]]\nname = 'a'\ncommand = 'x'\nenv = [1]",
        "[tools]\nrules = { tool = 'x' }",
        "[agents.limits]\nfoo = 1",
        "[slack]\nadmins = 'U1'",
    ],
)
def test_what_has_the_wrong_shape_is_one_problem(text):
    assert len(found(text)) == 1


def test_what_was_left_out_is_not_told_of_as_missing():
    (problem,) = found("[[mcp_servers]]\nname = 'a'\nurl = 'ftp://x'")
    assert problem.startswith("mcp_servers.0.url: give an address")
    (problem,) = found("[[tools.rules]]\ntool = 'calculate'\nask = 'maybe'")
    assert problem.startswith("tools.rules.0.ask: input should be")


def test_an_unknown_key_is_compared_with_those_of_its_own_table():
    assert found("[agents.limits]\nmodle = 'm'") == [
        "agents.limits.modle is not a setting: did you mean model?"
    ]
    assert found("[limits]\niteration = 1") == [
        "limits.iteration is not a setting: did you mean iterations?"
    ]
    assert found("[files]\nask = 'x'") == [
        "files.ask is not a setting: it belongs in [[tools.rules]]."
    ]


def test_a_key_that_needs_quotes_is_shown_in_them():
    (problem,) = found("[models.'a.b\\nc']\nbase_url = 'x'")
    assert problem.startswith('models."a.b\\\\nc".base_url: ')


def test_a_credential_in_a_wrong_place_is_not_repeated():
    token = "ghp_0123456789012345678901234567890123456789"  # noqa: S105 - made up
    (problem,) = found(f"[[mcp_servers]]\nname = 'a'\nurl = 'http://x'\nheaders = '{token}'")
    assert "headers: input should be" in problem
    assert token[:8] not in problem


def test_every_table_is_found_in_the_whole_file():
    places = {place for place, _ in kinds_in(AgentsFile)}
    assert {
        (),
        ("agent",),
        ("agents", NAME, "limits"),
        ("mcp_servers", EACH),
        ("tools", "api_call", "secrets", NAME),
        ("models", NAME, "price"),
    } <= places


def places_in(value, place=()):
    """The way to everything in a parsed file."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for part, held in inner:
        yield (*place, part)
        if isinstance(held, dict | list):
            yield from places_in(held, (*place, part))


RAW = tomllib.loads(EXAMPLE)
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "tool", "env", "x.y"]), inner, max_size=3)
    ),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(places_in(RAW), key=repr)), JUNK, max_size=4))
def test_whatever_stands_in_a_file_is_told_and_nothing_is_raised(junk):
    raw = deepcopy(RAW)
    for place, value in sorted(junk.items(), key=lambda item: -len(item[0])):
        holder = raw
        for part in place[:-1]:
            holder = holder[part]
        holder[place[-1]] = value
    file, problems = parse_agents_file(raw, name="t")
    assert isinstance(file, AgentsFile)
    assert all(problem.startswith("t: ") for problem in problems)
