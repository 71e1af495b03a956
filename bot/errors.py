"""What can go wrong in the bot, sorted by who can act on it.

Foreign errors (Slack's SDK, HTTP) are translated into these at the border with ``raise … from``.
Nothing here knows the SDK.
"""


class BotError(Exception):
    """The bot could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        super().__init__(self.message)


class SlackError(BotError):
    """Slack could not be used.

    Attributes:
        method: the Web API method that was called.
    """

    def __init__(self, message: str | None = None, *, method: str = "") -> None:
        super().__init__(message)
        self.method = method


class SlackUnavailableError(SlackError):
    """Slack does not answer at the moment, or asks us to wait; worth trying again later.

    Attributes:
        retry_after_s: after how many seconds it makes sense to try again.
        maybe_done: the call may have been carried out although no answer came, so a message has to
            be looked up before it is posted again.
    """

    def __init__(
        self,
        message: str | None = None,
        *,
        method: str = "",
        retry_after_s: float = 1.0,
        maybe_done: bool = False,
    ) -> None:
        super().__init__(message, method=method)
        self.retry_after_s = retry_after_s
        self.maybe_done = maybe_done


class NoRoomError(SlackUnavailableError):
    """One of Slack's limits is used up; the call was not made."""


class SlackRefusedError(SlackError):
    """Slack refused the call; the same call will be refused again.

    Attributes:
        error: Slack's error word, e.g. ``channel_not_found``.
        details: Slack's explanations, e.g. which block is invalid.
        needed: the scope that the app lacks, as far as Slack says it.
    """

    def __init__(
        self, error: str, *, method: str = "", details: tuple[str, ...] = (), needed: str = ""
    ) -> None:
        super().__init__(f"Slack refused {method or 'the call'}: {error}", method=method)
        self.error = error
        self.details = details
        self.needed = needed
