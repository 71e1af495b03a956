"""Results of a SearXNG of one's own: no key, no account.

``GET /search?format=json``; results in ``results``. The JSON format has to be switched on in its
``settings.yml``: without it every search is a 403. Engines that failed
are named beside the results.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from agent_engine.tools.web_search.provider import (
    Cause,
    Findings,
    Found,
    SearchRequest,
    ShapeError,
    result_list,
    text_of,
    usual_cause,
    whole_number,
)

_FORBIDDEN: Final = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class SearXNG:
    """Searches by SearXNG."""

    base_url: str
    name: str = "searxng"

    def request(self, query: str, count: int) -> SearchRequest:
        """Make the request for a query; how many results there are is the server's affair."""
        del count
        return SearchRequest(
            method="GET", path="/search", params={"q": query, "format": "json", "pageno": "1"}
        )

    def findings(self, payload: Mapping[str, JsonValue]) -> Findings:
        """Read the results."""
        if "results" not in payload:
            raise ShapeError("results")
        results = tuple(
            Found(
                title=text_of(item, "title"),
                link=text_of(item, "url"),
                snippet=text_of(item, "content"),
            )
            for item in result_list(payload, "results")
        )
        return Findings(
            results=results,
            total=whole_number(payload.get("number_of_results")),
            is_partial=bool(payload.get("unresponsive_engines")),
        )

    def cause(self, status: int, payload: Mapping[str, JsonValue]) -> Cause:
        """Say why a search was refused."""
        del payload
        return Cause.SETTINGS if status == _FORBIDDEN else usual_cause(status)
