import asyncio
import json
import logging
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from agent_engine.clock import SystemClock
from agent_engine.tools.call import ToolCaller
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.patience import Patience, PatientExchange
from agent_engine.tools.web_search.brave import Brave
from agent_engine.tools.web_search.choose import PROVIDERS, choose_provider
from agent_engine.tools.web_search.provider import Cause
from agent_engine.tools.web_search.searxng import SearXNG
from agent_engine.tools.web_search.serper import Serper
from agent_engine.tools.web_search.tavily import Tavily
from agent_engine.tools.web_search.tool import plain_words, web_search
from tests.fakes.tools import tool_context
from tests.fakes.web import Slept, open_client, serving
from tests.unit.tools.web_search import shapes

KEY = "made-up-key-0123"
ALL = {
    "serper": Serper(key=KEY),
    "brave": Brave(key=KEY),
    "tavily": Tavily(key=KEY),
    "searxng": SearXNG(base_url=""),
}
SHAPES = {
    "serper": shapes.SERPER,
    "brave": shapes.BRAVE,
    "tavily": shapes.TAVILY,
    "searxng": shapes.SEARXNG,
}


class Desk:
    """A provider's server: answers the same each time, remembers the requests."""

    def __init__(self, answer, status=200, **more):
        self.answer, self.status, self.more = answer, status, more
        self.requests: list[web.Request] = []
        self.bodies: list[str] = []

    async def __call__(self, request):
        self.requests.append(request)
        self.bodies.append(await request.text())
        if isinstance(self.answer, str):
            return web.Response(
                text=self.answer, status=self.status, content_type="text/html", **self.more
            )
        return web.json_response(self.answer, status=self.status, **self.more)


@asynccontextmanager
async def searching(name, desk, tmp_path):
    """A function that searches at the desk, by the path that agents use."""
    patience = PatientExchange(Patience(attempts=2), sleep=Slept())
    async with serving(desk) as port, open_client(patience=patience) as client:
        provider = replace(ALL[name], base_url=f"http://127.0.0.1:{port}")
        caller = ToolCaller([web_search(client, provider)], SystemClock())

        async def search(query="apple inc", **more):
            return await caller.call("web_search", {"query": query, **more}, tool_context(tmp_path))

        yield search


async def found(name, answer, tmp_path, status=200, **more):
    async with searching(name, Desk(answer, status), tmp_path) as search:
        return await search(**more)


# -- requests ------------------------------------------------------------------------------------


async def test_serper_is_asked_as_it_wants_to_be(tmp_path):
    desk = Desk(shapes.SERPER)
    async with searching("serper", desk, tmp_path) as search:
        await search("apple inc")
    (request,) = desk.requests
    assert (request.method, request.path) == ("POST", "/search")
    assert request.headers["X-API-KEY"] == KEY
    assert json.loads(desk.bodies[0]) == {"q": "apple inc", "num": 10}


async def test_brave_is_asked_as_it_wants_to_be(tmp_path):
    desk = Desk(shapes.BRAVE)
    async with searching("brave", desk, tmp_path) as search:
        await search("a & b", num_results=7)
    (request,) = desk.requests
    assert (request.method, request.path) == ("GET", "/res/v1/web/search")
    assert request.headers["X-Subscription-Token"] == KEY
    assert request.query["q"] == "a & b"
    assert request.query["count"] == "7"


async def test_tavily_is_asked_as_it_wants_to_be(tmp_path):
    desk = Desk(shapes.TAVILY)
    async with searching("tavily", desk, tmp_path) as search:
        await search("leo", num_results=3)
    (request,) = desk.requests
    assert (request.method, request.path) == ("POST", "/search")
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert json.loads(desk.bodies[0])["max_results"] == 3


async def test_searxng_is_asked_below_its_own_path(tmp_path):
    desk = Desk(shapes.SEARXNG)
    async with serving(desk) as port, open_client() as client:
        provider = SearXNG(base_url=f"http://127.0.0.1:{port}/searx/")
        caller = ToolCaller([web_search(client, provider)], SystemClock())
        await caller.call("web_search", {"query": "x y"}, tool_context(tmp_path))
    (request,) = desk.requests
    assert request.path == "/searx/search"
    assert (request.query["q"], request.query["format"]) == ("x y", "json")


