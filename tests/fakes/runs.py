"""Runs as they may be stored, for tests that show them; and hypothesis strategies for them."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from agent_engine.types import (
    ActionType,
    AgentAction,
    AgentId,
    AgentObservation,
    AgentProfile,
    Answer,
    CancelRequest,
    ChannelId,
    EndReason,
    Plan,
    RunEnd,
    RunId,
    RunSnapshot,
    Scope,
    Step,
    StepStatus,
    Task,
    TaskId,
    TaskStatus,
    Thread,
    Usage,
    UserId,
    Wait,
    WaitKind,
    WorkspaceId,
)

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may be busy; how long an example takes is no concern of these tests."""

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
WORKSPACE = WorkspaceId("T1")
THREAD = Thread(workspace_id=WORKSPACE, channel_id=ChannelId("C1"), thread_ts="1732300000.000100")
PROFILE = AgentProfile(id=AgentId("agent"), workspace_id=WORKSPACE, name="Treadle")


def a_step(number, title="Look it up", status=StepStatus.PENDING, **more):
    kind = more.pop("kind", ActionType.USE_TOOL)
    action = AgentAction(action_type=kind, description=title, tool_name="web_search")
    outcome = more.pop("outcome", "")
    if outcome:
        content = {"success": status is StepStatus.DONE}
        more["observation"] = AgentObservation(
            observation_type="tool_result", content=content, timestamp=AT, outcome=outcome
        )
    return Step(number=number, action=action, status=status, attempt=1, **more)


def a_plan(*steps, version=1, because=""):
    return Plan(version=version, steps=tuple(steps), because=because)


def a_run(run_id="r1", *, thread=THREAD, description="Find the cause", **more):
    task = Task(id=TaskId(f"task-{run_id}"), description=description, created_at=AT)
    scope = Scope(
        workspace_id=WORKSPACE,
        channel_id=thread.channel_id if thread else ChannelId("C1"),
        agent_id=PROFILE.id,
    )
    run = RunSnapshot(
        run_id=RunId(run_id),
        task=task,
        agent=PROFILE,
        scope=scope,
        thread=thread,
        requester=UserId("U1"),
        epoch=1,
        status=TaskStatus.RUNNING,
        created_at=AT,
        attempts=1,
    )
    return replace(run, **more)


def answered(run, text="It was the **cache**.", **more):
    end = RunEnd(reason=EndReason.ANSWERED, at=AT)
    return replace(run, status=TaskStatus.COMPLETED, end=end, answer=Answer(text=text, **more))


def ended(run, reason, sentence="", *, by=None):
    status = TaskStatus.CANCELLED if reason is EndReason.STOPPED else TaskStatus.ERROR
    return replace(run, status=status, end=RunEnd(reason=reason, sentence=sentence, by=by, at=AT))


HOSTILE = st.sampled_from(
    [
        "<!channel> look",
        "<@U123>",
        "x" * 3_000,
        "漢字🎉" * 200,
        "*a* _b_ ~c~ `d`",
        "a\nb\n\nc\x00\u202e",
        "&lt;script&gt;",
        "| a | b |",
        "```",
        "",
        " ",
        "[x](javascript:1)",
    ]
)
WORDS = st.one_of(HOSTILE, st.text(max_size=60))


@st.composite
def steps(draw, number):
    status = draw(st.sampled_from(StepStatus))
    kind = draw(st.one_of(st.sampled_from(ActionType), st.text(max_size=10)))
    step = a_step(
        number,
        draw(WORDS),
        status,
        kind=kind,
        outcome=draw(WORDS) if status.is_final else "",
        depth=draw(st.integers(0, 6)),
    )
    return replace(step, attempt=draw(st.integers(0, 3)))


@st.composite
def waits(draw):
    return Wait(
        id=draw(st.text("abc123", min_size=1, max_size=8)),
        kind=draw(st.sampled_from(WaitKind)),
        step=draw(st.integers(1, 5)),
        opened_at=AT,
        until=draw(st.sampled_from([None, AT])),
        question=draw(WORDS),
        choices=tuple(draw(st.lists(WORDS, max_size=30))),
        asked_of=draw(st.sampled_from([None, UserId("U1"), UserId("<!here>")])),
    )


@st.composite
def runs(draw):
    count = draw(st.sampled_from([0, 1, 2, 5, 20, 60, 200]))
    sample = [draw(steps(1)) for _ in range(min(count, 6))]
    plan_steps = [replace(sample[n % len(sample)], number=n + 1) for n in range(count)]
    plan = Plan(version=draw(st.integers(1, 3)), steps=tuple(plan_steps), because=draw(WORDS))
    run = a_run(
        description=draw(WORDS),
        plan=draw(st.sampled_from([plan, None])),
        waits=tuple(draw(st.lists(waits(), max_size=3))),
        attempts=draw(st.integers(0, 3)),
        queue_place=draw(st.sampled_from([None, 1, 40])),
        usage=Usage(
            iterations=draw(st.integers(0, 500)),
            prompt_tokens=draw(st.integers(0, 10**9)),
            usd=draw(st.floats(0, 1e5)),
            seconds=draw(st.floats(0, 1e6)),
        ),
        cancel=draw(st.sampled_from([None, CancelRequest(reason="stop")])),
    )
    if draw(st.booleans()):
        return run
    reason = draw(st.sampled_from(EndReason))
    if reason is EndReason.ANSWERED:
        return answered(run, draw(WORDS) * draw(st.sampled_from([1, 5, 50])), label=draw(WORDS))
    return ended(run, reason, draw(WORDS))
