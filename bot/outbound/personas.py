"""Whether agents may appear under names and icons of their own in Slack. Makes no calls."""

from collections.abc import Callable, Sequence

from bot.errors import SlackRefusedError
from bot.outbound.content import Persona
from bot.outbound.web_calls import NOT_OFFERED, REFUSAL_MEMORY_S

SCOPE = "chat:write.customize"


class Personas:
    """Remembers what Slack allows; what was refused is not tried again for an hour.

    Args:
        monotonic_s: where time comes from.
    """

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._refused_until_s = 0.0
        self.are_granted = False
        """Whether Slack has said that they are allowed."""

    def know(self, scopes: Sequence[str]) -> None:
        """Take in which scopes the token has."""
        self.are_granted = SCOPE in scopes

    def allowed(self, persona: Persona | None) -> Persona | None:
        """Return who a message may seem to come from; None for the bot itself."""
        return None if self._monotonic_s() < self._refused_until_s else persona

    def learn(self, refused: SlackRefusedError, persona: Persona | None) -> bool:
        """Take in a refusal; say whether the same call may be taken under the bot's own name."""
        if refused.error not in NOT_OFFERED or self.allowed(persona) is None:
            return False
        self._refused_until_s = self._monotonic_s() + REFUSAL_MEMORY_S
        self.are_granted = False
        return True
