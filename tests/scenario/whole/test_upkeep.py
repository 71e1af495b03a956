"""What has served its time goes; what is under way stays."""

from datetime import UTC, datetime, timedelta

from agent_engine.durable import prune_workflows


async def test_ended_workflows_are_deleted_and_running_ones_go_on(town):
    ended = await town.mention("calculate 2+2")
    await town.answered(ended)
    running = await town.mention("run this\n```bash\nsleep 1.5\n```", channel="data")
    await town.working_on(running, "Run", channel="data")
    later = datetime.now(UTC) + timedelta(hours=1)
    assert await prune_workflows(before=later) == 1
    assert await prune_workflows(before=later) == 0
    assert len(await town.answered(running, channel="data")) == 1
