"""Who may start, steer and stop."""


async def test_a_guest_is_refused_with_one_sentence(town):
    ts = await town.mention("calculate 2+2", person="gus")
    await town.until(lambda: town.ephemerals("gus"))
    assert (town.ours(ts), await town.run(ts)) == ([], None)


async def test_a_member_may_steer_someone_elses_task(town):
    ts = await town.mention("run this\n```bash\nsleep 1.5\n```")
    await town.working_on(ts, "Run")
    await town.person("grace").post("general", "calculate 6*7", thread_ts=ts)
    await town.answered(ts)
    assert "42" in town.said(ts)


async def test_talk_that_is_not_for_the_bot_is_left_alone(town):
    ts = await town.person().post("general", "calculate 2+2, somebody?")
    await town.person("grace").post("general", "4", thread_ts=ts)
    other = await town.mention("calculate 2+2")
    await town.answered(other)
    assert town.ours(ts) == []
