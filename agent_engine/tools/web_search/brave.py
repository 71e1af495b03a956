"""Results of Brave's own index (api.search.brave.com).

``GET /res/v1/web/search`` with the key in ``X-Subscription-Token``; results in ``web.results``,
which is left out when there are none. A wrong key is a 422, told from a refused query by a code.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from agent_engine.tools.web_search.provider import (
    Cause,
    Findings,
    Found,
    SearchRequest,
    object_of,
    result_list,
    text_of,
    usual_cause,
)

URL: Final = "https://api.search.brave.com"
MAX_COUNT: Final = 20
_CAUSES: Final = {
    "SUBSCRIPTION_TOKEN_INVALID": Cause.KEY,
    "SUBSCRIPTION_NOT_FOUND": Cause.KEY,
    "OPTION_NOT_IN_PLAN": Cause.KEY,
    "QUOTA_LIMITED": Cause.QUOTA,
    "RATE_LIMITED": Cause.BUSY,
    "VALIDATION": Cause.QUERY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Brave:
    """Searches by Brave."""

    key: str = field(repr=False)
    base_url: str = URL
    name: str = "brave"

    def request(self, query: str, count: int) -> SearchRequest:
        """Make the request for a query."""
        return SearchRequest(
            method="GET",
            path="/res/v1/web/search",
            headers={"X-Subscription-Token": self.key},
            params={
                "q": query,
                "count": str(min(count, MAX_COUNT)),
                "text_decorations": "false",
                "result_filter": "web",
            },
        )

    def findings(self, payload: Mapping[str, JsonValue]) -> Findings:
        """Read the results."""
        results = tuple(
            Found(
                title=text_of(item, "title"),
                link=text_of(item, "url"),
                snippet=text_of(item, "description"),
            )
            for item in result_list(payload, "web", "results")
        )
        return Findings(results=results)

    def cause(self, status: int, payload: Mapping[str, JsonValue]) -> Cause:
        """Say why a search was refused: the documentation has a list, the server an object."""
        listed = result_list({"errors": payload.get("errors") or []}, "errors")
        for error in (object_of(payload, "error"), *listed):
            if (cause := _CAUSES.get(text_of(error, "code"))) is not None:
                return cause
        return usual_cause(status)
