"""A secret that slips into a task is seen by no model, no log line, no row and no reader."""

import io
import logging

from bot.logs import configure_logs
from tests.fakes.openai_server import Says
from tests.scenario.whole.models import KEY, answer, open_model_town, prompt, purpose, working

PASTED = "xoxp-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx"


async def test_a_token_that_a_person_pastes_goes_nowhere(tmp_path, workspace, monkeypatch):
    def script(body, _index):
        return answer(f"You said: {prompt(body)[-3000:]} {'x' * 11_000}")

    root, lines = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    try:
        configure_logs(level="DEBUG", as_json=True, stream=lines)
        async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
            ts = await town.mention(f"post hello with the token {PASTED}, please")
            await town.answered(ts)
            await town.person().post("general", f"or with {PASTED}", thread_ts=ts)
            await town.answered(ts, times=2)
            run = await town.run(ts)
            assert all(PASTED not in prompt(body) for body in server.bodies)
            assert "the token [redacted: Slack token], please" in prompt(server.bodies[0])
            assert PASTED not in town.said(ts)
            assert PASTED not in repr(run)
            uploads = [f.content or b"" for f in workspace.core.files.files.values()]
            assert not any(PASTED.encode() in content for content in uploads)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert lines.getvalue()
    assert PASTED not in lines.getvalue()


async def test_a_configured_key_that_a_tool_prints_goes_nowhere(tmp_path, workspace, monkeypatch):
    encoded = "c2std2hvbGUtYm90LTAxMjM0NTY3ODk="
    steps = ("code_execution", {"language": "bash", "code": f"echo {encoded} | base64 -d"})

    def script(body, index):
        if purpose(body) == "answer":
            return Says(text=f"It is {KEY}.")
        return working(steps)(body, index)

    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, server):
        ts = await town.mention("show me your key")
        (said,) = await town.answered(ts)
        assert "It is [secret]." in said
        asked = "\n".join(map(prompt, server.bodies))
        assert KEY not in asked
        assert "[secret]" in asked
        assert KEY not in town.said(ts)


async def test_a_text_file_with_a_secret_is_handed_over_without_it(
    tmp_path, workspace, monkeypatch
):
    write = {"operation": "write", "path": "keys.txt", "content": f"key: {PASTED}\n"}
    script = working(("file_operations", write), text="Done.")
    async with open_model_town(tmp_path, workspace, monkeypatch, script) as (town, _):
        ts = await town.mention("write it down")
        await town.answered(ts)
        await town.until(lambda: any(m.files for m in town.ours(ts)))
        (content,) = [f.content for f in workspace.core.files.files.values()]
        assert content == b"key: [redacted: Slack token]\n"
