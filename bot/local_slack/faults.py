"""Faults that can be injected while the workspace runs. Holds the wishes; others carry them out."""

from dataclasses import asdict, dataclass, field
from typing import Any

from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json

RESET_STATUS = "reset"
"""A `status` of `fail_api` that drops the connection instead of answering."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """What goes wrong on purpose; the defaults are a healthy Slack."""

    duplicate_deliveries: float = 0.0
    """The share of events delivered twice, 0 to 1."""
    ack_timeout_retries: bool = True
    """Whether events that were not acknowledged are delivered again."""
    slow_api_ms: dict[str, float] = field(default_factory=dict)
    """Extra milliseconds by method; `*` is every method."""
    fail_api: dict[str, Json] = field(default_factory=dict)
    """By method or `*`: {"error": code | "status": 500 | "status": "reset", "times": n,
    "retry_after": s, "applied": true to carry the call out before it fails}."""
    stream_expiry_s: float | None = None
    """Streams end at this age instead of the configured one."""
    out_of_order: bool = False
    """Delivers each event after the one that follows it."""
    enforce_rate_limits: bool = True
    retry_time_scale: float = 1.0
    """Multiplies the waits between the retries of an event."""

    def merge(self, wishes: Json) -> None:
        """Take over the given faults and leave the others as they are."""
        known = asdict(self)
        for name, value in wishes.items():
            if name not in known:
                raise RefusedError("unknown_fault", {"fault": name})
            setattr(self, name, _checked(name, value, known[name]))

    def reset(self, *, enforce_rate_limits: bool = True) -> None:
        """Heal everything."""
        for name, value in asdict(Faults(enforce_rate_limits=enforce_rate_limits)).items():
            setattr(self, name, value)

    def as_json(self) -> Json:
        """Give the faults as plain data."""
        return asdict(self)

    def take_failure(self, method: str) -> Json | None:
        """Give the failure that this call is to suffer, and count it."""
        for key in (method, "*"):
            failure = self.fail_api.get(key)
            if failure is None:
                continue
            times = failure.get("times")
            if times is not None:
                if times <= 0:
                    continue
                self.fail_api[key] = {**failure, "times": times - 1}
            return failure
        return None

    def delay_s(self, method: str) -> float:
        """Say how long this call is to be held up."""
        return float(self.slow_api_ms.get(method, self.slow_api_ms.get("*", 0.0))) / 1000


def _checked(name: str, value: Any, current: Any) -> Any:  # noqa: ANN401 - JSON from the outside
    if name == "stream_expiry_s":
        is_fit = value is None or isinstance(value, int | float)
    elif isinstance(current, bool):
        is_fit = isinstance(value, bool)
    elif isinstance(current, float):
        is_fit = isinstance(value, int | float)
    else:
        is_fit = isinstance(value, type(current))
    if not is_fit:
        raise RefusedError("invalid_fault", {"fault": name})
    return value
