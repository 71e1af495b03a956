"""The tool that searches the web by the provider of this installation."""

import html
import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, JsonValue

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.exchange import Credentials, HttpRequest, HttpResponse
from agent_engine.tools.http.urls import Destination, read_url
from agent_engine.tools.web_search.provider import (
    Cause,
    Findings,
    Found,
    Provider,
    SearchRequest,
    ShapeError,
)
from agent_engine.types import JsonObject

logger = logging.getLogger(__name__)

NAME: Final = "web_search"
MAX_RESULTS: Final = 20
MAX_QUERY_CHARS: Final = 400
"""As much as every provider takes."""
MAX_TITLE_CHARS: Final = 200
MAX_SNIPPET_CHARS: Final = 1_000
MAX_LINK_CHARS: Final = 2_000
CACHED_S: Final = 600.0
"""So long the same search by the same agent is not made again."""
_MARGIN_S: Final = 5.0
_OK: Final = 200
_BROKEN_FROM: Final = 500

_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>]{0,200}>")
_SPACES: Final = re.compile(r"\s+")
_TOLD: Final = {
    Cause.KEY: "refuses the key of this installation; nothing can be found until it is mended",
    Cause.QUOTA: "says that its quota is used up; web search does not work for the time being",
    Cause.BUSY: "has had too many searches just now; try again in a minute",
    Cause.SETTINGS: "does not give results as JSON; web search does not work until that is mended",
    Cause.QUERY: "does not accept this query; make it shorter and plainer",
}
_FIXES: Final = {
    Cause.KEY: "check the key",
    Cause.QUOTA: "raise the plan's limit, or configure another provider",
    Cause.SETTINGS: "add json to search.formats in the settings.yml of SearXNG",
}


class WebSearchParameters(Parameters):
    """What ``web_search`` takes."""

    query: str = Field(
        min_length=1, max_length=MAX_QUERY_CHARS, description="What to look for, in a few words."
    )
    num_results: int = Field(
        default=5, ge=1, le=MAX_RESULTS, description="How many results to return."
    )


def web_search(client: HttpClient, provider: Provider) -> DeclaredTool[WebSearchParameters]:
    """Return the tool that searches.

    Args:
        client: the way out; it must reach the provider's address.
        provider: who is asked.
    """
    return DeclaredTool(
        name=NAME,
        description=(
            "Search the web. Returns results, each with title, link, snippet and position. Use "
            "it for what may have changed or is not known; snippets are short, so read the pages "
            "that matter."
        ),
        parameters=WebSearchParameters,
        run=_Searcher(client, provider).run,
        traits=ToolTraits(
            timeout_s=client.limits.total_s + _MARGIN_S, idempotent=True, cache_ttl_s=CACHED_S
        ),
        describe=_describe,
        close=client.aclose,
    )


# ------------------------------------------------------------------------------------------------


