"""What people attach to their messages is there for the agent's tools, and only that."""

from base64 import b64encode
from dataclasses import replace

from bot.local_slack import file_routes
from bot.local_slack.web_api import dispatch
from tests.fakes.images import jpeg, png
from tests.fakes.openai_server import Fails, Says
from tests.scenario.whole.models import answer, open_model_town, plan, prompt, purpose, working

PNG = png(640, 480)


def reads(path):
    return ("file_operations", {"operation": "read", "path": path})


def in_folder(town, run):
    folder = town.works.toolbox.folders.folder(run.scope, run.task.id)
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*")}


async def attach(town, name, content, comment, *, channel="general", **more):
    words = comment and f"<@{town.workspace.bot_user_id}> {comment}"
    return await town.person().upload(channel, name, content, comment=words, **more)


async def test_a_file_posted_with_a_mention_is_read_by_a_tool(tmp_path, workspace, monkeypatch):
    script = working(reads("sales.csv"), text="It says 391.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await attach(town, "sales.csv", b"region,sum\nnorth,391\n", "sum this up")
        await town.answered(ts)
        run = await town.run(ts)
        (observation,) = [s.observation for s in run.steps if s.observation and s.action.tool_name]
        assert "north,391" in str(observation.content)
        first = next(body for body in server.bodies if purpose(body) == "plan")
        assert "sales.csv (text/csv, 21 bytes):\n| region,sum\n| north,391" in prompt(first)


async def test_a_file_in_a_reply_comes_before_the_next_plan(tmp_path, workspace, monkeypatch):
    def script(body, _index):
        return {"plan": answer("What about it?")}.get(purpose(body), Says(text="ok"))

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("compare two files")
        await town.answered(ts)
        await attach(town, "b.txt", b"two", "", thread_ts=ts)
        await town.answered(ts, times=2)
        assert in_folder(town, await town.run(ts)) == {"b.txt": b"two"}


async def test_a_file_that_comes_while_a_step_runs_is_there_for_the_next(
    tmp_path, workspace, monkeypatch
):
    def script(body, _index):
        match purpose(body):
            case "plan":
                return plan(("code_execution", {"language": "bash", "code": "sleep 1.5"}))
            case "replan" if "late.txt" in prompt(body):
                return answer("I saw late.txt.")
            case _:
                return Says(text="done")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("wait for my file")
        await town.working_on(ts, "Use code_execution")
        await attach(town, "late.txt", b"late", "", thread_ts=ts)
        await town.answered(ts)
        assert in_folder(town, await town.run(ts))["late.txt"] == b"late"


async def test_files_shared_before_the_task_began_come_along(town):
    ts = await attach(town, "before.txt", b"early", "")
    await town.mention("hello", thread_ts=ts)
    await town.answered(ts)
    assert in_folder(town, await town.run(ts)) == {"before.txt": b"early"}


async def test_a_guests_earlier_file_is_left_out(town):
    guest = next(p for p in town.workspace.core.state.humans() if p.is_restricted)
    ts = await town.person().post("general", "look")
    await town.person(guest.name).upload("general", "g.txt", b"guest", thread_ts=ts)
    await town.mention("hello", thread_ts=ts)
    await town.answered(ts)
    assert in_folder(town, await town.run(ts)) == {}


async def test_names_that_would_climb_out_or_clash_are_made_harmless(town):
    ts = await attach(town, "../../.ssh/id", b"1", "")
    await attach(town, "notes.txt", b"2", "", thread_ts=ts)
    await attach(town, "notes.txt", b"3", "hello", thread_ts=ts)
    await town.answered(ts)
    found = in_folder(town, await town.run(ts))
    assert sorted(found) == ["notes-2.txt", "notes.txt", "ssh_id"]
    assert (found["notes.txt"], found["notes-2.txt"]) == (b"2", b"3")


async def test_a_direct_messages_file_is_taken(town):
    dm = town.workspace.dm("ada").id
    ts = await town.person().upload(dm, "a.txt", b"mine", comment="hello")
    await town.until(lambda: len(town.workspace.thread(dm, ts)) > 1)
    assert in_folder(town, await town.run(ts, dm)) == {"a.txt": b"mine"}


async def test_a_file_that_slack_shares_elsewhere_only_is_refused(town, monkeypatch):
    other = "C0ELSEWHERE"
    shares = {"public": {other: [{"ts": "1.0"}]}}
    slack_says(monkeypatch, channels=[other], shares=shares)
    ts = await attach(town, "secret.txt", b"theirs", "hello")
    (said,) = await town.answered(ts)
    assert "I could not use `secret.txt`: it is not shared in this channel." in said
    assert in_folder(town, await town.run(ts)) == {}


async def test_a_file_outside_slack_is_named_with_the_reason(town, monkeypatch):
    slack_says(monkeypatch, is_external=True, mode="external")
    ts = await attach(town, "doc.gdoc", b"x", "hello")
    (said,) = await town.answered(ts)
    assert "`doc.gdoc`: it is stored outside Slack" in said


async def test_a_login_page_in_place_of_a_file_is_told_as_a_missing_scope(town, monkeypatch):
    monkeypatch.setattr(file_routes, "_is_visible", lambda _core, _file: False)
    ts = await attach(town, "a.txt", b"x", "hello")
    (said,) = await town.answered(ts)
    assert "its scope files:read is missing" in said
    assert in_folder(town, await town.run(ts)) == {}


async def test_a_file_over_the_limit_is_never_read(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr("bot.attaching.MEGABYTE", 10)
    async with open_model_town(tmp_path, workspace, monkeypatch, lambda *_: answer("Hi.")) as (
        town,
        _,
    ):
        ts = await attach(town, "big.bin", bytes(501), "hello")
        (said,) = await town.answered(ts)
        assert "`big.bin`: it is larger than" in said


async def test_a_model_that_sees_is_shown_the_image(tmp_path, workspace, monkeypatch):
    script = lambda *_: answer("A chart.")  # noqa: E731 - as short as it is
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await attach(town, "chart.png", PNG, "what is this?")
        (said,) = await town.answered(ts)
        assert "could not" not in said
        content = server.bodies[0]["messages"][-1]["content"]
        assert [part["type"] for part in content] == ["text", "image_url"]
        assert content[1]["image_url"]["url"].startswith("data:image/png;base64,iVBORw0KGgo")


async def test_a_model_that_sees_nothing_is_told_of_the_image_and_so_is_the_person(
    tmp_path, workspace, monkeypatch
):
    def script(body, _index):
        if isinstance(body["messages"][-1]["content"], list):
            return Fails(status=400, message="image input is not supported by this model")
        return answer("I cannot see it.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await attach(town, "chart.png", PNG, "what is this?")
        (said,) = await town.answered(ts)
        assert "I could not look at `chart.png`: my model sees no images." in said
        assert f"image attached: chart.png, image/png, {len(PNG)} b" in prompt(server.bodies[1])
        assert (
            len([b for b in server.bodies if isinstance(b["messages"][-1]["content"], list)]) == 1
        )


async def test_of_a_picture_too_large_for_models_slacks_smaller_version_is_shown(
    tmp_path, workspace, monkeypatch
):
    script = lambda *_: answer("A photo.")  # noqa: E731 - as short as it is
    small = jpeg(1024, 768, size=300)
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        await attach(town, "small.jpg", small, "")
        (kept,) = workspace.core.files.files.values()
        place = f"{workspace.url}/files-pri/{workspace.team_id}-{kept.id}/small.jpg"
        slack_says(monkeypatch, thumb_1024=place, thumb_360=f"{workspace.url}/login")
        ts = await attach(town, "photo.png", png(9000, 6000), "what is this?")
        (said,) = await town.answered(ts)
        assert "could not" not in said
        text, picture = server.bodies[0]["messages"][-1]["content"]
        assert "9000x6000 pixels, shown scaled down to 1024x768" in text["text"]
        assert picture["image_url"]["url"].startswith("data:image/jpeg;base64,")
        assert in_folder(town, await town.run(ts)) == {"photo.png": png(9000, 6000)}


async def test_a_picture_that_the_server_cannot_read_does_not_make_the_model_blind(
    tmp_path, workspace, monkeypatch
):
    broken = png(2, 3)

    def script(body, _index):
        content = body["messages"][-1]["content"]
        if isinstance(content, list) and b64encode(broken).decode() in str(content[1]):
            return Fails(status=400, message="You uploaded an unsupported image: it is corrupt.")
        return answer("Well.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        first = await attach(town, "broken.png", broken, "what is this?")
        (said,) = await town.answered(first)
        assert "I could not look at `broken.png`: my model did not accept it." in said
        second = await attach(town, "good.png", PNG, "and this?")
        assert await town.answered(second) == ["Well."]
        assert isinstance(server.bodies[-1]["messages"][-1]["content"], list)


async def test_a_file_whose_message_only_mentions_us_after_an_edit_comes_along(town):
    ts = await attach(town, "late.txt", b"late", "")
    await town.person().edit("general", ts, f"<@{town.workspace.bot_user_id}> hello")
    await town.answered(ts)
    assert in_folder(town, await town.run(ts)) == {"late.txt": b"late"}


async def test_a_secret_in_the_name_of_a_file_is_not_stored(town):
    token = "xoxb-123456789012-abcdef"  # noqa: S105 - opens nothing
    ts = await attach(town, f"{token}.txt", b"1", "hello")
    await town.answered(ts)
    run = await town.run(ts)
    assert token not in repr(run)
    assert list(in_folder(town, run)) == ["[redacted_ Slack token].txt"]


def slack_says(monkeypatch, **changes):
    """Let files.info say something else than messages do."""
    plain = dispatch.METHODS["files.info"]

    def info(call):
        said = plain.run(call)
        return {**said, "file": {**said["file"], **changes}}

    monkeypatch.setitem(dispatch.METHODS, "files.info", replace(plain, run=info))
