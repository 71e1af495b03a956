"""A file that a person attached is in the task's folder once and whole, whenever the bot dies."""

import pytest

from tests.recovery.house import CHANNEL, PERSON, Builder, House
from tests.recovery.processes import DeathWish
from tests.recovery.workspace import AFTER, BEFORE

CONTENT = b"region,sum\nnorth,391\n" * 1_000


@pytest.mark.parametrize("side", [BEFORE, AFTER])
@pytest.mark.parametrize("point", ["files.info#1", "files-pri#1"])
async def test_killed_while_a_file_is_fetched(sqlite_builder: Builder, point: str, side: str):
    async with sqlite_builder.house(f"{side}-{point}") as house:
        async with house.bot(at_call=DeathWish(at=point, side=side)) as bot:
            await house.until_connected(bot)
            mention = f"<@{house.workspace.bot_user_id}> calculate 17*23"
            house.asked += 1
            person = house.workspace.person(PERSON)
            await person.upload(CHANNEL, "sales.csv", CONTENT, comment=mention)
            await house.until_over(bot)
            assert bot.exit_code is not None
        assert not any(content == CONTENT for content in files(house).values())
        async with house.bot() as bot:
            await house.until_settled(bot)
        assert files(house) == {"sales.csv": CONTENT}


def files(house: House) -> dict[str, bytes]:
    """All that lies in task folders and beside them, but for the lists of what was taken."""
    found = (path for path in (house.home / "tasks").rglob("*") if path.is_file())
    return {path.name: path.read_bytes() for path in found if path.name != "list.json"}
