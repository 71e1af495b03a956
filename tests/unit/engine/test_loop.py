"""The loop: plan, act, observe, check, plan again; with scripted planners and real tools calls."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from agent_engine.actions import _CARRIES
from agent_engine.errors import LimitExceededError, ModelUnavailableError
from agent_engine.planners.judge import Verdict
from agent_engine.ports import ModelRequest
from agent_engine.types import (
    ActionType,
    AgentId,
    AgentState,
    Check,
    EndReason,
    Limits,
    Resolution,
    StepStatus,
    TaskStatus,
    UserId,
    WaitKind,
    now_utc,
)
from tests.fakes.engine import (
    Bench,
    ScriptedPlanner,
    SmallTool,
    do,
    failing,
    propose,
    tool_returning,
    use,
)
from tests.fakes.snapshots import a_message, an_agent

OK = {"success": True, "result": "42"}
ADA = UserId("U1")


@pytest.fixture
def bench(tmp_path):
    def make(*proposals, tools=(), **equipment):
        return Bench(ScriptedPlanner(*proposals), list(tools), tmp_path, **equipment)

    return make


async def test_a_plain_question_is_answered_in_one_call(bench):
    run = await bench(propose(do("answer", text="42"))).run()
    assert (run.status, run.answer.text, run.usage.iterations) == (TaskStatus.COMPLETED, "42", 0)


async def test_the_answer_is_written_from_the_observations(bench):
    run = await bench(propose(use("calc")), tools=[tool_returning("calc", OK)]).run()
    assert run.end.reason is EndReason.ANSWERED
    assert "'result': '42'" in run.answer.text


async def test_a_step_uses_what_an_earlier_one_returned(bench):
    write = tool_returning("write", OK)
    tools = [tool_returning("calc", OK), write]
    await bench(propose(use("calc"), use("write", content="it is {{step1}}")), tools=tools).run()
    assert write.calls[0][0] == {"content": "it is 42"}


async def test_independent_steps_run_at_the_same_time(bench):
    met = asyncio.Barrier(2)

    async def meet(_arguments):
        await met.wait()
        return OK

    tools = [SmallTool("a", meet), SmallTool("b", meet)]
    run = await bench(propose(use("a"), use("b")), tools=tools).run()
    assert run.status is TaskStatus.COMPLETED


async def test_a_step_that_fails_is_planned_around(bench):
    made = bench(
        propose(use("bad"), use("next", 1)),
        propose(use("good")),
        tools=[failing("bad", "no such file"), tool_returning("good", OK)],
    )
    run = await made.run()
    assert made.planner.asked[1][:2] == ("replan", "step 1: no such file")
    assert [s.status for s in run.steps] == [StepStatus.FAILED, StepStatus.DROPPED, StepStatus.DONE]
    assert (run.status, run.usage.replans) == (TaskStatus.COMPLETED, 1)


@pytest.mark.parametrize(
    "result",
    [
        {"success": True, "unexpected": "the table is empty"},
        {"success": True, "replan_requested": "there are two files"},
        {"success": True, "stdout": "something else"},
        {"success": True, "stdout": ""},
    ],
)
async def test_what_is_not_as_expected_leads_to_another_plan(bench, result):
    check = (Check.CONTAINS, "forty-two") if result.get("stdout") else (Check.NOT_EMPTY, "")
    made = bench(
        propose(use("look", check=check)),
        propose(do("answer", text="ok")),
        tools=[tool_returning("look", result)],
    )
    await made.run()
    assert [asked[0] for asked in made.planner.asked] == ["create", "replan"]


async def test_words_of_an_expected_outcome_are_judged(bench):
    class Judge:
        def __init__(self, model):
            self.model = model

        async def judge(self, cases):
            sentence = f"{cases[0].expected} was expected, a number came"
            return (Verdict(met=False, sentence=sentence),)

    made = bench(
        propose(replace(use("calc", check=(Check.JUDGE, "")), expected_outcome="a list of primes")),
        propose(do("answer", text="ok")),
        tools=[tool_returning("calc", OK)],
        judge=Judge,
    )
    run = await made.run()
    assert run.plan.because == "step 1: a list of primes was expected, a number came"


async def test_a_replan_that_fails_keeps_the_plan(bench):
    made = bench(
        propose(use("bad"), use("calc")),
        ModelUnavailableError("the model is away"),
        tools=[failing("bad", "no"), tool_returning("calc", OK)],
    )
    run = await made.run()
    assert run.steps[1].status is StepStatus.DONE
    assert "the model is away" in run.plan.because


async def test_a_first_plan_that_fails_ends_the_run_with_one_sentence(bench):
    run = await bench(ModelUnavailableError("the language model does not answer")).run()
    assert (run.status, run.end.reason) == (TaskStatus.ERROR, EndReason.FAILED)
    assert run.end.sentence == "The language model does not answer."


async def test_our_own_bug_ends_the_run_with_the_task_id_and_not_with_its_text(bench):
    run = await bench(ZeroDivisionError("secret detail")).run()
    assert run.status is TaskStatus.ERROR
    assert run.task.id[:8] in run.end.sentence
    assert "secret" not in run.end.sentence


async def test_running_out_of_iterations_is_no_success_and_says_what_was_done(bench):
    made = bench(
        propose(use("calc"), use("calc", 1, n=2), use("calc", 2, n=3)),
        tools=[tool_returning("calc", OK)],
    )
    run = await made.run(limits=Limits(iterations=2))
    assert (run.status, run.end.reason) == (TaskStatus.ERROR, EndReason.LIMIT)
    assert "2 of 2" in run.end.sentence
    assert "2 of 3 steps" in run.answer.text


async def test_the_same_call_is_warned_of_and_then_refused(bench):
    step = propose(use("look", q="x"), open_ended=True)
    made = bench(*[step] * 5, tools=[tool_returning("look", OK)])
    run = await made.run()
    warnings = [context.warning for _, _, context in made.planner.asked]
    assert [bool(w) for w in warnings] == [False, False, False, True]
    assert (len(made.tools[0].calls), run.end.reason) == (3, EndReason.LIMIT)


async def test_an_open_ended_plan_grows_one_action_at_a_time(bench):
    made = bench(
        propose(use("calc", n=1), open_ended=True),
        propose(use("calc", n=2), open_ended=True),
        propose(do("answer", text="done"), open_ended=True),
        tools=[tool_returning("calc", OK)],
    )
    run = await made.run()
    assert (run.answer.text, run.plan.version, run.usage.replans) == ("done", 3, 0)


async def test_a_tool_may_end_the_task_with_a_final_result(bench):
    final = {"success": True, "final_result": "the end"}
    made = bench(propose(use("a"), use("b", 1)), tools=[tool_returning("a", final)])
    assert (await made.run()).answer.text == "the end"


# -- every action type ---------------------------------------------------------------------------


async def test_a_thought_is_kept_with_its_time(bench):
    run = await bench(propose(do("think", thought="first look"), do("answer", text="x"))).run()
    assert run.steps[0].observation.content["key"].startswith("thought_")


async def test_what_is_remembered_is_recalled_later(bench):
    made = bench(
        propose(
            do("remember", key="city", value={"name": "Turin"}),
            use("calc", 1),
            do("recall", query="city {{step2}}"),
        ),
        tools=[tool_returning("calc", OK)],
    )
    run = await made.run()
    [entry] = run.steps[2].observation.content["entries"]
    assert (entry["key"], entry["content"]) == ("city", {"name": "Turin"})
    assert entry["source"] == "working"


async def test_an_unknown_action_is_an_error_that_the_planner_hears_of(bench):
    made = bench(propose(do("dance")), propose(do("answer", text="ok")))
    await made.run()
    assert "no action type 'dance'" in made.planner.asked[1][1]


@pytest.mark.parametrize(
    "action",
    [
        do("think"),
        do("remember", key="k"),
        do("recall", query="x", limit=0),
        do("wait", seconds=-1),
        do("ask", question=" "),
        do("delegate", agent="nobody", task="t"),
        do("sub_goal", goal=""),
        do("use_tool"),
        use("no_such_tool"),
        use("calc", x="{{step9}}"),
    ],
)
async def test_a_bad_action_is_an_observation(bench, action):
    made = bench(propose(action), propose(do("answer", text="ok")), tools=[])
    run = await made.run()
    assert run.steps[0].status is StepStatus.FAILED
    assert run.steps[0].observation.error
    assert run.status is TaskStatus.COMPLETED


async def test_a_question_lets_go_of_the_run_until_it_is_answered(bench):
    made = bench(
        propose(do("ask", question="Which city?", choices=["Turin", "Oslo"])),
        propose(do("answer", text="ok")),
    )
    run_id = made.add(requester=ADA)
    progress, run = await made.advance(run_id)
    assert (progress.done, run.status, run.waits[0].kind) == (
        False,
        TaskStatus.WAITING,
        WaitKind.QUESTION,
    )
    made.store.decide(run_id, run.waits[0].id, Resolution(value="Oslo", by=ADA))
    progress, run = await made.advance(run_id)
    assert progress.done
    assert run.steps[0].observation.content["reply"] == "Oslo"


async def test_a_wait_is_one_second_unless_said_and_ends_by_itself(bench):
    made = bench(propose(do("wait")), propose(do("answer", text="ok")))
    run_id = made.add()
    progress, _ = await made.advance(run_id)
    assert timedelta(0) < progress.until - now_utc() <= timedelta(seconds=1)
    _, early = await made.advance(run_id)
    assert early.status is TaskStatus.WAITING
    made.loop._clock = type(
        "Later", (), {"now": lambda _: now_utc() + timedelta(hours=1), "monotonic_s": lambda _: 0.0}
    )()
    progress, run = await made.advance(run_id)
    assert (progress.done, run.steps[0].status) == (True, StepStatus.DONE)


async def test_a_sub_task_is_worked_on_by_another_agent_and_its_answer_comes_back(bench):
    writer = an_agent(id=AgentId("writer"), name="writer")
    made = bench(
        propose(do("delegate", agent="writer", task="write a line")),
        propose(do("answer", text="a line")),
    )
    made.store.know(writer)
    run_id = made.add(agent=an_agent(delegates=(writer.id,)))
    _, waiting = await made.advance(run_id)
    sub_run = made.store.run_of(waiting.waits[0].sub_task_id)
    await made.advance(sub_run)
    _, run = await made.advance(run_id)
    assert run.steps[0].observation.content["answer"] == "a line"


async def test_a_sub_goal_is_planned_when_it_is_reached_with_what_is_known_by_then(bench):
    made = bench(
        propose(use("calc"), do("sub_goal", goal="use {{step1}}")),
        propose(use("calc", n=2), use("calc", 3, n=3)),
        tools=[tool_returning("calc", OK)],
    )
    run = await made.run()
    kind, goal, context = made.planner.asked[1]
    assert (kind, goal, context.depth, len(context.steps)) == ("create", "use 42", 1, 1)
    assert [(s.number, s.parent) for s in run.steps] == [(1, None), (2, None), (3, 2), (4, 2)]
    assert run.steps[1].observation.content == {"success": True, "result": "42", "steps": [3, 4]}


async def test_sub_goals_do_not_go_deeper_than_allowed(bench):
    deeper = propose(do("sub_goal", goal="more"))
    made = bench(*[deeper] * 4, propose(do("answer", text="ok")))
    run = await made.run()
    assert max(step.depth for step in run.steps) == 3
    assert "may not go this deep" in run.steps[3].observation.error


# -- people and crashes --------------------------------------------------------------------------


async def test_what_is_said_while_it_works_is_read_before_the_next_step(bench):
    async def told(_arguments):
        made.store.tell(run_id, a_message("in metres, please"))
        return OK

    made = bench(
        propose(use("calc"), use("other", 1)),
        propose(do("answer", text="in metres")),
        tools=[SmallTool("calc", told), tool_returning("other", OK)],
    )
    run_id = made.add()
    _, run = await made.advance(run_id)
    assert [m.text for m in made.planner.asked[1][2].conversation] == ["in metres, please"]
    assert (made.tools[1].calls, run.answer.text) == ([], "in metres")


async def test_what_is_said_while_an_answer_is_planned_is_read_before_it_is_given(bench):
    async def told_meanwhile(_planner):
        made.store.tell(run_id, a_message("in metres, please"))
        return propose(do("answer", text="in feet"))

    made = bench(told_meanwhile, propose(do("answer", text="in metres")))
    run_id = made.add()
    _, run = await made.advance(run_id)
    assert [m.text for m in made.planner.asked[1][2].conversation] == ["in metres, please"]
    assert (run.end.reason, run.answer.text) == (EndReason.ANSWERED, "in metres")


async def test_a_stop_while_an_answer_is_planned_wins(bench):
    async def stopped_meanwhile(_planner):
        made.store.cancel(run_id, "enough", by=ADA)
        return propose(do("answer", text="too late"))

    made = bench(stopped_meanwhile)
    run_id = made.add()
    _, run = await made.advance(run_id)
    assert (run.end.reason, run.end.by) == (EndReason.STOPPED, ADA)


async def test_a_plan_that_is_an_answer_is_stored_together_with_the_end(bench, monkeypatch):
    made = bench(propose(do("answer", text="42")))
    commits = []
    commit = made.store.commit

    async def counted(fence, events, **facts):
        commits.append([type(event).__name__ for event in events])
        return await commit(fence, events, **facts)

    monkeypatch.setattr(made.store, "commit", counted)
    await made.run()
    assert commits == [["PlanMade", "StepFinished", "Ended"]]


async def test_a_stop_ends_what_is_running_and_keeps_what_is_done(bench):
    ended = asyncio.Event()

    async def hang(_arguments):
        try:
            made.store.cancel(run_id, "enough", by=ADA)
            async with asyncio.TaskGroup() as group:
                group.create_task(made.watch.look())
                await asyncio.Event().wait()
        finally:
            ended.set()

    made = bench(
        propose(use("calc"), use("hang", 1), use("calc", 2, n=9)),
        tools=[tool_returning("calc", OK), SmallTool("hang", hang)],
    )
    run_id = made.add()
    _, run = await made.advance(run_id)
    assert ended.is_set()
    assert (run.status, run.end.reason, run.end.by) == (
        TaskStatus.CANCELLED,
        EndReason.STOPPED,
        ADA,
    )
    assert [s.status for s in run.steps] == [
        StepStatus.DONE,
        StepStatus.STOPPED,
        StepStatus.PENDING,
    ]
    assert "1 of 3 steps" in run.answer.text


class Died(BaseException):
    """Stands for the death of the process."""


async def died(_arguments):
    raise Died


@pytest.mark.parametrize(("idempotent", "kind"), [(True, None), (False, WaitKind.REPEAT)])
async def test_a_step_cut_off_by_a_crash_is_repeated_only_if_that_does_no_harm(
    bench, idempotent, kind
):
    made = bench(propose(use("send")), tools=[SmallTool("send", died, idempotent=idempotent)])
    run_id = made.add(requester=ADA)
    with pytest.raises(Died):
        await made.advance(run_id)
    made.tools[0].run = tool_returning("send", OK).run
    _, run = await made.advance(run_id)
    if idempotent:
        assert (run.status, run.steps[0].attempt) == (TaskStatus.COMPLETED, 2)
    else:
        assert (len(made.tools[0].calls), run.waits[0].kind) == (1, kind)


@pytest.mark.parametrize(("word", "calls"), [("repeat", 2), ("skip", 1)])
async def test_a_person_decides_whether_a_step_is_repeated(bench, word, calls):
    made = bench(
        propose(use("send")), propose(do("answer", text="ok")), tools=[SmallTool("send", died)]
    )
    run_id = made.add(requester=ADA)
    with pytest.raises(Died):
        await made.advance(run_id)
    made.tools[0].run = tool_returning("send", OK).run
    _, run = await made.advance(run_id)
    made.store.decide(run_id, run.waits[0].id, Resolution(value=word, by=ADA))
    _, run = await made.advance(run_id)
    assert (len(made.tools[0].calls), run.status) == (calls, TaskStatus.COMPLETED)


async def test_the_key_of_a_step_is_the_same_for_every_attempt(bench):
    tool = SmallTool("send", died, idempotent=True)
    made = bench(propose(use("send")), tools=[tool])
    run_id = made.add()
    with pytest.raises(Died):
        await made.advance(run_id)
    tool.run = tool_returning("send", OK).run
    await made.advance(run_id)
    assert len({context.idempotency_key for _, context in tool.calls}) == 1


# -- limits, callbacks ---------------------------------------------------------------------------


async def test_model_calls_are_counted_and_refused_beyond_the_limit(bench):
    async def ask(planner):
        request = ModelRequest(turns=(), purpose="plan", max_tokens=100)
        await planner.model.complete(request)
        return propose(do("answer", text="ok"))

    enough = await bench(ask).run(limits=Limits(tokens=200))
    assert (enough.usage.model_calls, enough.usage.tokens) == (1, 15)
    short = await bench(ask).run(limits=Limits(tokens=50))
    assert (short.end.reason, "tokens" in short.end.sentence) == (EndReason.LIMIT, True)
    assert str(LimitExceededError("tokens", used=0, allowed=50))[1:] in short.end.sentence


async def test_callbacks_hear_of_every_state_and_one_that_fails_disturbs_nobody(bench):
    seen, ended = [], []

    async def broken(*_):
        raise RuntimeError("broken callback")

    async def note(_agent, old, new):
        seen.append((old, new))

    async def note_end(_agent, task, run):
        ended.append((task.status, run.answer.text))

    made = bench(propose(use("calc"), do("answer", text="ok")), tools=[tool_returning("calc", OK)])
    made.states.add_state_change_callback(broken)
    made.states.add_state_change_callback(note)
    made.states.add_task_completion_callback(broken)
    made.states.add_task_completion_callback(note_end)
    run = await made.run()
    states = [new for _, new in seen]
    assert states == [AgentState.PLANNING, AgentState.EXECUTING, AgentState.COMPLETED]
    assert ended == [(TaskStatus.COMPLETED, "ok")]
    assert made.states.state(run.agent.id, run.task.id) is AgentState.IDLE


async def test_an_agent_may_decide_by_itself_that_the_task_is_done(bench):
    made = bench(
        propose(use("calc"), use("calc", 1, n=2)),
        tools=[tool_returning("calc", OK)],
        is_complete=lambda run: run.steps[0].status is StepStatus.DONE,
    )
    run = await made.run()
    assert (run.status, len(made.tools[0].calls)) == (TaskStatus.COMPLETED, 1)


def test_every_action_type_is_known():
    assert {*_CARRIES, ActionType.SUB_GOAL, ActionType.ANSWER} == set(ActionType)
