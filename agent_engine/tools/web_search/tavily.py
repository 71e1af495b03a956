"""Results chosen for agents by Tavily (api.tavily.com).

``POST /search`` with the key as bearer token; results in ``results``. A used-up plan is a 432, a
used-up pay-as-you-go limit a 433.
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
    result_list,
    text_of,
    usual_cause,
)

URL: Final = "https://api.tavily.com"
MAX_COUNT: Final = 20
_CAUSES: Final = {400: Cause.QUERY, 422: Cause.QUERY, 432: Cause.QUOTA, 433: Cause.QUOTA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tavily:
    """Searches by Tavily."""

    key: str = field(repr=False)
    base_url: str = URL
    name: str = "tavily"

    def request(self, query: str, count: int) -> SearchRequest:
        """Make the request for a query."""
        return SearchRequest(
            method="POST",
            path="/search",
            headers={"Authorization": f"Bearer {self.key}"},
            body={
                "query": query,
                "max_results": min(count, MAX_COUNT),
                "search_depth": "basic",
            },
        )

    def findings(self, payload: Mapping[str, JsonValue]) -> Findings:
        """Read the results."""
        results = tuple(
            Found(
                title=text_of(item, "title"),
                link=text_of(item, "url"),
                snippet=text_of(item, "content"),
            )
            for item in result_list(payload, "results")
        )
        return Findings(results=results)

    def cause(self, status: int, payload: Mapping[str, JsonValue]) -> Cause:
        """Say why a search was refused."""
        del payload
        return _CAUSES.get(status) or usual_cause(status)
