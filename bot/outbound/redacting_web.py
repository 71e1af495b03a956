"""Slack's own client with every argument of every call redacted: one place for all that is sent."""

from typing import Any, TypeVar

from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from typing_extensions import override

from agent_engine.redaction import Redaction

_Given = TypeVar("_Given")


class RedactingWebClient(AsyncWebClient):
    """Sends no secrets but the token, which travels in a header."""

    def __init__(self, redaction: Redaction, **settings: Any) -> None:  # noqa: ANN401 - the SDK's
        super().__init__(**settings)
        self._redaction = redaction

    @override
    async def api_call(
        self,
        api_method: str,
        *,
        params: dict[str, Any] | None = None,
        json: dict[str, Any] | None = None,
        data: Any = None,
        **more: Any,
    ) -> AsyncSlackResponse:
        """Call a method, as the SDK's own, with what it is given redacted."""
        return await super().api_call(
            api_method,
            params=self._clean(params),
            json=self._clean(json),
            data=self._clean(data),
            **more,
        )

    def _clean(self, given: _Given) -> _Given:
        cleaned: _Given = self._redaction.redact_value(given)
        return cleaned
