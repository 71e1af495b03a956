"""A process of its own that uses dbos as ``agent_engine/durable.py`` does, for the contract test.

``die URL FOLDER ME`` starts a workflow and kills itself in its second step. ``adopt URL FOLDER ME
DEAD`` brings back the workflows of a dead executor and prints what it found as one JSON object.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetWorkflowID


@DBOS.step(name="effect")
async def _effect(folder: str, owner: str, number: int) -> int:
    if number == 2 and sys.argv[1] == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    with (Path(folder) / owner).open("a") as file:
        file.write(f"{number}\n")
    return number


@DBOS.workflow(name="three_steps", max_recovery_attempts=1_000_000)
async def _three_steps(folder: str, owner: str) -> int:
    total = 0
    for number in (1, 2, 3):
        total += await _effect(folder, owner, number)
    return total


async def _main(what: str, url: str, folder: str, me: str, *others: str) -> None:
    config = DBOSConfig(
        name="treadle",
        system_database_url=url,
        application_version="1",
        executor_id=me,
        serializer=DBOSPortableJSONSerializer(),
        log_level="ERROR",
    )
    DBOS(config=config)
    DBOS.launch()
    if what == "die":
        with SetWorkflowID(f"run-of-{me}"):
            await DBOS.start_workflow_async(_three_steps, folder, me)
        await asyncio.Event().wait()
    found = await _adopt(others[0])
    sys.stdout.write(json.dumps(found))
    DBOS.destroy()


async def _adopt(dead: str) -> dict[str, Any]:
    first = await asyncio.to_thread(DBOS._recover_pending_workflows, [dead])
    handle = await DBOS.retrieve_workflow_async(f"run-of-{dead}")
    result = await handle.get_result(polling_interval_sec=0.1)
    second = await asyncio.to_thread(DBOS._recover_pending_workflows, [dead])
    found = await DBOS.list_workflows_async(load_input=False, load_output=False)
    return {
        "first": [handle.workflow_id for handle in first],
        "second": [handle.workflow_id for handle in second],
        "result": result,
        "owners": {w.workflow_id: [w.status, w.executor_id] for w in found},
    }


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
