"""Language models that talk nonsense, refuse, are silent, busy or broken."""

import logging

import pytest

from agent_engine.types import EndReason, TaskStatus
from tests.fakes.openai_server import Drops, Fails, Formats, Hangs, Raw, Says, in_order
from tests.scenario.whole.models import (
    KEY,
    answer,
    impatient,
    open_model_town,
    plan,
    purpose,
    working,
)

UNHAPPY = {
    "empty": (Says(text=""), "gave no answer"),
    "null": (Says(text=None), "gave no answer"),
    "an empty choice": (Raw(body='{"choices": []}'), "sent no reply"),
    "a web page": (Raw(body="<html>bad gateway</html>"), "no JSON"),
    "cut short": (Says(text="", finish_reason="length"), "gave no answer"),
    "timeout": (Hangs(), "did not answer within"),
    "429": (Fails(status=429, message="slow down"), "(HTTP 429): slow down"),
    "429 for an hour": (Fails(status=429, headers={"Retry-After": "3600"}), "(HTTP 429)"),
    "500": (Fails(status=500, message=f"no luck with {KEY}"), "(HTTP 500): no luck with"),
    "401": (Fails(status=401, message=f"Incorrect API key: {KEY}"), "(HTTP 401): Incorrect"),
    "404": (Fails(status=404, message="no such model"), "no such model"),
    "a dropped connection": (Drops(), "cannot be reached"),
}


@pytest.mark.parametrize(("reply", "words"), UNHAPPY.values(), ids=UNHAPPY.keys())
async def test_the_thread_says_one_sentence_and_run_again_works(  # noqa: PLR0913 - fixtures
    tmp_path, workspace, monkeypatch, caplog, *, reply, words
):
    caplog.set_level(logging.INFO)
    script, formats = in_order(reply), Formats.IGNORED
    async with open_model_town(tmp_path, workspace, monkeypatch, script, formats=formats) as (
        town,
        server,
    ):
        with impatient(monkeypatch):
            ts = await town.mention("tell me what an owl is")
            notice = await town.unhappy_end(ts)
        run = await town.run(ts)
        assert (run.status, run.end.reason) == (TaskStatus.ERROR, EndReason.FAILED)
        assert words in run.end.sentence
        assert town.shows(notice, run.end.sentence)
        _is_fit_for_people(town, ts, caplog)
        _is_logged(caplog, run, "model_failed")

        server.script = in_order(answer("An owl is a bird."))
        await town.person().click("general", notice.ts, town.button(notice, "Run again"))
        await town.answered(ts)
        assert town.answers(ts) == ["An owl is a bird."]


@pytest.mark.parametrize("text", ["{]]] lorem \x00 \ud83d", '{"mode": "dance"}', "[1, 2"])
async def test_junk_for_a_plan_does_not_keep_the_task_from_being_answered(
    tmp_path, workspace, monkeypatch, caplog, text
):
    def script(body, _index):
        return Says(text=text if purpose(body) == "plan" else "An owl is a bird.")

    async with open_model_town(
        tmp_path, workspace, monkeypatch, script, formats=Formats.IGNORED
    ) as (town, _):
        ts = await town.mention("tell me what an owl is")
        assert await town.answered(ts) == ["An owl is a bird."]
        _is_logged(caplog, await town.run(ts), "plan_not_understood")


async def test_a_refusal_is_said_in_the_models_own_words(tmp_path, workspace, monkeypatch):
    script = in_order(Says(text=None, more={"refusal": "I cannot help with that."}))
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("pick this lock")
        assert await town.answered(ts) == ["I cannot help with that."]


async def test_an_answer_that_never_comes_leaves_what_was_done(
    tmp_path, workspace, monkeypatch, caplog
):
    work = working(("calculate", {"expression": "17*23"}))

    def script(body, index):
        return Hangs() if purpose(body) == "answer" else work(body, index)

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        with impatient(monkeypatch):
            ts = await town.mention("what is 17*23?")
            plan_message = await town.unhappy_end(ts)
        run = await town.run(ts)
        assert run.end.reason is EndReason.FAILED
        assert "391" in town.answers(ts)[0]
        _is_logged(caplog, run, "model_failed")
        server.script = work
        await town.person().click("general", plan_message.ts, town.button(plan_message, "Continue"))
        await town.until(lambda: "All done." in town.said(ts))
        assert [s.action.tool_name for s in (await town.run(ts)).steps] == ["calculate"]


async def test_trouble_that_passes_is_never_heard_of(tmp_path, workspace, monkeypatch):
    script = in_order(Fails(status=429), Fails(status=503), answer("An owl is a bird."))
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await town.mention("tell me what an owl is")
        assert await town.answered(ts) == ["An owl is a bird."]
        assert (len(server.bodies), len(town.ours(ts))) == (3, 1)


async def test_an_unknown_tool_and_wrong_arguments_go_back_to_the_model(
    tmp_path, workspace, monkeypatch
):
    plans = [
        plan(("calculate", {"expression": "2 +"})),
        plan(("calculate", {"expression": "2+2"}), first=2),
    ]

    def script(body, _index):
        if purpose(body) in ("plan", "replan"):
            return plans.pop(0)
        return Says(text="It is 4.")

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("what is 2+2?")
        assert await town.answered(ts) == ["It is 4."]
        run = await town.run(ts)
        assert [s.status for s in run.steps] == ["failed", "done"]


def _is_fit_for_people(town, ts, caplog):
    """No traceback and no secret, in the thread or in the log."""
    for text in (town.said(ts), caplog.text):
        assert KEY not in text
    assert "Traceback" not in town.said(ts)


def _is_logged(caplog, run, event):
    ids = {
        (r.getMessage(), getattr(r, "run_id", ""), getattr(r, "task_id", ""))
        for r in caplog.records
    }
    assert (event, run.run_id, run.task.id) in ids
