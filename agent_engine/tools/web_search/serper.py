"""Google's results by Serper (serper.dev).

``POST /search`` with the key in ``X-API-KEY``; results in ``organic``. A used-up account is a 400
"Not enough credits", a wrong key a 403 "Unauthorized.".
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
    whole_number,
)

URL: Final = "https://google.serper.dev"
_BAD_REQUEST: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Serper:
    """Searches by Serper."""

    key: str = field(repr=False)
    base_url: str = URL
    name: str = "serper"

    def request(self, query: str, count: int) -> SearchRequest:
        """Make the request for a query."""
        return SearchRequest(
            method="POST",
            path="/search",
            headers={"X-API-KEY": self.key},
            body={"q": query, "num": max(count, 10)},
        )

    def findings(self, payload: Mapping[str, JsonValue]) -> Findings:
        """Read the results."""
        results = tuple(
            Found(
                title=text_of(item, "title"),
                link=text_of(item, "link"),
                snippet=text_of(item, "snippet"),
            )
            for item in result_list(payload, "organic")
        )
        about = object_of(payload, "searchInformation")
        return Findings(results=results, total=whole_number(about.get("totalResults")))

    def cause(self, status: int, payload: Mapping[str, JsonValue]) -> Cause:
        """Say why a search was refused."""
        if status == _BAD_REQUEST:
            said = text_of(payload, "message").lower()
            return Cause.QUOTA if "credits" in said else Cause.QUERY
        return usual_cause(status)
