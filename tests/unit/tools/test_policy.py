"""The operator's rules: the first that fits decides, else what the tool says of itself."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agent_engine.ports import ToolTraits
from agent_engine.safeguards import StandingRule
from agent_engine.tools.policy import ToolPolicy, ToolRule, likeness
from agent_engine.types import ApprovedCall, Asks, UserId
from tests.fakes.safeguards import Ledger, RememberedApprovals, guarded
from tests.fakes.tools import FakeTool, returning, tool_context

ADA, BOB = UserId("U1"), UserId("U2")


class HttpTool(FakeTool):
    """Asks before it changes anything."""

    def asks_for(self, arguments):
        return Asks.NEVER if arguments["method"] == "GET" else Asks.ALWAYS

    def characteristics(self, arguments):
        return {"method": arguments["method"], "host": "api.example.com"}


def http():
    return HttpTool(returning({"success": True, "result": "ok"}), name="http")


def plain(**traits):
    return FakeTool(returning({"success": True}), name="plain", traits=ToolTraits(**traits))


@pytest.mark.parametrize(("method", "asks"), [("GET", Asks.NEVER), ("POST", Asks.ALWAYS)])
def test_without_rules_the_tool_decides(method, asks):
    ruling = ToolPolicy().ruling(http(), {"method": method}, requester=ADA)
    assert (ruling.asks, ruling.approvers) == (asks, (ADA,))


def test_the_first_rule_that_fits_decides():
    rules = [
        ToolRule(
            tool="http", arguments={"host": "*.example.com", "method": "post"}, asks=Asks.NEVER
        ),
        ToolRule(tool="*", asks=Asks.ALWAYS, approvers=("admins", "U2")),
    ]
    policy = ToolPolicy(rules)
    assert policy.ruling(http(), {"method": "POST"}, requester=ADA).asks is Asks.NEVER
    ruling = policy.ruling(plain(), {}, requester=ADA)
    assert (ruling.asks, ruling.approvers) == (Asks.ALWAYS, (BOB,))


def test_a_rule_without_asking_leaves_that_to_the_tool():
    policy = ToolPolicy([ToolRule(tool="plain", approvers=("admins",))])
    ruling = policy.ruling(plain(asks=Asks.FIRST_TIME), {}, requester=ADA)
    assert (ruling.asks, ruling.approvers) == (Asks.FIRST_TIME, ())


@pytest.mark.parametrize(
    ("requester", "may"), [(ADA, False), (BOB, True), (UserId("UADMIN"), True), (None, False)]
)
async def test_a_tool_for_some_is_refused_to_tasks_of_others(requester, may, tmp_path):
    tool, ledger = plain(), Ledger()
    caller = guarded([tool], ToolRule(tool="plain", only_for=("U2", "admins")), ledger=ledger)
    context = replace(tool_context(tmp_path), requester=requester)
    observation = await caller.call("plain", {}, context)
    assert (observation.success, len(tool.given)) == (may, int(may))
    assert ledger.entries[0].decision == ("allowed" if may else "refused")
    assert await caller.proposal("plain", {}, context) is None


async def test_what_nobody_approved_is_not_called(tmp_path):
    tool, ledger = plain(asks=Asks.ALWAYS), Ledger()
    caller = guarded([tool], ledger=ledger)
    observation = await caller.call("plain", {}, tool_context(tmp_path))
    assert not observation.success
    assert tool.given == []
    assert ledger.told == [("plain", "refused", "error")]


async def test_an_approval_holds_for_its_arguments_alone(tmp_path):
    tool = plain(asks=Asks.ALWAYS)
    caller = guarded([tool])
    asked = await caller.proposal("plain", {"n": 1}, tool_context(tmp_path))
    approved = ApprovedCall(arguments=asked.arguments, digest=asked.digest, by=ADA)
    context = replace(tool_context(tmp_path), approved=approved)
    assert (await caller.call("plain", {"n": 1}, context)).success
    assert not (await caller.call("plain", {"n": 2}, context)).success
    assert tool.given == [{"n": 1}]


async def test_a_standing_rule_allows_what_is_alike(tmp_path):
    tool, context = http(), tool_context(tmp_path)
    rule = StandingRule(
        id="r",
        scope=context.scope,
        tool="http",
        like=likeness(tool, {"method": "POST", "body": "1"}),
        created_by=ADA,
        created_at=datetime.now(UTC),
    )
    caller = guarded([tool], approvals=RememberedApprovals(rule))
    assert (await caller.call("http", {"method": "POST", "body": "2"}, context)).success
    assert await caller.proposal("http", {"method": "DELETE"}, context) is not None
    elsewhere = replace(context, scope=replace(context.scope, channel_id="C2"))
    assert await caller.proposal("http", {"method": "POST"}, elsewhere) is not None


def test_a_tool_without_characteristics_is_like_itself_only():
    tool = plain()
    assert likeness(tool, {"a": 1}) == likeness(tool, {"a": 1.0})
    assert likeness(tool, {"a": 1}) != likeness(tool, {"a": 2})


async def test_harmless_calls_ask_the_store_nothing(tmp_path):
    approvals = RememberedApprovals()
    await guarded([plain()], approvals=approvals).call("plain", {}, tool_context(tmp_path))
    assert approvals.asked == 0
