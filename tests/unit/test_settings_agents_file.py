import re
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from agent_engine.ports import Price
from agent_engine.safeguards import Budget, BudgetOf
from agent_engine.tools.calculate import calculate
from agent_engine.types import AgentId, Asks, FollowUps, PlannerKind, UserId, WorkspaceId
from bot.agents_file import AgentsFile, model_names, parse_agents_file, read_agents_file
from bot.settings import Settings
from bot.tables.tool_rules import BUILT_IN
from bot.tool_rules import tool_policy
from bot.toolbox import make_tools

WORKSPACE = WorkspaceId("T1")
EXAMPLE = Path(__file__).parents[2] / "treadle.example.toml"


def parse(text: str) -> AgentsFile:
    file, problems = parse_agents_file(tomllib.loads(text), name="treadle.toml")
    assert list(problems) == []
    return file


def test_an_empty_file_gives_one_agent_called_treadle():
    (agent,) = parse("").profiles(WORKSPACE)
    assert (agent.id, agent.name, agent.planner) == ("default", "Treadle", PlannerKind.LLM)


def test_agents_take_limits_from_the_table_above_them():
    file = parse(
        "[limits]\niterations = 5\nusd = 1.5\n[agents.data]\nname = 'Data'\n"
        "follow_ups = 'mention_only'\nlimits = { usd = 0.2 }\n"
    )
    default, data = file.profiles(WORKSPACE)
    assert (default.limits.iterations, default.limits.usd) == (5, 1.5)
    assert (data.limits.iterations, data.limits.usd) == (5, 0.2)
    assert data.follow_ups is FollowUps.MENTION_ONLY
    assert file.engine_defaults().limits.iterations == 5


def test_agents_are_found_by_channel_id_and_name():
    file = parse("[agents.data]\nchannels = ['C123', '#data']\n")
    assert file.agent_of("C123") == AgentId("data")
    assert file.agent_of("#data") == AgentId("data")
    assert file.agent_of("C999") is None
    assert file.names_channels


def test_prices_become_the_engines_values():
    file = parse("[prices.'m-1']\nprompt_usd = 0.4\ncompletion_usd = 1.6\n")
    assert file.engine_defaults().prices == {"m-1": Price(prompt_usd=0.4, completion_usd=1.6)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[agnet]\n", "agnet is not a setting: did you mean agent?"),
        ("[agents.a]\nplanner = 'magic'\n", "agents.a.planner"),
        ("[agents.a]\nchannels = ['general']\n", "give a channel id"),
        ("[agents.a]\nmax_concurrent = 0\n", "greater than or equal to 1"),
        ("[agents.A]\n", "agents.A: use lower-case letters"),
        ("[[tools.rules]]\ntool = 'calc'\nask = 'never'\n", "'calc', which does not exist"),
        ("[[tools.rules]]\ntool = 'mcp_a_b'\nask = 'never'\n", "'mcp_a_b', which does not"),
        ("[[tools.rules]]\ntool = 'calculate'\n", "says nothing: give it one of ask"),
        ("[[tools.rules]]\ntool = 'calculate'\nask = 'maybe'\n", "tools.rules.0.ask"),
        ("[[tools.rules]]\ntool = 'calculate'\napprovers = ['bob']\n", "tools.rules.0.approvers"),
        (
            "[[tools.rules]]\ntool = 'calculate'\nonly_for = ['requester']\n",
            "tools.rules.0.only_for",
        ),
        ("[budgets]\nperson_usd_per_day = 2.0\n", "no model has a price"),
        ("[retention]\nusage_days = 1\n", "retention.usage_days: use at least 2"),
        ("[budgets]\nperson_usd_per_dya = 2.0\n", "did you mean person_usd_per_day?"),
        ("[slack]\nremind_after_hours = -1\n", "slack.remind_after_hours"),
        ("[slack]\nextend = 'all'\n", "slack.extend"),
        ("[agents.default]\n", "write the default agent as [agent]"),
        ("[agent]\nchannels = ['C12']\n", "leave it out"),
        ("[agents.a]\nchannels = ['C12']\n[agents.b]\nchannels = ['C12']\n", "C12 is given to a"),
        ("[agents.a]\ndelegates = ['nobody']\n", "agents.a.delegates names the agent 'nobody'"),
        ("[slack]\ndirect_agent = 'nobody'\n", "slack.direct_agent names the agent 'nobody'"),
        ("[slack]\ncommand_prefix = '/x'\n", "slack.command_prefix"),
        ("[slack]\nadmins = ['ada']\n", "slack.admins"),
        ("[limits]\nusd = -1\n", "limits.usd"),
        ("[limits]\nusd = nan\n", "limits.usd"),
        ("[models.a]\nbase_url = 'gpu.example'\n", 'base_url: start it with "https://"'),
        ("[models.'a,b']\n", "may not be empty or hold a comma"),
        ("[models.a]\ntimeout_s = 0\n", "models.a.timeout_s"),
        ("[models.a]\nprice = { prompt_usd = 1 }\n", "models.a.price.completion_usd is required"),
        ("[agent]\nmodel = 'a'\nmodels = ['b']\n", "agent has model and models"),
        ("[agents.a]\nmodels = ['b, c']\n", "agents.a.models: give each model's name"),
        ("[tools.code_execution]\nsandbox = 'none'\n", "tools.code_execution.sandbox"),
    ],
)
def test_a_wrong_entry_is_one_sentence_with_its_place(text, problem):
    _, problems = parse_agents_file(tomllib.loads(text), name="treadle.toml")
    assert len(problems) == 1
    assert problem in problems[0]
    assert problems[0].startswith("treadle.toml: ")


