from tests.recovery.house import Builder
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import Outcome, both_sides, die_and_go_on, each, undisturbed


async def test_a_task_killed_at_any_commit_ends_as_if_nothing_had_happened(builder: Builder):
    plain = await undisturbed(builder)
    assert len(plain.writes) > 20, plain.writes

    async def live(wish: DeathWish) -> Outcome:
        async with builder.house(f"{wish.side}-{wish.at}") as house:
            return await die_and_go_on(house, plain.remains, at_write=wish)

    await each(both_sides(plain.writes), live)
