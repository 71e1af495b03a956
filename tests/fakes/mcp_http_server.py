"""An MCP server over HTTP, in this process, that answers as badly as a test wants it to."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

TOOLS = ("echo", "huge", "html", "hang", "redirect", "local", "compressed", "forgotten", "refused")


class HttpServer:
    """Remembers the requests it got."""

    def __init__(self) -> None:
        self.heads: list[dict[str, str]] = []
        self.called: list[str] = []
        self.hanging = asyncio.Event()
        self.status = 200
        self.elsewhere = ""
        self.starts = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/mcp", self._post)
        app.router.add_post("/moved", self._post)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield f"{site.name}/mcp"
        finally:
            await runner.cleanup()

    async def _post(self, request: web.Request) -> web.StreamResponse:
        self.heads.append(dict(request.headers))
        if self.status != 200:
            return web.Response(status=self.status, text="no")
        body = await request.json()
        match body["method"]:
            case "initialize":
                self.starts += 1
                facts = {"protocolVersion": body["params"]["protocolVersion"]}
                info = {
                    "serverInfo": {"name": "bad", "version": "1"},
                    "capabilities": {"tools": {}},
                }
                return _answer(body, {**facts, **info}, {"Mcp-Session-Id": f"s{self.starts}"})
            case "tools/list":
                tools = [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS]
                return _answer(body, {"tools": tools})
            case "tools/call":
                name = body["params"]["name"]
                self.called.append(f"{request.path} {name}")
                if request.path == "/moved":
                    return _answer(body, _text("moved"))
                made: web.StreamResponse = await getattr(self, f"_{name}")(request, body)
                return made
            case _:
                return web.Response(status=202)

    async def _echo(self, _request: web.Request, body: dict) -> web.StreamResponse:
        return _answer(body, _text("hello"))

    async def _huge(self, request: web.Request, _body: dict) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(b" " * 1_000_000)

    async def _html(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(text="<h1>Welcome</h1>", content_type="text/html")

    async def _hang(self, _request: web.Request, body: dict) -> web.StreamResponse:
        self.hanging.set()
        await asyncio.sleep(3600)
        return _answer(body, {})

    async def _redirect(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": self.elsewhere})

    async def _local(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/moved"})

    async def _compressed(self, _request: web.Request, body: dict) -> web.StreamResponse:
        data = gzip.compress(json.dumps(_answered(body, _text("x" * 50_000_000))).encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=data, headers=headers)

    async def _forgotten(self, request: web.Request, body: dict) -> web.StreamResponse:
        if request.headers["Mcp-Session-Id"] == "s1":
            return web.Response(status=404, text="what session?")
        return _answer(body, _text("a new one"))

    async def _refused(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(status=500, text="oh")


def _text(text: str) -> dict:
    return {"content": [{"type": "text", "text": text}]}


def _answered(body: dict, result: dict) -> dict:
    return {"jsonrpc": "2.0", "id": body["id"], "result": result}


def _answer(body: dict, result: dict, headers: dict | None = None) -> web.Response:
    return web.json_response(_answered(body, result), headers=headers)
