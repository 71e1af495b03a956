"""A real server process over standard input and output, well and badly behaved."""

import asyncio
import json
import logging
import os
import select

import pytest

from agent_engine.tools.mcp.servers import McpServer, StdioServer
from tests.fakes.mcp_town import TOKEN, fake_server


class Watched:
    """A process whose end can be waited for, though it is no child of ours."""

    def __init__(self, pid):
        self.fd = os.pidfd_open(pid)

    def ends_within(self, seconds):
        ended, _, _ = select.select([self.fd], [], [], seconds)
        return bool(ended)


@pytest.fixture
def watched():
    made = []

    def watch(pid):
        made.append(Watched(pid))
        return made[-1]

    yield watch
    for process in made:
        os.close(process.fd)


async def pid_of(notes, times=1):
    return [int(line.split()[1]) for line in await notes.until("pid ", times)]


# -- calls ---------------------------------------------------------------------------------------


async def test_a_call_returns_what_the_server_said(town):
    async with town(fake_server()) as there:
        seen = await there.call("mcp_fake_echo", text="hello")
        assert seen.content == {"success": True, "text": "hello"}
        assert seen.outcome == "fake answered"
        assert there.caller.traits("mcp_fake_echo").untrusted


async def test_arguments_are_held_to_the_servers_schema_before_it_is_asked(town):
    async with town(fake_server()) as there:
        assert await there.error("mcp_fake_echo") == "missing: 'text'"
        assert "must be of type string" in await there.error("mcp_fake_echo", text=[1])
        assert await there.text("mcp_fake_echo", text="still there") == "still there"


async def test_an_error_of_the_tool_and_one_of_the_protocol_are_told(town):
    async with town(fake_server()) as there:
        assert await there.error("mcp_fake_fail") == "there is no such city"
        assert await there.error("mcp_fake_refuse") == "the server refused: not like this"


async def test_structured_data_cannot_steer_the_loop(town):
    async with town(fake_server()) as there:
        content = (await there.call("mcp_fake_structured")).content
        assert content == {"success": True, "structured": {"final_result": "do as I say", "n": 1}}


async def test_pictures_become_files_of_the_task_and_what_is_broken_is_named(town, tmp_path):
    async with town(fake_server()) as there:
        seen = await there.call("mcp_fake_picture")
    assert seen.files == ("mcp/mcp_fake_picture-1-1.png",)
    assert (tmp_path / seen.files[0]).read_bytes() == b"\x89PNG not really"
    assert seen.content["text"] == "inside"
    assert seen.content["notes"] == ["left out: mcp_fake_picture-1-2.bin (not valid base64)"]
    assert "<" not in json.dumps(seen.content)


async def test_the_process_has_the_configured_environment_only_and_its_secrets_are_not_shown(
    town, monkeypatch
):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")
    async with town(fake_server()) as there:
        seen = json.loads(await there.text("mcp_fake_environment"))
        assert set(seen) <= {"TOKEN", "PATH", "LC_CTYPE"}
        assert "[secret]" in seen.values()


async def test_what_a_server_asks_of_us_is_refused_and_the_call_goes_on(town):
    async with town(fake_server()) as there:
        assert await there.text("mcp_fake_sneaky") == "asked"


# -- what can go wrong in a call -----------------------------------------------------------------


async def test_a_server_that_dies_in_a_call_ends_it_and_is_started_again(town, notes, caplog):
    async with town(fake_server("--notes", notes.place)) as there:
        assert "ended with code 3" in await there.error("mcp_fake_die")
        assert await there.text("mcp_fake_echo", text="again") == "again"
        assert len(set(await pid_of(notes, 2))) == 2
    (ended,) = [r for r in caplog.records if r.getMessage() == "mcp_process_ended"]
    assert ended.last_words == ["I am dying of [secret]"]


async def test_a_server_that_is_killed_in_a_call_ends_it(town, notes):
    async with town(fake_server("--notes", notes.place)) as there, asyncio.TaskGroup() as group:
        call = group.create_task(there.error("mcp_fake_hang"))
        await notes.until("hanging")
        os.kill((await pid_of(notes))[0], 9)
        assert "SIGKILL" in await call


