"""``[slack]``: how the bot presents itself in Slack."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import override

from bot.tables.table import Names, Table, like

Prefix = Annotated[
    str, like(r"[a-z0-9_-]{0,16}", "use up to 16 lower-case letters, digits, - and _, without a /")
]
UserIdText = Annotated[str, like(r"[UW][A-Z0-9]+", 'give a user id, such as "U0123456789"')]


class SlackTable(Table):
    """Commands, admins, the agent of direct messages, reminders."""

    short_commands: bool = True
    """Whether ``/solve``, ``/tasks`` and ``/agent`` exist besides ``/treadle``."""
    command_prefix: Prefix = ""
    """Put before the short commands where another app has them too: ``x-`` makes ``/x-solve``."""
    admins: tuple[UserIdText, ...] = ()
    """User ids of those who may stop any task and change agents, besides workspace admins."""
    direct_agent: str | None = None
    """The agent of direct messages; the default agent where nothing is said."""
    remind_after_hours: Annotated[float, Field(ge=0.0, le=8_760.0, allow_inf_nan=False)] = 4.0
    """After which people are reminded, once, of what they were asked; 0: never."""
    extend: Literal["requester", "admins"] = "requester"
    """Who may raise the limit at which a task ended; budgets of a day: admins alone."""

    @override
    def problems(self, where: str, names: Names) -> Iterator[str]:
        if self.direct_agent:
            yield from names.unknown_agents(f"{where}.direct_agent", (self.direct_agent,))

    @property
    def remind_after(self) -> timedelta | None:
        """After which people are reminded; None for never."""
        return timedelta(hours=self.remind_after_hours) if self.remind_after_hours else None
