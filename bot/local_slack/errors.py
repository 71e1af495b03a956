"""What the local workspace refuses, in Slack's error words; nothing here formats or sends."""

from typing import Any


class RefusedError(Exception):
    """The workspace refused a call or an act; `code` is Slack's word for it."""

    def __init__(self, code: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.facts = facts or {}
        """Further fields of the answer, such as `needed` and `provided` of a missing scope."""


class DeliveryError(Exception):
    """The app did not take a delivery; `reason` is what Slack would put in the retry header."""

    def __init__(self, reason: str, *, may_retry: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_retry = may_retry