# -- results -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
async def test_results_have_title_link_snippet_and_position(name, tmp_path):
    seen = await found(name, SHAPES[name], tmp_path)

    assert seen.success
    assert seen.content["query"] == "apple inc"
    assert seen.content["total_results"] == len(seen.content["results"])
    for place, result in enumerate(seen.content["results"], start=1):
        assert result["position"] == place
        assert result["title"]
        assert result["snippet"]
        assert result["link"].startswith("https://")


async def test_no_more_results_are_given_than_were_asked_for(tmp_path):
    seen = await found("serper", shapes.SERPER, tmp_path, num_results=1)
    assert [result["link"] for result in seen.content["results"]] == ["https://www.apple.com/"]
    assert seen.outcome == "1 result for 'apple inc'"


async def test_the_number_of_all_results_is_told_where_it_is_known(tmp_path):
    payload = shapes.SERPER | {"searchInformation": {"totalResults": "15400"}}
    seen = await found("serper", payload, tmp_path)
    assert seen.content["total_results"] == 15_400


async def test_markup_is_taken_out_of_snippets(tmp_path):
    seen = await found("brave", shapes.BRAVE, tmp_path)
    assert seen.content["results"][0]["snippet"] == "Brave Search doesn't profile you."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a <b>bold</b> &lt;tag&gt;", "a bold <tag>"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("&nbsp;two\n lines", "two lines"),
        ("<" * 9_000, "<" * 4_000),
    ],
)
def test_snippets_are_words_on_one_line(text, words):
    assert plain_words(text) == words


async def test_only_web_links_are_given_and_each_once(tmp_path):
    links = [
        "javascript:alert(1)",
        "https://good.example/",
        "https://good.example/",
        "ftp://x.example",
        "",
        "https://[",
        "https://a b.example/",
        "http:///",
    ]
    organic = [{"title": "t", "link": link, "snippet": "s"} for link in links]
    seen = await found("serper", {"organic": [*organic, "no object", {}]}, tmp_path)
    assert [result["link"] for result in seen.content["results"]] == ["https://good.example/"]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("serper", {"organic": []}),
        ("serper", {"searchParameters": {}}),
        ("brave", shapes.BRAVE_NOTHING),
        ("tavily", {"results": []}),
        ("searxng", {"results": []}),
    ],
)
async def test_nothing_found_is_a_success_that_says_so(name, answer, tmp_path):
    seen = await found(name, answer, tmp_path)
    assert seen.success
    assert seen.content["results"] == []
    assert seen.content["note"] == "nothing was found; try other words"


async def test_engines_that_failed_are_told_of(tmp_path):
    seen = await found("searxng", shapes.SEARXNG, tmp_path)
    assert seen.content["note"] == "some of the search engines did not answer"


def test_results_are_text_that_others_wrote():
    assert web_search(HttpClient(), Serper(key=KEY)).traits.untrusted


