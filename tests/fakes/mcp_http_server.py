"""An MCP server over HTTP, in this process, that answers as badly as a test wants it to."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

TOOLS = (
    "echo", "huge", "html", "hang", "redirect", "local", "compressed", "forgotten", "refused",
    "unknown", "nonsense", "drip", "events", "telling", "together",
)  # fmt: skip


class HttpServer:
    """Remembers the requests it got."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.heads: list[dict[str, str]] = []
        self.called: list[str] = []
        self.hanging = asyncio.Event()
        self.status = 200
        self.elsewhere = ""
        self.starts = 0
        self.listened = 0
        self.description = "Does something."
        self.arrived = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/mcp", self._post)
        app.router.add_post("/moved", self._post)
        app.router.add_get("/mcp", self._listen)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        scheme = "http" if self.tls is None else "https"
        try:
            yield f"{scheme}://127.0.0.1:{runner.addresses[0][1]}/mcp"
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
                about = {"description": self.description, "inputSchema": {"type": "object"}}
                tools = [{"name": name, **about} for name in TOOLS]
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

    async def _listen(self, request: web.Request) -> web.StreamResponse:
        """Close the stream at once, and ask to be asked again at once."""
        self.listened += 1
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"retry: 0\nid: 1\n\n")
        return response

    async def _unknown(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(status=401, text="<h1>who are you?</h1>", content_type="text/html")

    async def _nonsense(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.json_response({"words": "of the server"})

    async def _drip(self, request: web.Request, _body: dict) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        finally:
            self.arrived.release()

    async def _events(self, request: web.Request, _body: dict) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        params = {"level": "info", "data": "x"}
        said = {"jsonrpc": "2.0", "method": "notifications/message", "params": params}
        while True:
            await response.write(f"event: message\ndata: {json.dumps(said)}\n\n".encode() * 50)

    async def _telling(self, request: web.Request, body: dict) -> web.StreamResponse:
        key = request.headers["Authorization"].removeprefix("Bearer ")
        return _answered_error(body, f"no, not with {key} " + "x" * 462 + key)

    async def _together(self, _request: web.Request, body: dict) -> web.StreamResponse:
        self.arrived.release()
        await self.go_on.wait()
        return _answer(body, _text("together"))

    async def _refused(self, _request: web.Request, _body: dict) -> web.StreamResponse:
        return web.Response(status=500, text="oh")


def _text(text: str) -> dict:
    return {"content": [{"type": "text", "text": text}]}


def _answered(body: dict, result: dict) -> dict:
    return {"jsonrpc": "2.0", "id": body["id"], "result": result}


def _answered_error(body: dict, message: str) -> web.Response:
    error = {"code": -32602, "message": message}
    return web.json_response({"jsonrpc": "2.0", "id": body["id"], "error": error})


def _answer(body: dict, result: dict, headers: dict | None = None) -> web.Response:
    return web.json_response(_answered(body, result), headers=headers)
