"""Someone rates one of our Slack messages, or takes a rating back; what is learned from it."""

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.engine import Connection

from agent_engine.commands import Declined, Outcome, Rate, Rated, Unrate
from agent_engine.places import PostKind
from agent_engine.types import RunId, TaskId
from storage.commands.learn import Change, learn
from storage.mapping import AnyRow, Values
from storage.memory.searching import Indexes
from storage.opinions import opinions
from storage.tables import feedback, posts, runs
from storage.upsert import insert_or_update

WHOLE_MESSAGE = 0
"""Stands for no step."""
_NOT_RATED = frozenset({PostKind.LESSON, PostKind.MEMORY})
"""What is said of these is about no run."""

_ONE_CHOICE = ("workspace_id", "channel_id", "message_ts", "person", "step", "choice")
_POST = select(posts.c.run_id, posts.c.task_id, posts.c.step, posts.c.kind).where(
    posts.c.workspace_id == bindparam("workspace_id"),
    posts.c.channel_id == bindparam("channel_id"),
    posts.c.ts == bindparam("message_ts"),
)
_of_person = (
    feedback.c.workspace_id == bindparam("in_workspace"),
    feedback.c.channel_id == bindparam("in_channel"),
    feedback.c.message_ts == bindparam("of_message"),
    feedback.c.person == bindparam("by"),
)
_NEXT_SEQ = select(func.coalesce(func.max(feedback.c.seq), 0) + 1).where(*_of_person)
_COUNTING = (
    select(feedback.c.rating)
    .where(
        *_of_person,
        feedback.c.step == bindparam("of_step"),
        feedback.c.retracted_at.is_(None),
    )
    .order_by(feedback.c.given_at.desc(), feedback.c.seq.desc())
    .limit(1)
)
_AGENT = select(runs.c.agent_id).where(runs.c.id == bindparam("run"))
_SAME_CHOICE = select(feedback.c.given_at, feedback.c.retracted_at).where(
    *_of_person,
    feedback.c.step == bindparam("of_step"),
    feedback.c.choice == bindparam("of_choice"),
)
_RETRACT = (
    update(feedback)
    .where(
        *_of_person,
        feedback.c.choice == bindparam("of_choice"),
        feedback.c.retracted_at.is_(None),
        feedback.c.given_at <= bindparam("at"),
    )
    .values(retracted_at=bindparam("at"))
)


def rate(connection: Connection, command: Rate, indexes: Indexes) -> Outcome:
    """Store the choice; of one person's choices for a message the newest counts.

    Slack may deliver them in another order than they were made in: their own times decide.
    """
    post = _our_post(connection, command)
    if post is None:
        return Declined(why="not_ours")
    change = _change(connection, post, command)
    outcome = _rate(connection, command, post)
    if change is not None:
        learn(connection, indexes, change)
    return outcome


def _rate(connection: Connection, command: Rate, post: AnyRow) -> Rated:
    step = command.step or post.step or WHOLE_MESSAGE
    person = _person(command)
    known = {**person, "of_step": step, "of_choice": command.choice}
    same = connection.execute(_SAME_CHOICE, known).one_or_none()
    if same is not None and command.at < (same.retracted_at or same.given_at):
        return _rated(connection, post, person, step)
    run_id = _rated_run(post)
    values = {
        "workspace_id": command.workspace_id,
        "channel_id": command.channel_id,
        "message_ts": command.message_ts,
        "person": command.by,
        "step": step,
        "choice": command.choice,
        "rating": command.rating,
        "text": command.text,
        "run_id": run_id,
        "task_id": post.task_id,
        "agent_id": connection.execute(_AGENT, {"run": run_id}).scalar(),
        "seq": connection.execute(_NEXT_SEQ, person).scalar_one(),
        "given_at": command.at,
        "retracted_at": None,
    }
    insert_or_update(connection, feedback, values, on=_ONE_CHOICE)
    return _rated(connection, post, person, step)


def unrate(connection: Connection, command: Unrate, indexes: Indexes) -> Outcome:
    """Take the choice back; what the person chose before it counts again."""
    post = _our_post(connection, command)
    if post is None:
        return Declined(why="not_ours")
    change = _change(connection, post, command)
    person = _person(command)
    connection.execute(_RETRACT, {**person, "of_choice": command.choice, "at": command.at})
    if change is not None:
        learn(connection, indexes, change)
    return _rated(connection, post, person, post.step or WHOLE_MESSAGE)


def _our_post(connection: Connection, command: Rate | Unrate) -> AnyRow | None:
    where = {
        "workspace_id": command.workspace_id,
        "channel_id": command.channel_id,
        "message_ts": command.message_ts,
    }
    return connection.execute(_POST, where).one_or_none()


def _rated_run(post: AnyRow) -> str | None:
    """Return the run that a rating of the post is about; None for what is not rated."""
    run_id: str | None = post.run_id
    return None if post.kind in _NOT_RATED else run_id


def _change(connection: Connection, post: AnyRow, command: Rate | Unrate) -> Change | None:
    """Note what people thought of the run so far; None where it is about no run."""
    run_id = _rated_run(post)
    if run_id is None:
        return None
    return Change(run_id=run_id, by=command.by, before=opinions(connection, run_id))


def _person(command: Rate | Unrate) -> Values:
    return {
        "in_workspace": command.workspace_id,
        "in_channel": command.channel_id,
        "of_message": command.message_ts,
        "by": command.by,
    }


def _rated(connection: Connection, post: AnyRow, person: Values, step: int) -> Rated:
    rating = connection.execute(_COUNTING, {**person, "of_step": step}).scalar_one_or_none()
    return Rated(
        run_id=None if post.run_id is None else RunId(post.run_id),
        task_id=None if post.task_id is None else TaskId(post.task_id),
        rating=rating,
    )
