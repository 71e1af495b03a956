"""What can go wrong in the engine, sorted by who can act on it.

Each class says who hears of it: the person who asked, the model, or the operator. Nothing here
knows Slack, SQL or a vendor; foreign errors are translated at the border with ``raise … from``.
"""


class EngineError(Exception):
    """The engine could not do what was asked."""

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").split("\n", 1)[0]
        super().__init__(self.message)


class RequestError(EngineError):
    """The request cannot be carried out as it stands; the person who made it is told why."""


class UnknownAgentError(RequestError):
    """There is no such agent."""


class NotAllowedError(RequestError):
    """The person may not do this."""


class ToolError(EngineError):
    """A tool could not do its job; the model is told why and may try otherwise."""


class ModelError(EngineError):
    """The language model could not be used."""


class RetryableError(EngineError):
    """Something outside is unavailable for the moment.

    Attributes:
        retry_after_s: how long the other side asked to wait; None when it did not say.
    """

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelUnavailableError(RetryableError, ModelError):
    """The language model does not answer at the moment."""


class ModelRefusedError(ModelError):
    """The language model's server refused the request."""

    def __init__(self, message: str | None = None, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class ModelReplyError(ModelError):
    """The language model's reply could not be understood."""


class StorageError(RetryableError):
    """The database could not be used."""


class FencedError(EngineError):
    """Another worker has taken this run over, so this one must stop and write nothing more."""


class UnapprovedError(EngineError):
    """A step was to start under an approval that nobody gave for this, or that was used up."""


_UNITS = {"iterations": "steps", "seconds": "working seconds", "usd": "US dollars"}


class OwnershipLostError(EngineError):
    """The connection that says this process is alive was lost; others may have taken its runs."""


class LimitExceededError(EngineError):
    """A limit of the task is used up.

    Attributes:
        limit: which limit: ``iterations``, ``seconds``, ``tokens``, ``usd``, ``replans``.
        used: how much was used, in the limit's unit.
        allowed: the cap, in the limit's unit.
    """

    def __init__(
        self, limit: str, *, used: float, allowed: float, message: str | None = None
    ) -> None:
        unit = _UNITS.get(limit, limit)
        super().__init__(message or f"the limit of {unit} is used up: {used:g} of {allowed:g}")
        self.limit = limit
        self.used = used
        self.allowed = allowed

    @property
    def name(self) -> str:
        """A word for which limit it is, so that it can be raised."""
        return self.limit


class RepetitionError(LimitExceededError):
    """The agent makes the same tool call again and again."""

    def __init__(self, times: int) -> None:
        message = f"I was about to make the same call for the {times}th time, so I stopped."
        super().__init__("identical calls", used=times, allowed=times - 1, message=message)