def test_a_file_that_is_no_toml_says_where(tmp_path):
    (tmp_path / "t.toml").write_text("[agent\n")
    _, problems = read_agents_file(tmp_path / "t.toml", must_exist=False)
    assert "is not valid TOML" in problems[0]
    assert "line 1" in problems[0]


def test_no_file_at_all_is_fine_where_none_was_named(tmp_path):
    assert read_agents_file(tmp_path / "t.toml", must_exist=False) == (AgentsFile(), [])


def test_the_models_that_the_example_only_shows_are_valid():
    shown = re.search(r"# \[models.*?(?=\n\n)", EXAMPLE.read_text(), re.DOTALL).group()
    file = parse(re.sub(r"^# ?", "", shown, flags=re.MULTILINE))
    assert list(file.models) == ["fast", "own"]


def test_the_example_file_is_valid():
    file, problems = read_agents_file(EXAMPLE, must_exist=True)
    assert list(problems) == []
    assert len(file.profiles(WORKSPACE)) > 1


def test_an_agents_models_are_kept_in_order():
    file = parse("[agent]\nmodels = ['big', 'small']\n[agents.b]\nmodel = 'small, big'\n")
    default, other = file.profiles(WORKSPACE)
    assert model_names(default.model) == ("big", "small")
    assert model_names(other.model) == ("small", "big")


def test_a_models_price_is_found_by_the_name_it_has_here():
    file = parse(
        "[prices.m]\nprompt_usd = 1\ncompletion_usd = 2\n[models.a]\nmodel = 'm'\n"
        "[models.b]\nmodel = 'm'\nprice = { prompt_usd = 3, completion_usd = 4 }\n"
    )
    prices = file.engine_defaults().prices
    assert prices["a"] == prices["m"] == Price(prompt_usd=1, completion_usd=2)
    assert prices["b"] == Price(prompt_usd=3, completion_usd=4)


def test_two_prices_for_one_name_are_a_problem():
    price = "prompt_usd = 1\ncompletion_usd = 2\n"
    text = f"[prices.a]\n{price}[models.a.price]\n{price}"
    _, problems = parse_agents_file(tomllib.loads(text), name="treadle.toml")
    assert ["has a price here and in" in problem for problem in problems] == [True]


@pytest.mark.parametrize("entry", ["api_key = 'sk-secret-1'", "api_key_env = 'sk-secret-1'"])
def test_a_key_in_the_file_is_refused_and_not_repeated(entry):
    text = f"[models.a]\n{entry}\n"
    _, problems = parse_agents_file(tomllib.loads(text), name="treadle.toml")
    assert len(problems) == 1
    assert "api_key_env" in problems[0]
    assert "secret" not in problems[0]


def test_budgets_of_a_day_and_the_time_of_reminders_are_read():
    file = parse(
        "[budgets]\nperson_tokens_per_day = 100\nworkspace_usd_per_day = 2.0\n"
        "workspace_tokens_per_day = 9\n[slack]\nremind_after_hours = 1.5\n"
    )
    person = Budget(of=BudgetOf.PERSON, tokens=100)
    assert list(file.day_budgets()) == [
        person,
        Budget(of=BudgetOf.WORKSPACE, tokens=9, usd=2.0),
    ]
    assert file.slack.remind_after == timedelta(hours=1.5)
    assert parse("[slack]\nremind_after_hours = 0\n").slack.remind_after is None


def test_rules_become_a_policy():
    file = parse(
        "[[tools.rules]]\ntool = 'calc*'\nask = 'always'\napprovers = ['U2']\n"
        "[[tools.rules]]\ntool = 'mcp_wiki_read'\nask = 'never'\n"
        "[[mcp_servers]]\nname = 'wiki'\nurl = 'https://wiki.example'\n"
    )
    ruling = tool_policy(file).ruling(calculate(), {}, requester=UserId("U1"))
    assert (ruling.asks, ruling.approvers) == (Asks.ALWAYS, (UserId("U2"),))


def test_the_tools_that_come_with_the_bot_are_known_to_its_rules():
    assert {tool.name for tool in make_tools(Settings())} <= set(BUILT_IN)
