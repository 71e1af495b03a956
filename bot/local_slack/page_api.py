"""The page's own API under `/_page/`: what a person sees and does, the inspector, the faults.

It has no login, so it answers only requests addressed to this machine, from its own page.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote, urlsplit

from aiohttp import web

from bot.local_slack import page_shapes, shapes
from bot.local_slack.acts import Acts
from bot.local_slack.arguments import Arguments, read_arguments
from bot.local_slack.changes import FaultsChanged
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.interactions import Interactions
from bot.local_slack.page_actions import ACTIONS, PageAct
from bot.local_slack.page_live import LivePage
from bot.local_slack.records import Json
from bot.local_slack.socket_mode import SocketMode

PAGE_FILES = Path(__file__).parent / "page"
_TRAFFIC_SHOWN = 500
_MESSAGES_SHOWN = 50
_MAX_UPLOAD_BYTES = 100_000_000
_SAFE_INLINE = ("image/png", "image/jpeg", "image/gif", "image/webp")
_CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: https: http:; style-src 'self' 'unsafe-inline';"
    " connect-src 'self' ws:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class PageApi:
    """Serves the page, its data and its live frames."""

    def __init__(self, core: Core, *, acts: Acts, interactions: Interactions) -> None:
        self._core = core
        self._acts = acts
        self._interactions = interactions
        self._open_pages: set[web.WebSocketResponse] = set()

    def routes(self) -> list[web.RouteDef]:
        """Give all routes of the page."""
        return [
            web.get("/", self._index),
            web.get("/page/{file}", self._static),
            web.get("/_page/state", self._guarded(self._state)),
            web.get("/_page/messages", self._guarded(self._messages)),
            web.get("/_page/thread", self._guarded(self._thread)),
            web.get("/_page/live", self._guarded(self._live)),
            web.get("/_page/traffic", self._guarded(self._traffic)),
            web.get("/_page/faults", self._guarded(self._faults)),
            web.get("/_page/file/{file}/{name}", self._guarded(self._file)),
            web.post("/_page/faults", self._guarded(self._set_faults)),
            web.post("/_page/faults/reset", self._guarded(self._reset_faults)),
            web.post("/_page/upload", self._guarded(self._upload)),
            web.post("/_page/{action}", self._guarded(self._act)),
        ]

    async def close(self) -> None:
        """Close the live connection of every open page."""
        for ws in tuple(self._open_pages):
            await ws.close()

    def _guarded(self, answer: _Answer) -> _Answer:
        """Refuse requests of foreign pages, and turn refusals into answers."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not _is_own(request, self._core.config.host):
                return web.Response(status=HTTPStatus.FORBIDDEN, text="for the local page only")
            try:
                return await answer(request)
            except RefusedError as error:
                body = {"ok": False, "error": error.code} | error.facts
                return web.json_response(body)

        return guarded

    def _user(self, request: web.Request) -> str:
        state = self._core.state
        asked = request.query.get("user")
        return state.person(asked).id if asked else next(iter(state.humans())).id

    async def _index(self, request: web.Request) -> web.StreamResponse:
        del request
        return await _page_file("index.html")

    async def _static(self, request: web.Request) -> web.StreamResponse:
        return await _page_file(request.match_info["file"])

    async def _state(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(page_shapes.state_json(self._core, self._user(request)))

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        user, query = self._user(request), Arguments(dict(request.query))
        channel = self._core.state.visible(user, query.need("channel"))
        limit = query.number("limit", default=_MESSAGES_SHOWN)
        before = query.text("before_ts") or ""
        shown = page_shapes.history_json(self._core, channel, user, before=before, limit=limit)
        return web.json_response(shown)

    async def _thread(self, request: web.Request) -> web.StreamResponse:
        user, query = self._user(request), Arguments(dict(request.query))
        channel = self._core.state.visible(user, query.need("channel"))
        thread = page_shapes.thread_json(self._core, channel, query.need("ts"), user)
        return web.json_response(thread)

    async def _live(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse(heartbeat=30.0, timeout=0.5)
        await ws.prepare(request)
        self._open_pages.add(ws)
        try:
            await LivePage(self._core, self._user(request)).serve(ws)
        finally:
            self._open_pages.discard(ws)
        return ws

    async def _traffic(self, request: web.Request) -> web.StreamResponse:
        after = Arguments(dict(request.query)).number("after", default=0)
        entries = self._core.traffic.after(after, limit=_TRAFFIC_SHOWN)
        return web.json_response({"entries": [e.as_json() for e in entries]})

    async def _faults(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.json_response(self._core.faults.as_json())

    async def _set_faults(self, request: web.Request) -> web.StreamResponse:
        wishes = (await read_arguments(request)).as_json()
        wishes.pop("user", None)
        await merge_faults(self._core, wishes)
        return web.json_response({"ok": True, "faults": self._core.faults.as_json()})

    async def _reset_faults(self, request: web.Request) -> web.StreamResponse:
        del request
        self._core.faults.reset(enforce_rate_limits=self._core.config.enforce_rate_limits)
        self._core.hub.publish(FaultsChanged(faults=self._core.faults.as_json()))
        return web.json_response({"ok": True, "faults": self._core.faults.as_json()})

    async def _file(self, request: web.Request) -> web.StreamResponse:
        user = self._user(request)
        file = self._core.files.find(request.match_info["file"])
        channels = [self._core.state.channels[c] for c in file.channels]
        is_shown = file.user == user or any(page_shapes.can_see(c, user) for c in channels)
        if not is_shown or file.content is None:
            raise RefusedError("file_not_found")
        is_inline = file.mimetype in _SAFE_INLINE and "download" not in request.query
        disposition = "inline" if is_inline else "attachment"
        headers = {
            "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(file.name)}",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(body=file.content, content_type=file.mimetype, headers=headers)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        part = form.get("file")
        if not isinstance(part, web.FileField):
            raise RefusedError("no_file_data")
        content = await asyncio.to_thread(part.file.read, _MAX_UPLOAD_BYTES)
        user = self._user(request)
        file = self._acts.keep_file(user, name=Path(part.filename).name, content=content)
        return web.json_response({"ok": True, "file": shapes.file_json(self._core, file)})

    async def _act(self, request: web.Request) -> web.StreamResponse:
        action = ACTIONS.get(request.match_info["action"])
        if action is None:
            raise RefusedError("unknown_action")
        act = PageAct(
            core=self._core,
            acts=self._acts,
            interactions=self._interactions,
            user=self._user(request),
            args=await read_arguments(request),
        )
        answer = await action(act)
        return web.json_response({"ok": True} | answer)


async def merge_faults(core: Core, wishes: Json) -> None:
    """Change the injected faults; `drop_socket` and `disconnect_socket` act once, at once."""
    drops, reason = wishes.pop("drop_socket", False), wishes.pop("disconnect_socket", None)
    core.faults.merge(wishes)
    await _trouble(core.sockets, drops=bool(drops), reason=reason)
    core.hub.publish(FaultsChanged(faults=core.faults.as_json()))


async def _trouble(sockets: SocketMode, *, drops: bool, reason: str | None) -> None:
    if drops:
        await sockets.drop()
    if reason:
        await sockets.disconnect(str(reason))


def _is_own(request: web.Request, host: str) -> bool:
    """True unless another site's page, or a name bound to this address, sent the request."""
    named = urlsplit(f"//{request.host}").hostname
    if named not in {"localhost", "127.0.0.1", "::1", host}:
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


async def _page_file(name: str) -> web.StreamResponse:
    path = PAGE_FILES / name
    is_inside = path.parent == PAGE_FILES and not name.startswith(".")
    if not is_inside or not await asyncio.to_thread(path.is_file):
        return web.Response(status=HTTPStatus.NOT_FOUND, text="no such page file")
    headers = {
        "Content-Security-Policy": _CONTENT_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
    }
    return web.FileResponse(path, headers=headers)
