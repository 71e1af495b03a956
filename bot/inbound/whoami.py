"""Who the bot is in its workspace: asked once at start, before anything is taken in.

Until Slack has answered, every question raises, so that nothing is acknowledged and lost.
"""

import logging
import random
from collections.abc import Awaitable, Callable

from agent_engine.types import UserId
from bot.errors import BotError, SlackRefusedError, SlackUnavailableError
from bot.inbound.facts import Us
from bot.inbound.talk import SlackTalk
from bot.outbound.slack_values import Identity

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

logger = logging.getLogger(__name__)


class IdentityUnknownError(BotError):
    """Slack has not told yet who we are, so nothing can be taken in."""


class IdentityRefusedError(BotError):
    """Slack does not accept the bot token.

    Attributes:
        error: Slack's error word.
    """

    def __init__(self, error: str) -> None:
        super().__init__(
            f"Slack does not accept SLACK_BOT_TOKEN ({error}): copy the Bot User OAuth Token again "
            "from the app's OAuth page, or reinstall the app."
        )
        self.error = error


class Whoami:
    """Holds the identity once it is known."""

    def __init__(self, *, admins: frozenset[UserId] = frozenset()) -> None:
        self._admins = admins
        self._identity: Identity | None = None

    @property
    def is_known(self) -> bool:
        """Whether Slack has told."""
        return self._identity is not None

    @property
    def identity(self) -> Identity:
        """What Slack told. Raises IdentityUnknownError before."""
        if self._identity is None:
            raise IdentityUnknownError
        return self._identity

    @property
    def us(self) -> Us:
        """The part that routing needs. Raises IdentityUnknownError before it is known."""
        identity = self.identity
        return Us(
            workspace_id=identity.workspace_id,
            user_id=identity.user_id,
            bot_id=identity.bot_id,
            admins=self._admins,
        )

    async def learn(
        self, talk: SlackTalk, *, sleep: Callable[[float], Awaitable[None]]
    ) -> Identity:
        """Ask until Slack answers. Raises IdentityRefusedError when it refuses the token."""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                self._identity = await talk.auth_test()
            except SlackRefusedError as refused:
                raise IdentityRefusedError(refused.error) from refused
            except SlackUnavailableError as gone:
                wait_s = max(gone.retry_after_s, pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter
                logger.warning("identity_not_known_yet", extra={"again_in_s": round(wait_s, 1)})
                await sleep(wait_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                logger.info("identity_known", extra={"workspace": self._identity.workspace_id})
                return self._identity