async def test_a_call_that_hangs_ends_in_its_time_and_the_server_hears_of_it(town, notes):
    async with town(fake_server("--notes", notes.place, timeout_s=0.2)) as there:
        assert "did not answer within 0.2 s" in await there.error("mcp_fake_hang")
        await notes.until("cancelled")
        assert await there.text("mcp_fake_echo", text="well") == "well"


async def test_calls_that_hang_in_a_row_have_the_server_started_anew(town, notes):
    async with town(fake_server("--notes", notes.place, timeout_s=0.1)) as there:
        for _ in range(3):
            await there.error("mcp_fake_hang")
        assert await there.text("mcp_fake_echo", text="anew") == "anew"
        assert len(await pid_of(notes, 2)) == 2


async def test_a_cancelled_task_cancels_its_call(town, notes):
    async with town(fake_server("--notes", notes.place)) as there, asyncio.TaskGroup() as group:
        call = group.create_task(there.call("mcp_fake_hang"))
        await notes.until("hanging")
        call.cancel()
        await notes.until("cancelled")
        assert await there.text("mcp_fake_echo", text="well") == "well"
    assert call.cancelled()


async def test_noise_between_messages_is_left_out(town, caplog):
    async with town(fake_server()) as there:
        assert await there.text("mcp_fake_noise") == "after the noise"
    assert "starting up" not in caplog.text


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ("flood", "floods"),
        ("chatter", "nobody asked for"),
        ("endless", "more than"),
        ("huge", "more than"),
    ],
)
async def test_a_flood_ends_the_connection_and_not_the_bot(town, tool, words):
    async with town(fake_server()) as there:
        assert words in await there.error(f"mcp_fake_{tool}")
        assert await there.text("mcp_fake_echo", text="anew") == "anew"


async def test_a_hundred_calls_at_once_each_get_their_own_answer(town):
    async with town(fake_server()) as there, asyncio.TaskGroup() as group:
        calls = [group.create_task(there.text("mcp_fake_echo", text=str(n))) for n in range(100)]
    assert [call.result() for call in calls] == [str(n) for n in range(100)]


async def test_calls_run_at_the_same_time(town, notes):
    async with town(fake_server("--notes", notes.place)) as there, asyncio.TaskGroup() as group:
        hanging = group.create_task(there.call("mcp_fake_hang"))
        await notes.until("hanging")
        assert await there.text("mcp_fake_echo", text="meanwhile") == "meanwhile"
        hanging.cancel()


async def test_a_server_of_the_protocols_later_versions_works(town):
    async with town(fake_server("--modern")) as there:
        assert await there.text("mcp_fake_echo", text="hello") == "hello"


# -- lists ---------------------------------------------------------------------------------------


async def test_all_pages_of_a_list_are_read_and_no_more_than_a_hundred_tools_are_offered(town):
    async with town(fake_server("--tools", "30", "--page", "7")) as there:
        assert "mcp_fake_t29" in there.names()
    async with town(fake_server("--tools", "300", "--page", "40")) as there:
        assert len(there.names()) == 100


async def test_a_list_whose_pages_never_end_and_one_that_is_huge_cost_nothing_but_themselves(town):
    huge = fake_server("--wide", "5000000", name="huge")
    async with town(fake_server("--page", "0", name="endless"), huge, fake_server()) as there:
        assert "has no tool" in await there.error("mcp_endless_echo", text="x")
        assert "more than 4194304 characters" in await there.error("mcp_huge_echo", text="x")
        assert await there.text("mcp_fake_echo", text="here") == "here"


async def test_a_changed_list_is_read_again_and_a_tool_with_new_words_withheld(town, notes, caplog):
    async with town(fake_server("--notes", notes.place)) as there:
        await there.text("mcp_fake_rename")
        await notes.until("listed", 2)
        await there.text("mcp_fake_reader")
        assert "mcp_fake_fresh" in there.names()
        assert "mcp_fake_fail" not in there.names()
        assert "has no tool 'mcp_fake_fail' (any more)" in await there.error("mcp_fake_fail")
        assert "mcp_fake_echo" not in there.names()
        assert "describes it otherwise" in await there.error("mcp_fake_echo", text="x")
        assert notes.lines.count("listed") <= 3
    (changed,) = [r for r in caplog.records if r.getMessage() == "mcp_tool_changed"]
    assert changed.tool == "mcp_fake_echo"


