"""The one way into the Web API: token, faults, rate limit, scope, method, record, answer."""

import asyncio
import base64
import binascii
import logging
import time
from fnmatch import fnmatchcase
from http import HTTPStatus
from math import ceil
from typing import NamedTuple

from aiohttp import web

from bot.local_slack.arguments import Arguments, read_arguments
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.faults import RESET_STATUS
from bot.local_slack.records import Json
from bot.local_slack.traffic import Direction, Observed
from bot.local_slack.web_api import (
    agents,
    auth,
    chat,
    conversations,
    files,
    reactions,
    users,
    views,
)
from bot.local_slack.web_api.call import ApiCall, Method, TokenKind
from bot.local_slack.workspaces import Workspaces

logger = logging.getLogger(__name__)

METHODS: dict[str, Method] = {
    **agents.METHODS,
    **auth.METHODS,
    **chat.METHODS,
    **conversations.METHODS,
    **files.METHODS,
    **reactions.METHODS,
    **users.METHODS,
    **views.METHODS,
}


class _Answer(NamedTuple):
    body: Json
    status: int = HTTPStatus.OK
    retry_after_s: int | None = None
    resets: bool = False


class WebApi:
    """Answers `/api/<method>` for the workspace that the call belongs to."""

    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one HTTP request of the app."""
        try:
            args = await read_arguments(request)
        except RefusedError as error:
            return web.json_response(_refusal(error))
        return await _Turn(self._owner(request, args)).answer(request, args)

    def _owner(self, request: web.Request, args: Arguments) -> Core:
        if request.match_info["method"] == "oauth.v2.access":
            return self._workspaces.of_grant(args.text("code"), args.text("refresh_token"))
        return self._workspaces.of_token(_token(request, args))


class _Turn:
    """One call at one workspace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def answer(self, request: web.Request, args: Arguments) -> web.StreamResponse:
        started_s = time.monotonic()
        method = request.match_info["method"]
        try:
            answer = await self._answer(request, method, args)
        except RefusedError as error:
            answer = _Answer(_refusal(error))
        self._record(method, args, answer, started_s=started_s)
        if answer.resets and request.transport is not None:
            request.transport.abort()
        return self._response(request, method, answer)

    async def _answer(self, request: web.Request, method: str, args: Arguments) -> _Answer:
        if delay_s := self._core.faults.delay_s(method):
            await asyncio.sleep(delay_s)
        failure = self._core.faults.take_failure(method)
        if failure is not None and not failure.get("applied"):
            return _failed(failure)
        channel = args.text("channel") or args.text("channel_id") or ""
        if self._core.faults.enforce_rate_limits and (
            wait_s := self._core.limits.take(method, channel)
        ):
            return _limited(ceil(wait_s))
        body = self._run(request, method, args)
        return _Answer(body) if failure is None else _failed(failure)

    def _run(self, request: web.Request, name: str, args: Arguments) -> Json:
        method = METHODS.get(name)
        unsupported = self._core.config.unsupported_methods
        if method is None or any(fnmatchcase(name, pattern) for pattern in unsupported):
            raise RefusedError("unknown_method", {"req_method": name})
        scopes = self._scopes(request, method, args)
        call = ApiCall(core=self._core, method=name, args=_with_basic(request, args), scopes=scopes)
        if method.token is TokenKind.BOT:
            call.require_scope(*method.scopes)
        return {"ok": True} | method.run(call)

    def _scopes(self, request: web.Request, method: Method, args: Arguments) -> tuple[str, ...]:
        """Check the token and say what it may do."""
        if method.token is TokenKind.NONE:
            return ()
        token = _token(request, args)
        if token is None:
            raise RefusedError("not_authed")
        is_app = token == self._core.secrets.app_token
        scopes = self._core.installation.scopes_by_token.get(token)
        if not is_app and scopes is None:
            raise RefusedError("invalid_auth")
        if is_app is not (method.token is TokenKind.APP):
            raise RefusedError("not_allowed_token_type")
        return scopes or ()

    def _response(self, request: web.Request, method: str, answer: _Answer) -> web.StreamResponse:
        response = web.json_response(answer.body, status=answer.status)
        if answer.retry_after_s is not None:
            response.headers["Retry-After"] = str(answer.retry_after_s)
        scopes = self._core.installation.scopes_by_token.get(_token(request, Arguments({})) or "")
        if method == "auth.test" and scopes is not None:
            response.headers["x-oauth-scopes"] = ",".join(scopes)
        return response

    def _record(self, method: str, args: Arguments, answer: _Answer, *, started_s: float) -> None:
        status = "ok" if answer.body.get("ok") else str(answer.body.get("error", answer.status))
        observed = Observed(
            direction=Direction.API,
            name=method,
            status=status,
            duration_ms=(time.monotonic() - started_s) * 1000,
            request=args.as_json(),
            response=answer.body,
        )
        self._core.traffic.record(observed)


def _token(request: web.Request, args: Arguments) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme == "Bearer" and token else args.text("token")


def _with_basic(request: web.Request, args: Arguments) -> Arguments:
    """Add client_id and client_secret of HTTP basic auth, as oauth.v2.access gets them."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Basic":
        return args
    try:
        name, _, secret = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RefusedError("invalid_auth") from error
    return Arguments(args.as_json() | {"client_id": name, "client_secret": secret})


def _refusal(error: RefusedError) -> Json:
    return {"ok": False, "error": error.code} | error.facts


def _limited(wait_s: int) -> _Answer:
    return _Answer(
        {"ok": False, "error": "ratelimited"}, HTTPStatus.TOO_MANY_REQUESTS, max(1, wait_s)
    )


def _failed(failure: Json) -> _Answer:
    status, error = failure.get("status"), failure.get("error")
    if status == RESET_STATUS:
        return _Answer({"ok": False, "error": "connection_reset"}, resets=True)
    if error == "ratelimited" or status == HTTPStatus.TOO_MANY_REQUESTS:
        return _limited(int(failure.get("retry_after", 1)))
    body = {"ok": False, "error": error or "internal_error"}
    return _Answer(body, int(status or HTTPStatus.OK), failure.get("retry_after"))
