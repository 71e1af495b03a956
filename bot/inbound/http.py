"""HTTP mode: Slack posts to us. One small web application with Bolt's adapter and two checks.

Signatures are verified by Bolt before anything else. TLS is the business of whoever stands before.
"""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp

from bot.inbound.lanes import Underway

EVENTS_PATH = "/slack/events"
MAX_REQUEST_BYTES = 2 * 1024 * 1024
DRAIN_S = 5.0

Readiness = Callable[[], Sequence[str]]
"""Says what is missing before deliveries can be taken; nothing when all is well."""

logger = logging.getLogger(__name__)


@asynccontextmanager
async def serve_http(
    app: AsyncApp, *, host: str, port: int, underway: Underway, readiness: Readiness
) -> AsyncIterator[int]:
    """Listen until the block ends; gives the port. What was delivered by then is still answered."""
    runner = web.AppRunner(
        web_application(app, readiness), access_log=None, shutdown_timeout=DRAIN_S
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        await site.start()
        taken = int(runner.addresses[0][1])
        logger.info("http_listening", extra={"host": host, "port": taken})
        yield taken
        await site.stop()
        if not await underway.drained(within_s=DRAIN_S):
            logger.warning("http_closed_before_all_was_taken")
    finally:
        await runner.cleanup()


def web_application(app: AsyncApp, readiness: Readiness) -> web.Application:
    """Return the web application: Slack's request URL, ``/healthz`` and ``/readyz``."""

    async def deliver(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    async def is_alive(_request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def is_ready(_request: web.Request) -> web.Response:
        missing = list(readiness())
        status = 503 if missing else 200
        return web.json_response({"ok": not missing, "missing": missing}, status=status)

    application = web.Application(client_max_size=MAX_REQUEST_BYTES)
    application.add_routes(
        [
            web.post(EVENTS_PATH, deliver),
            web.get("/healthz", is_alive),
            web.get("/readyz", is_ready),
        ]
    )
    return application