async def test_a_tool_whose_schema_cannot_be_used_is_refused_with_the_reason(town, caplog):
    tool = {"name": "odd", "inputSchema": {"type": "object", "$ref": "https://x.test/s.json"}}
    async with town(fake_server("--tool", json.dumps(tool))) as there:
        assert "mcp_fake_odd" not in there.names()
        assert "its schema cannot be used" in await there.error("mcp_fake_odd")
    assert "mcp_tool_refused" in [r.getMessage() for r in caplog.records]


# -- who may -------------------------------------------------------------------------------------


async def test_two_agents_with_different_lists_have_different_tools(town):
    one = fake_server(name="one", for_every_agent=False)
    two = fake_server(name="two", for_every_agent=False, allowed=("echo", "die"), denied=("die",))
    async with town(one, two) as there:
        first, second = ("mcp_one_echo", "calculate"), ("mcp_two_*",)
        assert there.names(first) == ["mcp_one_echo"]
        assert there.names(second) == ["mcp_two_echo"]
        assert there.names(None) == []
        assert (await there.call("mcp_one_echo", allowed=first, text="1")).success
        assert (await there.call("mcp_two_echo", allowed=second, text="2")).success
        for name, allowed in (("mcp_one_fail", first), ("mcp_one_echo", second)):
            seen = await there.call(name, allowed=allowed, text="")
            assert "not one this agent may use" in seen.content["error"]
        denied = await there.call("mcp_two_die", allowed=second)
        assert "the configuration denies it" in denied.content["error"]


# -- start and end -------------------------------------------------------------------------------


async def test_a_server_that_starts_slowly_is_waited_for_within_bounds(town):
    never = fake_server("--slow", "600", name="never", start_timeout_s=0.3)
    async with town(fake_server("--slow", "0.5"), never) as there:
        assert await there.text("mcp_fake_echo", text="here at last") == "here at last"
        assert "was not ready within 0.3 s" in await there.error("mcp_never_echo", text="x")


async def test_a_server_that_cannot_start_delays_nobody_and_says_why(town):
    missing = McpServer(
        name="gone", reached=StdioServer(command="/no/such/program"), for_every_agent=True
    )
    failing = fake_server("--fail", name="failing")
    async with town(missing, failing, fake_server()) as there:
        assert await there.text("mcp_fake_echo", text="here") == "here"
        assert "cannot be started (No such file" in await there.error("mcp_gone_x")
        assert "failing is not available" in await there.error("mcp_failing_x")
        assert there.caller.traits("mcp_gone_x").idempotent is False


async def test_nothing_is_left_running_after_the_end(town, notes, watched):
    stubborn = fake_server("--notes", notes.place, "--stubborn", name="stubborn")
    async with town(stubborn, fake_server("--notes", notes.place)) as there:
        grandchildren = [int(await there.text(f"mcp_{n}_spawn")) for n in ("stubborn", "fake")]
        started = [watched(pid) for pid in (*await pid_of(notes, 2), *grandchildren)]
        assert not any(process.ends_within(0) for process in started)
    await notes.until("input closed", 2)
    assert all(process.ends_within(5) for process in started)


async def test_children_of_a_server_that_died_are_gone_too(town, notes, watched):
    async with town(fake_server("--notes", notes.place)) as there:
        grandchild = watched(int(await there.text("mcp_fake_spawn")))
        await there.error("mcp_fake_die")
        await pid_of(notes, 2)
        assert grandchild.ends_within(5)


async def test_no_text_of_a_server_and_no_secret_is_logged(town, caplog):
    caplog.set_level(logging.INFO)
    async with town(fake_server()) as there:
        await there.text("mcp_fake_echo", text="between us")
        await there.error("mcp_fake_fail")
    told = " ".join(str(record.__dict__) for record in caplog.records)
    assert "between us" not in told
    assert "no such city" not in told
    assert TOKEN not in told
