"""The addresses beside the Web API: file bytes both ways, permalinks, and the OAuth consent."""

from http import HTTPStatus
from urllib.parse import quote, urlencode

from aiohttp import web

from bot.local_slack.core import Core
from bot.local_slack.records import SharedFile
from bot.local_slack.workspaces import Workspaces

_LOGIN_PAGE = "<!DOCTYPE html><title>Sign in</title><p>Sign in to see this file.</p>"


class FileRoutes:
    """Serves what slack.com and files.slack.com serve beside the API."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    def routes(self) -> list[web.RouteDef]:
        """Give the routes."""
        return [
            web.post("/upload/v1/{file}", self._take),
            web.get("/files-pri/{place}/{name}", self._give),
            web.get("/files-pri/{place}/download/{name}", self._give),
            web.get("/files/{user}/{file}/{name}", self._to_page),
            web.get("/archives/{channel}/{message}", self._to_message),
            web.get("/login", self._login),
            web.get("/oauth/v2/authorize", self._authorize),
        ]

    async def _take(self, request: web.Request) -> web.StreamResponse:
        """Take the bytes of an announced file: raw, or as the one part of a form."""
        file_id = request.match_info["file"]
        file = self._workspaces.of_file(file_id).files.files.get(file_id)
        if file is None or file.is_complete:
            return web.Response(status=HTTPStatus.NOT_FOUND, text="unknown upload")
        if request.content_type.startswith("multipart/"):
            form = await request.post()
            parts = [p for p in form.values() if isinstance(p, web.FileField)]
            content = parts[0].file.read() if parts else b""
        else:
            content = await request.read()
        if len(content) != file.announced_size:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="length differs")
        file.content = content
        return web.Response(text=f"OK - {len(content)}")

    async def _give(self, request: web.Request) -> web.StreamResponse:
        """Give a file's bytes to a bearer of a token; others are sent to the login page."""
        team_id, _, file_id = request.match_info["place"].partition("-")
        core = self._workspaces.of_team(team_id)
        file = core.files.files.get(file_id)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        scopes = core.installation.scopes_by_token.get(token, ())
        may_read = scheme == "Bearer" and "files:read" in scopes
        if file is None or not may_read or not _is_visible(core, file):
            raise web.HTTPFound("/login?" + urlencode({"redir": request.path}))
        return web.Response(body=file.content, content_type=file.mimetype)

    async def _to_page(self, request: web.Request) -> web.StreamResponse:
        del request
        raise web.HTTPFound("/")

    async def _to_message(self, request: web.Request) -> web.StreamResponse:
        """Send a permalink's reader to its thread on the page."""
        digits = request.match_info["message"].removeprefix("p")
        ts = request.query.get("thread_ts") or f"{digits[:-6]}.{digits[-6:]}"
        raise web.HTTPFound(f"/#/{quote(request.match_info['channel'])}/{quote(ts)}")

    async def _login(self, request: web.Request) -> web.StreamResponse:
        del request
        return web.Response(text=_LOGIN_PAGE, content_type="text/html")

    async def _authorize(self, request: web.Request) -> web.StreamResponse:
        """Consent at once as the first person, and send the browser back with a code.

        As at Slack, `team=T…` names the workspace; without it, it is the first one.
        """
        query = request.query
        core = self._workspaces.of_team(query.get("team"))
        if query.get("client_id") != core.secrets.client_id:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="invalid_client_id")
        target = query.get("redirect_uri", "")
        if not target.startswith(("http://127.0.0.1", "http://localhost", "https://")):
            return web.Response(status=HTTPStatus.BAD_REQUEST, text="bad_redirect_uri")
        code = core.mint.hex(24)
        user = next(iter(core.state.humans())).id
        core.installation.codes[code] = (user, query.get("scope", ""))
        answer = urlencode({"code": code, "state": query.get("state", "")})
        raise web.HTTPFound(f"{target}{'&' if '?' in target else '?'}{answer}")


def _is_visible(core: Core, file: SharedFile) -> bool:
    state = core.state
    is_member = any(state.bot.id in state.channels[c].members for c in file.channels)
    return file.content is not None and (is_member or file.user == state.bot.id)
