"""The Home tab and the agent's own description: how people rated what the agent did."""

import json

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
