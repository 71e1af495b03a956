"""The Bolt app: nothing is acknowledged before it is stored, and no call is made to find out who.

Bolt's defaults acknowledge first, ask ``auth.test`` on the first event and lose the event when that
fails; here the listener ends before the acknowledgement, and who we are was asked at the start.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from agent_engine.errors import RetryableError
from bot.errors import SlackUnavailableError
from bot.inbound.whoami import IdentityUnknownError, Whoami
from bot.outbound.proxies import reach_directly

_EXPECTED = (RetryableError, SlackUnavailableError, IdentityUnknownError)
"""Trouble that passes by itself; the event comes again."""

logger = logging.getLogger(__name__)


def build_bolt_app(
    *, whoami: Whoami, token: str, base_url: str, signing_secret: str | None
) -> AsyncApp:
    """Build the app without listeners.

    Args:
        whoami: who we are; events that arrive before it is known are not acknowledged.
        token: the bot's; Bolt needs a client to open Socket Mode connections with.
        base_url: of the Slack Web API.
        signing_secret: for HTTP; None for Socket Mode, whose connection is authenticated itself.
    """

    async def authorize() -> AuthorizeResult:
        identity = whoami.identity
        return AuthorizeResult(
            enterprise_id=None,
            team_id=identity.workspace_id,
            bot_user_id=identity.user_id,
            bot_id=identity.bot_id,
            bot_token=token,
            bot_scopes=list(identity.scopes),
        )

    with _without_hints():
        app = AsyncApp(
            name="treadle",
            client=reach_directly(
                AsyncWebClient(token=token, base_url=base_url, retry_handlers=[])
            ),
            signing_secret=signing_secret or "",
            request_verification_enabled=signing_secret is not None,
            process_before_response=True,
            authorize=authorize,
            # Our own messages tell us their ``ts``; routing ignores them otherwise.
            ignoring_self_events_enabled=False,
            attaching_conversation_kwargs_enabled=False,
            attaching_function_token_enabled=False,
        )
    app.error(_log_trouble)
    return app


async def _log_trouble(error: Exception, body: Mapping[str, Any]) -> None:
    """Log what kept a delivery from being taken in; it is not acknowledged and comes again."""
    event = body.get("event")
    facts = {
        "delivery_id": str(body.get("event_id") or body.get("trigger_id") or ""),
        "type": str(event.get("type") if isinstance(event, Mapping) else body.get("type") or ""),
        "error": type(error).__name__,
    }
    if isinstance(error, _EXPECTED):
        logger.warning("delivery_not_taken", extra=facts)
    else:
        logger.error("delivery_failed", extra=facts, exc_info=error)


@contextmanager
def _without_hints() -> Iterator[None]:
    """Hold back Bolt's hints about tokens in the environment, which it reads by itself."""

    def is_error(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR

    bolt = logging.getLogger("slack_bolt.AsyncApp")
    bolt.addFilter(is_error)
    try:
        yield
    finally:
        bolt.removeFilter(is_error)
