"""The Home tab and the agent's own description: how people rated what the agent did."""

import json

from bot.local_slack.records import ChannelKind as SlackKind
from bot.outbound.blocks.ratings import GAP


async def opened(town, is_shown, person="ada"):
    """Open the tab until it shows what is wanted, for it is made after what it shows is stored."""
    looker = town.person(person)
    for _ in range(20):
        before = looker.home()
        await looker.open_home()
        view = await town.until(lambda seen=before: looker.home() is not seen and looker.home())
        if is_shown(text := json.dumps(view.payload, ensure_ascii=False)):
            return text
    raise AssertionError(text)


async def agent_form(town, channel):
    await town.person().slash(channel, "/agent")
    return json.dumps(town.person().modal().payload, ensure_ascii=False)


async def test_home_and_agent_tell_how_an_agent_was_rated(town):
    ts = await town.mention("calculate 2+2")
    await town.answered(ts)
    answer = next(m for m in town.ours(ts) if m.blocks and m.blocks[0]["type"] == "markdown")
    await town.person("ada").react("general", answer.ts, "+1")
    await town.person("grace").react("general", answer.ts, "three")
    shown = await opened(town, lambda text: "2 ratings in 8 weeks" in text)
    assert "·······▆  *4.0* of 5 this week · 2 ratings in 8 weeks: 1 👍, 0 👎" in shown.replace(
        GAP, ""
    )

    assert "*4.0* of 5 this week" in await agent_form(town, "general")
    assert "of 5" not in await agent_form(town, "data")
    await town.mention("agent", thread_ts=ts)
    await town.until(lambda: "*4.0* of 5" in str(town.person().ephemerals("general")[-1:]))

    await town.person("ada").unreact("general", answer.ts, "+1")
    await town.person("grace").unreact("general", answer.ts, "three")
    await opened(town, lambda text: "in 8 weeks" not in text)


async def test_what_is_done_in_a_private_channel_is_on_no_strangers_home(town):
    ada = town.person()
    await ada.create_channel("kilns", is_private=True)
    await ada.invite("kilns", "treadle")
    secret = await town.mention("calculate 2+3", channel="kilns")
    await town.answered(secret, channel="kilns")
    public = await town.mention("calculate 2+4")
    await town.answered(public)
    seen = await opened(town, lambda text: "calculate 2+4" in text, person="linus")
    assert "calculate 2+3" not in seen
    assert "calculate 2+3" in await opened(town, lambda text: "calculate 2+4" in text)


async def test_a_channel_that_is_made_private_is_on_no_strangers_home_any_more(town):
    ts = await town.mention("calculate 2+4")
    await town.answered(ts)
    await opened(town, lambda text: "calculate 2+4" in text, person="linus")
    town.workspace.channel("general").kind = SlackKind.PRIVATE
    await town.mention("calculate 2+5", person="grace")
    await opened(town, lambda text: "calculate 2+4" not in text, person="linus")
