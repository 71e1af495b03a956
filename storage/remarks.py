"""What people said with their ratings, and wherever that was written down: deleting it."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select, update
from sqlalchemy.engine import Connection

from agent_engine.feedback import without_words
from agent_engine.types import UserId, WorkspaceId
from storage.analyses import digests
from storage.compiled import execute, execute_many, fetch_all
from storage.endings import stop
from storage.erasing import pieces
from storage.opinions import opinions
from storage.tables import feedback, lessons, runs, tasks

FORGOTTEN = "What was said about it was forgotten."
SETTLED = "Somebody forgot or corrected what was learned before."

_F = feedback.c
_SAID = (
    update(feedback)
    .where(_F.workspace_id == bindparam("workspace"), _F.person == bindparam("of"), _F.text != "")
    .values({"text": ""})
)
# Who asked for a run that no thread shows had rated another one, or called the library.
_ANALYSES = (
    select(tasks.c.id, tasks.c.parameters)
    .join(runs, runs.c.task_id == tasks.c.id)
    .where(
        runs.c.workspace_id == bindparam("workspace"),
        runs.c.requester == bindparam("of"),
        runs.c.show_thread_id.is_(None),
    )
)
_TOLD = update(tasks).where(tasks.c.id == bindparam("task")).values(parameters=bindparam("told"))
_DRAWN = (
    select(lessons.c.id, lessons.c.run_id, lessons.c.analysis_id)
    .join(runs, runs.c.id == lessons.c.run_id)
    .where(runs.c.workspace_id == bindparam("workspace"), lessons.c.person == bindparam("of"))
)
_SETTLED = (
    update(lessons)
    .where(lessons.c.id == bindparam("lesson"))
    .values(analysis_id=bindparam("by"), analysed=bindparam("known"))
)

_KEPT_IN = select(lessons.c.id, lessons.c.analysis_id)
_LEFT_ALONE = update(lessons).where(lessons.c.id == bindparam("lesson")).values({"analysis_id": ""})


def end_analyses(connection: Connection, memory_ids: Sequence[int]) -> None:
    """Have no lesson drawn anew that one of these memories held, now that people settled it.

    Somebody may have said more about the run shortly before: an analysis of that is under way.
    """
    for some in pieces(memory_ids):
        for row in connection.execute(_KEPT_IN.where(lessons.c.memory_id.in_(some))).all():
            if stop(connection, row.analysis_id, reason=SETTLED, by=None):
                execute(connection, _LEFT_ALONE, {"lesson": row.id})


def forget_remarks(connection: Connection, workspace_id: WorkspaceId, person: UserId) -> int:
    """Delete the words that the person gave with ratings; return with how many. Ratings stay.

    An analysis under way was told of them and learns nothing any more. What stays is no reason for
    another one.
    """
    where = {"workspace": workspace_id, "of": person}
    said = connection.execute(_SAID, where).rowcount
    told = [
        {"task": row.id, "told": without_words(row.parameters)}
        for row in fetch_all(connection, _ANALYSES, where)
    ]
    execute_many(connection, _TOLD, told)
    settled = []
    for row in fetch_all(connection, _DRAWN, where):
        stopped = stop(connection, row.analysis_id, reason=FORGOTTEN, by=None)
        known = digests(opinions(connection, row.run_id).low.get(person, ()))
        by = "" if stopped else row.analysis_id
        settled.append({"lesson": row.id, "by": by, "known": sorted(known)})
    execute_many(connection, _SETTLED, settled)
    return said
