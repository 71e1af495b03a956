"""What an agent is told in one thread it knows in others of its channel, and nowhere else."""

from tests.scenario.whole.conftest import open_town

KILN = "remember that the kiln runs on Tuesdays"
ASKED = "what do you know about the kiln?"


async def answered(town, text, **where):
    ts = await town.mention(text, **where)
    return (await town.answered(ts, channel=where.get("channel", "general")))[-1]


async def test_what_is_remembered_in_a_thread_is_known_in_others_of_the_channel(town):
    await answered(town, KILN)
    assert "the kiln runs on Tuesdays" in await answered(town, ASKED)
    elsewhere = await answered(town, ASKED, channel="data")
    assert "Tuesday" not in elsewhere


async def test_what_is_remembered_survives_a_restart(tmp_path, workspace, monkeypatch):
    async def no_model():
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", no_model)
    async with open_town(tmp_path, workspace) as town:
        await answered(town, KILN)
    async with open_town(tmp_path, workspace) as town:
        assert "the kiln runs on Tuesdays" in await answered(town, ASKED)


async def test_an_agent_that_knows_nothing_of_it_says_so(town):
    assert "Tuesday" not in await answered(town, ASKED)
