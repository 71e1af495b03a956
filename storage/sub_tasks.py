"""Starting a sub-task in the transaction that opens its parent's wait."""

from dataclasses import replace

from sqlalchemy.engine import Connection

from agent_engine.errors import UnknownAgentError
from agent_engine.types import AgentId, Resolution, Task, TaskId, Wait
from storage.endings import resolve
from storage.inbox import tell
from storage.mapping import AnyRow, scope_from
from storage.new_runs import NewRun, Place, add_run, add_task, known_agent


def start_sub_task(connection: Connection, parent: AnyRow, wait: Wait, task: Task) -> None:
    """Store the sub-task and its run, in the parent's place and for the parent's requester.

    A sub-task for an agent that does not exist resolves the wait at once, without success.
    """
    scope = scope_from(parent)
    agent_id = task.assigned_agent or AgentId(parent.agent_id)
    try:
        agent = known_agent(connection, scope.workspace_id, agent_id)
    except UnknownAgentError as error:
        tell(connection, parent.id)
        resolve(connection, parent.id, wait.id, Resolution(value=error.message, success=False))
        return
    scope = replace(scope, agent_id=agent_id)
    child = replace(task, parent_id=TaskId(parent.task_id))
    add_task(connection, child, scope, Place(show=parent.show_thread_id))
    run = NewRun(
        task_id=child.id,
        scope=scope,
        show_thread_id=parent.show_thread_id,
        requester=parent.requester,
        priority=child.priority,
        limits=agent.limits,
    )
    add_run(connection, run)
