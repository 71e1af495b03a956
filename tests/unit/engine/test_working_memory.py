"""What an agent keeps in mind about one task."""

from datetime import timedelta

from agent_engine.memory.working import WorkingMemory, remembered
from agent_engine.types import ActionType, StepStatus
from tests.fakes.snapshots import T0, a_tool_step


class Time:
    def __init__(self):
        self.now = T0

    def __call__(self):
        return self.now


def keys(memory):
    return [entry.key for entry in memory.get_all_items()]


async def test_seven_things_fit_and_the_least_recently_used_goes_first():
    memory = WorkingMemory()
    for number in range(1, 8):
        await memory.store(f"k{number}", number)
    await memory.retrieve("k1")
    await memory.store("k8", 8)
    assert keys(memory) == ["k3", "k4", "k5", "k6", "k7", "k1", "k8"]


async def test_the_newest_value_of_a_key_counts():
    memory = WorkingMemory()
    await memory.store("k", 1)
    await memory.store("k", {"a": [2]})
    assert await memory.retrieve("k") == {"a": [2]}


async def test_what_has_expired_is_gone_from_everywhere():
    time = Time()
    memory = WorkingMemory(now=time)
    await memory.store("k", "v", ttl=60)
    time.now += timedelta(seconds=60)
    assert (await memory.retrieve("k"), keys(memory), await memory.search("v")) == (None, [], ())


async def test_search_finds_entries_by_the_words_they_share_best_first():
    memory = WorkingMemory()
    await memory.store("price", "the blue car costs 900")
    await memory.store("colour", "blue")
    assert [e.key for e in await memory.search("blue car", limit=1)] == ["price"]
    assert await memory.search("bicycle") == ()


async def test_it_is_rebuilt_from_what_the_run_has_done():
    step = a_tool_step(
        1,
        action_type=ActionType.REMEMBER,
        status=StepStatus.DONE,
        result={"key": "city", "value": "Turin"},
    )
    assert remembered([step]).get("city") == "Turin"