class _Searcher:
    """Asks one provider."""

    def __init__(self, client: HttpClient, provider: Provider) -> None:
        self._client = client
        self._provider = provider
        self._home = read_url(provider.base_url)

    async def run(self, parameters: WebSearchParameters, _context: ToolContext) -> JsonObject:
        """Search and return what was found."""
        query = _SPACES.sub(" ", parameters.query).strip()
        if not query:
            raise ToolError("the query is empty")
        asked = self._provider.request(query, parameters.num_results)
        response = await self._client.call(self._request(asked), _Pinned(self._home, asked))
        findings = self._read(response)
        results = list(_presentable(findings.results, parameters.num_results))
        return {
            "success": True,
            "query": query,
            "results": results,
            "total_results": max(findings.total or 0, len(results)),
            **_note(findings, results),
        }

    def _request(self, asked: SearchRequest) -> HttpRequest:
        path = self._home.url.path.rstrip("/") + asked.path
        destination = Destination(
            url=self._home.url.with_path(path).with_query(dict(asked.params)),
            host=self._home.host,
            port=self._home.port,
            address=self._home.address,
        )
        body = None if asked.body is None else json.dumps(dict(asked.body)).encode()
        return HttpRequest(
            method=asked.method,
            destination=destination,
            headers={"accept": "application/json"}
            | ({"content-type": "application/json"} if body is not None else {}),
            body=body,
            is_repeatable=True,  # a search changes nothing, whatever its method
        )

    def _read(self, response: HttpResponse) -> Findings:
        payload = _payload(response)
        if response.status != _OK:
            raise self._refused(response.status, payload or {})
        if payload is None:
            raise self._nonsense("no JSON")
        try:
            return self._provider.findings(payload)
        except ShapeError as error:
            raise self._nonsense(str(error)) from error

    def _refused(self, status: int, payload: Mapping[str, JsonValue]) -> ToolError:
        cause = self._provider.cause(status, payload)
        facts = {"provider": self._provider.name, "status": status, "cause": cause.value}
        fix = _FIXES.get(cause, "")
        level = logging.WARNING if fix else logging.INFO
        logger.log(level, "web_search_refused", extra={**facts, "fix": fix} if fix else facts)
        told = _TOLD.get(cause) or f"answered {status}" + (
            "; it may work again later" if status >= _BROKEN_FROM else ""
        )
        return ToolError(f"the search provider {told}")

    def _nonsense(self, what: str) -> ToolError:
        facts = {"provider": self._provider.name, "what": what}
        logger.warning("web_search_unreadable", extra=facts)
        return ToolError("the search provider answered with something that holds no results")


@dataclass(frozen=True, slots=True)
class _Pinned:
    """Rules of a call that goes to the provider and nowhere else, with the key."""

    home: Destination
    asked: SearchRequest

    def check(self, destination: Destination, _method: str) -> None:
        """Let pass what goes to the provider."""
        if destination.origin != self.home.origin:
            raise ToolError("the search provider sent on to another server, which is not followed")

    def is_named(self, _destination: Destination) -> bool:
        """Say yes: it is the address that the operator configured."""
        return True

    def credentials(self, _destination: Destination) -> Credentials:
        """Return the key as the provider wants it."""
        return Credentials(headers=self.asked.headers)


def _payload(response: HttpResponse) -> Mapping[str, JsonValue] | None:
    try:
        payload = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _presentable(found: Sequence[Found], count: int) -> Sequence[dict[str, Any]]:
    """Return what may be shown, numbered: web links only, each once, words without markup."""
    shown: dict[str, dict[str, Any]] = {}
    for item in found:
        link = item.link.strip()
        if len(shown) >= count or link in shown or not _is_web_link(link):
            continue
        shown[link] = {
            "position": len(shown) + 1,
            "title": plain_words(item.title)[:MAX_TITLE_CHARS] or link[:MAX_TITLE_CHARS],
            "link": link,
            "snippet": plain_words(item.snippet)[:MAX_SNIPPET_CHARS],
        }
    return list(shown.values())


def _note(findings: Findings, results: Sequence[object]) -> dict[str, str]:
    said = [] if results else ["nothing was found; try other words"]
    if findings.is_partial:
        said.append("some of the search engines did not answer")
    return {"note": "; ".join(said)} if said else {}


def plain_words(text: str) -> str:
    r"""Return the words of a snippet without markup and entities, on one line.

    >>> plain_words("<b>Caf&eacute;</b>&nbsp;open\n&lt;now&gt;")
    'Café open <now>'
    """
    bare = _MARKUP.sub("", text[: 4 * MAX_SNIPPET_CHARS])
    return _SPACES.sub(" ", html.unescape(bare)).strip()


def _is_web_link(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return False
    plain = link.isprintable() and not any(map(str.isspace, link))
    short = len(link) <= MAX_LINK_CHARS
    return parts.scheme in ("http", "https") and bool(parts.hostname) and plain and short


def _describe(_arguments: JsonObject, result: JsonObject) -> str:
    if not result.get("success"):
        return ""
    count = len(result["results"])
    return f"{count} result{'' if count == 1 else 's'} for {result['query']!r}"