# -- trouble -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "cause"),
    [
        ("serper", shapes.SERPER_NO_CREDITS, Cause.QUOTA),
        ("serper", shapes.SERPER_WRONG_KEY, Cause.KEY),
        ("serper", (400, {"message": "Missing query parameter"}), Cause.QUERY),
        ("brave", shapes.brave_error(422, "SUBSCRIPTION_TOKEN_INVALID"), Cause.KEY),
        ("brave", shapes.brave_documented_error(422, "SUBSCRIPTION_TOKEN_INVALID"), Cause.KEY),
        ("brave", shapes.brave_error(422, "VALIDATION"), Cause.QUERY),
        ("brave", shapes.brave_error(429, "QUOTA_LIMITED"), Cause.QUOTA),
        ("brave", shapes.brave_documented_error(429, "RATE_LIMITED"), Cause.BUSY),
        ("tavily", shapes.TAVILY_WRONG_KEY, Cause.KEY),
        ("tavily", shapes.TAVILY_TOO_MANY, Cause.BUSY),
        ("tavily", shapes.TAVILY_PLAN_USED_UP, Cause.QUOTA),
        ("tavily", shapes.TAVILY_MONEY_USED_UP, Cause.QUOTA),
        ("searxng", (403, shapes.SEARXNG_NO_JSON), Cause.SETTINGS),
        ("searxng", (429, "Too Many Requests"), Cause.BUSY),
        *((name, (401, "<html>"), Cause.KEY) for name in ALL),
        *((name, (402, {}), Cause.QUOTA) for name in ALL),
    ],
)
async def test_a_refusal_is_told_by_its_cause(name, answer, cause, tmp_path, caplog):
    status, payload = answer
    words = {
        Cause.KEY: "refuses the key",
        Cause.QUOTA: "quota is used up",
        Cause.BUSY: "too many searches just now",
        Cause.SETTINGS: "does not give results as JSON",
        Cause.QUERY: "does not accept this query",
    }
    with caplog.at_level(logging.INFO):
        seen = await found(name, payload, tmp_path, status)
    assert words[cause] in (seen.error or "")
    (line,) = [record for record in caplog.records if record.message == "web_search_refused"]
    assert (line.provider, line.status, line.cause) == (name, status, cause)
    needs_somebody = cause in (Cause.KEY, Cause.QUOTA, Cause.SETTINGS)
    assert (line.levelno == logging.WARNING) is needs_somebody
    assert KEY not in caplog.text + str(seen.content)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    "answer", ["<html>captcha</html>", "", "[]", "null", "[" * 100_000, '{"a":']
)
async def test_nonsense_with_a_good_status_is_told_of(name, answer, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        seen = await found(name, answer, tmp_path)
    assert "holds no results" in (seen.error or "")
    assert "web_search_unreadable" in caplog.text


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("serper", {"organic": {"a": 1}}),
        ("brave", {"web": []}),
        ("brave", {"web": {"results": "x"}}),
        ("tavily", {"results": 5}),
        ("searxng", {"query": "x"}),
    ],
)
async def test_a_shape_that_changed_is_told_of_and_not_taken_for_nothing_found(
    name, answer, tmp_path
):
    seen = await found(name, answer, tmp_path)
    assert "holds no results" in (seen.error or "")


async def test_a_broken_server_is_asked_again_and_then_told_of(tmp_path):
    desk = Desk({}, 503)
    async with searching("serper", desk, tmp_path) as search:
        seen = await search()
    assert len(desk.requests) == 2
    assert "answered 503; it may work again later" in (seen.error or "")


async def test_a_redirect_to_another_server_takes_the_key_nowhere(tmp_path):
    desk = Desk({}, 302, headers={"Location": "http://evil.example/"})
    async with searching("serper", desk, tmp_path) as search:
        seen = await search()
    assert "sent on to another server" in (seen.error or "")


@pytest.mark.parametrize(
    ("piece", "pause_s", "words"),
    [
        (b'{"organic": [' + b" " * 65_536, 0.0, "holds no results"),
        (b" ", 0.02, "did not answer in time"),
    ],
)
async def test_a_provider_that_never_ends_is_left_in_time(piece, pause_s, words, tmp_path):
    async def answer(request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(pause_s)

    limits = {"body_bytes": 1_000_000, "total_s": 1.0}
    async with asyncio.timeout(10), serving(answer) as port, open_client(**limits) as client:
        provider = Serper(key=KEY, base_url=f"http://127.0.0.1:{port}")
        caller = ToolCaller([web_search(client, provider)], SystemClock())
        seen = await caller.call("web_search", {"query": "x"}, tool_context(tmp_path))
    assert words in (seen.error or "")


async def test_an_empty_query_is_refused(tmp_path):
    desk = Desk(shapes.SERPER)
    async with searching("serper", desk, tmp_path) as search:
        seen = await search("  \n ")
    assert "query is empty" in (seen.error or "")
    assert desk.requests == []


# -- choosing ------------------------------------------------------------------------------------


def test_the_first_provider_that_is_configured_is_used():
    chosen = choose_provider({"tavily": KEY, "brave": KEY})
    assert chosen == Brave(key=KEY)


def test_the_one_that_is_named_is_used_and_no_other():
    assert choose_provider({"brave": KEY, "tavily": KEY}, only="tavily") == Tavily(key=KEY)
    assert choose_provider({"brave": KEY}, only="tavily") is None


def test_without_key_or_address_there_is_none():
    assert choose_provider({}) is None
    assert choose_provider(dict.fromkeys(PROVIDERS, "")) is None


def test_a_key_is_not_printed():
    made = [make(KEY) for name, make in PROVIDERS.items() if name != "searxng"]
    assert KEY not in repr(made)
    assert KEY not in repr([provider.request("q", 5) for provider in made])
