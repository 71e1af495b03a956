from tests.recovery.house import Builder
from tests.recovery.processes import DeathWish
from tests.recovery.sweep import Outcome, both_sides, die_and_go_on, each, undisturbed


async def test_a_task_killed_at_any_call_to_slack_ends_as_if_nothing_had_happened(
    sqlite_builder: Builder,
):
    plain = await undisturbed(sqlite_builder)
    assert len(plain.calls) > 8, plain.calls

    async def live(wish: DeathWish) -> Outcome:
        async with sqlite_builder.house(f"{wish.side}-{wish.at}") as house:
            return await die_and_go_on(house, plain.remains, at_call=wish)

    await each(both_sides(plain.calls), live)
