"""The whole bot goes out: it searches, reads, computes, asks before it posts, hands files over."""

import logging
import sqlite3

from aiohttp import web
from pydantic import SecretStr

from bot.agents_file import AgentsFile
from tests.fakes.web import serving
from tests.scenario.whole.models import open_model_town, prompt, working

SECRET = "made-up-secret-0123"  # noqa: S105 - made up


def file_with(port):
    return AgentsFile.model_validate(
        {
            "tools": {
                "api_call": {
                    "domains": ["127.0.0.1"],
                    "ports": [port],
                    "allow_private": ["127.0.0.1"],
                    "secrets": {"mine": {"host": "127.0.0.1", "env": "MINE", "plain_http": True}},
                }
            }
        }
    )


async def test_a_task_searches_reads_computes_and_writes_and_nobody_sees_the_secret(
    tmp_path, workspace, monkeypatch, caplog
):
    caplog.set_level(logging.DEBUG)
    told = []

    async def web_of_ours(request):
        if request.path == "/search":
            address = f"http://127.0.0.1:{request.url.port}/prices"
            return web.json_response({"results": [{"url": address, "title": "Prices"}]})
        told.append(request.headers["Authorization"])
        return web.json_response({"price": 17, "echo": request.headers["Authorization"]})

    async with serving(web_of_ours) as port:
        steps = (
            ("web_search", {"query": "prices"}),
            ("api_call", {"url": f"http://127.0.0.1:{port}/prices"}),
            ("calculate", {"expression": "17 * 23"}),
            ("file_operations", {"operation": "write", "path": "price.txt", "content": "391"}),
        )

        settings = {
            "SEARXNG_URL": f"http://127.0.0.1:{port}",
            "file": file_with(port),
            "variables": {"MINE": SecretStr(SECRET)},
        }
        script = working(*steps, text="It is 391.")
        async with open_model_town(tmp_path, workspace, monkeypatch, script, **settings) as opened:
            town, server = opened
            ts = await town.mention("look up the price and multiply it by 23")
            assert await town.answered(ts) == ["It is 391."]
            run = await town.run(ts)
            assert [step.status for step in run.steps if step.attempt] == ["done"] * 4
            assert "price.txt" in [n for m in town.ours(ts) for n in workspace.file_names(m)]
            shown = town.said(ts) + "".join(map(prompt, server.bodies))
    assert told == [f"Bearer {SECRET}"]
    assert "[secret]" in shown
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("*.db*"))
    logged = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert SECRET not in shown + logged
    assert stored
    assert SECRET.encode() not in stored


async def test_a_task_asks_before_it_posts_to_an_api_and_hands_its_file_over(
    tmp_path, workspace, monkeypatch
):
    posted = []

    async def web_of_ours(request):
        if request.path == "/search":
            address = f"http://127.0.0.1:{request.url.port}/prices"
            return web.json_response({"results": [{"url": address, "title": "Prices"}]})
        posted.append(await request.text())
        return web.json_response({"ok": True})

    async with serving(web_of_ours) as port:
        program = "print(17 * 23, file=open('price.txt', 'w'))"
        order = {"method": "POST", "url": f"http://127.0.0.1:{port}/orders", "data": "391"}
        steps = (
            ("web_search", {"query": "prices"}),
            ("code_execution", {"language": "python", "code": program}),
            ("file_operations", {"operation": "read", "path": "price.txt"}),
            ("api_call", order),
        )
        settings = {
            "SEARXNG_URL": f"http://127.0.0.1:{port}",
            "file": file_with(port),
            "variables": {"MINE": SecretStr(SECRET)},
        }
        script = working(*steps, text="Ordered for 391.")
        async with open_model_town(tmp_path, workspace, monkeypatch, script, **settings) as opened:
            town, _ = opened
            ts = await town.mention("look up the price, multiply it by 23 and order that")
            asking = await town.until(
                lambda: next((m for m in town.ours(ts) if town.button(m, "Approve")), None)
            )
            assert posted == []
            button = town.button(asking, "Approve")
            await town.person("ada").click("general", asking.ts, button)
            assert await town.answered(ts) == ["Ordered for 391."]
            assert posted == ["391"]
            assert "price.txt" in [n for m in town.ours(ts) for n in workspace.file_names(m)]
            database = tmp_path / "treadle.db"
            rows = sqlite3.connect(database).execute(
                "SELECT subject, decision, decided_by IS NOT NULL, result FROM audit_entries "
                "WHERE action = 'tool_call' ORDER BY seq"
            )
            assert list(rows) == [
                ("web_search", "allowed", 0, "success"),
                ("code_execution", "allowed", 0, "success"),
                ("file_operations", "allowed", 0, "success"),
                ("api_call", "approved", 1, "success"),
            ]


async def test_the_same_search_is_made_once_for_an_agent_in_a_channel(
    tmp_path, workspace, monkeypatch
):
    searches = []

    async def web_of_ours(request):
        searches.append(request.query["q"])
        return web.json_response({"results": [{"url": "https://a.example/", "title": "A"}]})

    async with serving(web_of_ours) as port:
        script = working(("web_search", {"query": "prices"}), text="Found.")
        settings = {"SEARXNG_URL": f"http://127.0.0.1:{port}"}
        async with open_model_town(tmp_path, workspace, monkeypatch, script, **settings) as opened:
            town, _ = opened
            for _ in range(2):
                ts = await town.mention("what does it cost?")
                assert await town.answered(ts) == ["Found."]
            found = (await town.run(ts)).steps[0].observation
    assert searches == ["prices"]
    assert found.content["from_cache"] is True
