import base64
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from agent_engine.clock import SystemClock
from agent_engine.tools.api_call.access import Access, HostSecret
from agent_engine.tools.api_call.incoming import MAX_SHOWN_CHARS, file_name, read_content_type
from agent_engine.tools.api_call.tool import Method, api_call, characteristics, is_repeatable
from agent_engine.tools.call import Guards, ToolCaller
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.urls import Domains, read_url
from agent_engine.tools.policy import ToolPolicy, ToolRule
from agent_engine.tools.secrets import Secrets
from agent_engine.types import Asks
from tests.fakes.tools import tool_context
from tests.fakes.web import open_client, raw_serving, serving

SECRET = "s3cr3t/token+value"  # noqa: S105 - made up
SITE = Domains(frozenset({"good.example"}))
UNASKED = Guards(policy=ToolPolicy([ToolRule(tool="*", asks=Asks.NEVER)]))
"""Whether people are asked is the call path's business, and tested there."""


class Api:
    """A server that remembers what it was sent."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda _request: web.json_response({"ok": True}))
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def __call__(self, request):
        self.requests.append(request)
        self.bodies.append(await request.read())
        return self.answer(request)

    @property
    def last(self) -> web.Request:
        return self.requests[-1]


@asynccontextmanager
async def calling(api, tmp_path, *, secrets=(), **limits):
    """A function that calls the server by the path that agents use."""
    async with serving(api) as port, open_client(**limits) as client:
        access = Access(domains=SITE, ports=frozenset({port}), secrets=tuple(secrets))
        known = Secrets(secret.value for secret in secrets)
        caller = ToolCaller([api_call(client, access, known)], SystemClock(), guards=UNASKED)

        async def call(path="/", **arguments):
            if "url" not in arguments:
                arguments["url"] = f"http://good.example:{port}{path}"
            return await caller.call("api_call", arguments, tool_context(tmp_path))

        yield call


async def said(api, tmp_path, **arguments):
    async with calling(api, tmp_path) as call:
        return await call(**arguments)


def answering(body: bytes | str, content_type: str | None = None, status: int = 200, **headers):
    data = body.encode() if isinstance(body, str) else body
    more = {"Content-Type": content_type} if content_type else {}

    def answer(_request):
        return web.Response(body=data, status=status, headers={**more, **headers})

    return Api(answer)


# -- what is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_every_method_can_be_used(method, tmp_path):
    api = Api()
    seen = await said(api, tmp_path, method=method)
    assert seen.success
    assert seen.content["status_code"] == 200
    assert seen.content["data"] == {"ok": True}
    assert api.last.method == method


@pytest.mark.parametrize(
    ("data", "content_type", "body", "sent_as"),
    [
        ({"a": [1, None, "é"]}, None, '{"a": [1, null, "é"]}', "application/json"),
        ([1, 2], None, "[1, 2]", "application/json"),
        ({"a": 1}, "application/vnd.x+json", '{"a": 1}', "application/vnd.x+json"),
        ("plain words", None, "plain words", "text/plain; charset=utf-8"),
        ('{"a": 1}', None, '{"a": 1}', "application/json"),
        ("{not json", None, "{not json", "text/plain; charset=utf-8"),
        ("<a/>", "application/xml", "<a/>", "application/xml"),
        (
            {"a": "1 & 2", "b": [1, True], "c": None},
            "application/x-www-form-urlencoded",
            "a=1+%26+2&b=1&b=true&c=",
            "application/x-www-form-urlencoded",
        ),
    ],
)
async def test_a_body_is_sent_as_what_it_is(data, content_type, body, sent_as, tmp_path):
    api = Api()
    headers = {"Content-Type": content_type} if content_type else {}
    seen = await said(api, tmp_path, method="POST", data=data, headers=headers)
    assert seen.success, seen.error
    assert api.bodies == [body.encode()]
    assert api.last.headers["Content-Type"] == sent_as


async def test_params_are_added_to_those_in_the_url_and_encoded(tmp_path):
    api = Api()
    await said(
        api, tmp_path, path="/x?a=1", params={"b": "2 & 3", "c": [1, 2.5], "d": True, "a": "é"}
    )
    assert api.last.raw_path == "/x?a=1&b=2+%26+3&c=1&c=2.5&d=true&a=%C3%A9"
    assert api.last.query.getall("a") == ["1", "é"]


async def test_headers_are_sent(tmp_path):
    api = Api()
    await said(api, tmp_path, headers={"X-Mine": " one "})
    assert api.last.headers["X-Mine"] == "one"
    assert api.last.headers["User-Agent"] == "Treadle"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"headers": {"Authorization": "Bearer x"}}, "credentials are added by the bot"),
        ({"headers": {"COOKIE": "a=b"}}, "credentials are added by the bot"),
        ({"headers": {"Host": "evil"}}, "it is set by the bot"),
        ({"headers": {"Proxy-Connection": "x"}}, "it is set by the bot"),
        ({"headers": {"Content-Length": "5"}}, "it is set by the bot"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "it is set by the bot"),
        ({"headers": {"X-HTTP-Method-Override": "DELETE"}}, "it is set by the bot"),
        ({"headers": {"X-A": "b\r\nX-Evil: 1"}}, "on one line"),
        ({"headers": {"X-A": "b\x00"}}, "on one line"),
        ({"headers": {"X-A": "é"}}, "ASCII"),
        ({"headers": {"X-A\r\nX-Evil": "1"}}, "header's name"),
        ({"headers": {"": "1"}}, "header's name"),
        ({"headers": {"X-A": "x" * 5_000}}, "at most 4000"),
        ({"headers": {f"x-{n}": "1" for n in range(50)}}, "more than 40 headers"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "there twice"),
        ({"data": {"a": 1}}, "GET takes no data"),
        ({"method": "POST", "data": "x" * 6_000_000}, "data has more than"),
        (
            {"method": "POST", "data": [1], "headers": {"Content-Type": "text/csv"}},
            "must be a text",
        ),
        (
            {"method": "POST", "data": {}, "headers": {"Content-Type": "multipart/form-data"}},
            "multipart",
        ),
        (
            {
                "method": "POST",
                "data": {"a": {"b": 1}},
                "headers": {"Content-Type": "application/x-www-form-urlencoded"},
            },
            "a form has texts",
        ),
        ({"method": "POST", "data": "\ud800"}, "not valid Unicode"),
        ({"method": "HEAD"}, "must be one of"),
        ({"method": "get"}, "must be one of"),
        ({"method": "GET\r\nX: 1"}, "must be one of"),
        ({"params": {"a": {"b": 1}}}, "params"),
        ({"params": {"a": "x" * 9_000}}, "more than 8000"),
        ({"url": "http://evil.example/"}, "allowed: good.example"),
        ({"url": "https://good.example:22/"}, "port 22 may not be called"),
        ({"url": "file:///etc/passwd"}, "https://"),
        ({"timeout": 1}, "unknown"),
    ],
)
async def test_what_may_not_be_sent_is_refused_with_one_sentence(arguments, words, tmp_path):
    api = Api()
    seen = await said(api, tmp_path, **arguments)
    assert not seen.success
    assert words in (seen.error or "")
    assert api.requests == []


async def test_what_must_not_happen_twice_carries_the_steps_key(tmp_path):
    api = Api()
    async with calling(api, tmp_path) as call:
        await call(method="POST", data={})
        await call(method="POST", data={}, headers={"Idempotency-Key": "mine"})
        await call()
    keys = [request.headers.get("Idempotency-Key") for request in api.requests]
    assert keys == ["run-1", "mine", None]


# -- what comes back -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "data"),
    [
        (b'{"a": [1]}', "application/json", {"a": [1]}),
        (b'{"a": 1}', "application/problem+json; charset=utf-8", {"a": 1}),
        (b'[{"a": 1}]', "text/plain", [{"a": 1}]),
        (b"{broken", "application/json", "{broken"),
        (b"[" * 5_000, "application/json", "[" * 5_000),
        (b'{"a": NaN}', "application/json", {"a": "NaN"}),
        (b"", "application/json", ""),
        (b"plain", "text/plain", "plain"),
        ("größe".encode("latin-1"), "text/plain; charset=iso-8859-1", "größe"),
        ("größe".encode("utf-16"), "text/plain; charset=utf-16", "größe"),
        ("\ufeffx".encode(), "text/plain", "x"),
        (b"a\xffb", "text/plain", "a\ufffdb"),
        (b"a\xffb", "text/plain; charset=nonsense", "a\ufffdb"),
        (b"x\x9c", "text/plain; charset=zlib", "x\ufffd"),
        (b"<a>1</a>", "application/xml", "<a>1</a>"),
        (b"", "application/octet-stream", ""),
    ],
)
async def test_data_is_json_or_else_text(body, content_type, data, tmp_path):
    seen = await said(answering(body, content_type), tmp_path)
    assert seen.success, seen.error
    full = json.loads(seen.full_output) if seen.full_output else seen.content
    assert full["data"] == data


@pytest.mark.parametrize(("body", "data"), [(b'{"a": 1}', {"a": 1}), (b"words", "words")])
async def test_data_without_a_type_is_what_it_looks_like(body, data, tmp_path):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + body)

    async with raw_serving(talk) as port, open_client() as client:
        access = Access(domains=SITE, ports=frozenset({port}))
        caller = ToolCaller([api_call(client, access, Secrets())], SystemClock())
        arguments = {"url": f"http://good.example:{port}/"}
        seen = await caller.call("api_call", arguments, tool_context(tmp_path))
    assert seen.content["data"] == data


async def test_a_page_is_read_as_its_text(tmp_path):
    html = '<title>News</title><h1>Sun</h1><script>x</script><p>Warm<a href="/more">more</a>'
    seen = await said(answering(html, "text/html; charset=utf-8"), tmp_path)
    assert seen.content["title"] == "News"
    assert seen.content["data"] == "# Sun\n\nWarmmore"
    (link,) = seen.content["links"]
    assert link["text"] == "more"
    assert link["url"].startswith("http://good.example:")
    assert link["url"].endswith("/more")


async def test_a_page_in_the_charset_that_it_names_itself(tmp_path):
    html = '<meta charset="iso-8859-1"><p>größe'.encode("latin-1")
    seen = await said(answering(html, "text/html"), tmp_path)
    assert seen.content["data"] == "größe"


async def test_what_is_no_text_is_kept_as_a_file(tmp_path):
    png = b"\x89PNG\r\n\x1a\n" + bytes(100)
    seen = await said(answering(png, "image/png"), tmp_path, path="/logo%2F..%2Fevil.png")
    (path,) = seen.files
    assert path.startswith("downloads/step1-")
    assert path.endswith(".png")
    assert (tmp_path / path).read_bytes() == png
    assert (seen.content["size"], seen.content["content_type"]) == (len(png), "image/png")


async def test_bytes_without_a_type_are_kept_as_a_file(tmp_path):
    seen = await said(answering(b"\x00\x01\xff", "application/unheard-of"), tmp_path)
    assert (tmp_path / seen.files[0]).read_bytes() == b"\x00\x01\xff"


async def test_a_file_that_is_too_large_is_not_kept_by_half(tmp_path):
    async with calling(answering(bytes(1_000), "image/png"), tmp_path, body_bytes=500) as call:
        seen = await call()
    assert not seen.success
    assert "more than 500 bytes" in (seen.error or "")
    assert seen.files == ()


async def test_a_long_text_is_kept_whole_as_a_file(tmp_path):
    text = "line\n" * (MAX_SHOWN_CHARS // 4)
    seen = await said(answering(text, "text/csv"), tmp_path, path="/numbers.csv")
    assert seen.content["truncated"] is True
    assert (tmp_path / seen.files[0]).read_text() == text
    assert seen.files[0].endswith("numbers.csv")


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://h/a/report.pdf", "application/pdf", "report.pdf"),
        ("https://h/a/run.sh", "image/png", "run.sh.png"),
        ("https://good.example/", "application/pdf", "good.example.pdf"),
        ("https://h/.bashrc", "text/plain", "bashrc.txt"),
        ("https://h/..%2f..%2fx", "text/plain", "x.txt"),
        (f"https://h/{'a' * 300}", "text/plain", f"{'a' * 60}.txt"),
        ("https://h/%00%0a", "unheard/of", "response"),
        ("https://h/ünï.png", "image/png", "n-.png"),
    ],
)
def test_a_file_gets_a_harmless_name_that_fits_its_type(url, kind, name):
    assert file_name(read_url(url), kind) == name


async def test_an_error_status_is_no_success_and_keeps_what_the_server_said(tmp_path):
    api = answering('{"message": "no such thing"}', "application/json", 404)
    seen = await said(api, tmp_path)
    assert not seen.success
    assert seen.error == "good.example answered 404 Not Found"
    assert seen.content["status_code"] == 404
    assert seen.content["data"] == {"message": "no such thing"}


async def test_a_server_that_wants_a_pause_is_quoted(tmp_path):
    api = answering("", None, 429, **{"Retry-After": "120"})
    seen = await said(api, tmp_path)
    assert "429 Too Many Requests; it asks to wait 120 s" in (seen.error or "")


async def test_headers_that_give_rights_are_withheld_and_all_are_bounded(tmp_path):
    names = ["Set-Cookie", "Authorization", "X-Auth-Token", "X-Api-Key", "X-CSRF-Value"]
    headers = dict.fromkeys([*names, "Report-To"], "of-somebody") | {
        f"X-{n}": "v" * 1_000 for n in range(80)
    }
    seen = await said(answering("x", "text/plain", **headers), tmp_path)
    assert "of-somebody" not in (seen.full_output or json.dumps(dict(seen.content)))
    shown = json.loads(seen.full_output or json.dumps(dict(seen.content)))["headers"]
    assert len(shown) <= 25
    assert "report-to" not in shown
    assert all(len(value) <= 300 for value in shown.values())


async def test_people_read_one_line(tmp_path):
    seen = await said(Api(), tmp_path, method="DELETE")
    assert seen.outcome.startswith("DELETE good.example:")
    assert seen.outcome.endswith(": 200")


@pytest.mark.parametrize("header", ["", "nonsense", "a/b; charset", "\x00", "text/html" * 99])
def test_any_content_type_can_be_read(header):
    assert isinstance(read_content_type(header).kind, str)


# -- secrets -------------------------------------------------------------------------------------


def bearer(**more) -> HostSecret:
    return HostSecret(host="good.example", value=SECRET, plain_http=True, **more)


def echo(request):
    """Tells everything it was told, in many forms."""
    told = request.headers.get("Authorization", "") + request.query.get("key", "")
    return web.json_response(
        {
            "told": told,
            "base64": base64.b64encode(told.encode()).decode(),
            "url": str(request.url),
            told: "as a key",
        },
        headers={"X-Echo": told, "X-Url": str(request.rel_url)},
    )


@pytest.mark.parametrize(
    "secret",
    [
        bearer(),
        bearer(header=None, query="key", template="{secret}"),
        bearer(template="Token token={secret}"),
    ],
)
async def test_an_echo_of_a_secret_is_not_seen(secret, tmp_path):
    api = Api(echo)
    async with calling(api, tmp_path, secrets=[secret]) as call:
        seen = await call()
    assert SECRET in api.last.headers.get("Authorization", "") + api.last.query.get("key", "")
    shown = repr(seen)
    assert SECRET not in shown
    assert base64.b64encode(SECRET.encode()).decode().rstrip("=")[:-2] not in shown
    assert "[secret]" in shown


async def test_a_secret_is_taken_out_of_pages_and_files(tmp_path):
    half = len(SECRET) // 2
    page = f"<p>{SECRET[:half]}<b>{SECRET[half:]}</b>"
    async with calling(answering(page, "text/html"), tmp_path, secrets=[bearer()]) as call:
        assert (await call()).content["data"] == "[secret]"
    binary = b"\x00" + SECRET.encode()
    async with calling(answering(binary, "image/png"), tmp_path, secrets=[bearer()]) as call:
        kept = tmp_path / (await call()).files[0]
    assert kept.read_bytes() == b"\x00[secret]"


@pytest.mark.parametrize(
    ("secret", "arguments"),
    [
        (bearer(header="X-Api-Key"), {"headers": {"x-api-key": "mine"}}),
        (bearer(header=None, query="key"), {"params": {"key": "mine"}}),
        (bearer(header=None, query="key"), {"path": "/?key=mine"}),
    ],
)
async def test_what_the_bot_adds_cannot_be_given_by_hand(secret, arguments, tmp_path):
    api = Api()
    async with calling(api, tmp_path, secrets=[secret]) as call:
        seen = await call(**arguments)
    assert "it is added by itself" in (seen.error or "")
    assert api.requests == []


async def test_no_log_line_holds_a_secret_or_what_was_said(tmp_path, caplog):
    caplog.set_level(0)
    async with calling(Api(echo), tmp_path, secrets=[bearer()]) as call:
        await call(method="POST", data={"private": "words of somebody"})
    assert SECRET not in caplog.text
    lines = [f"{record.__dict__}" for record in caplog.records if "agent_engine" in record.name]
    assert lines
    assert not any("words of somebody" in line or SECRET in line for line in lines)


# -- offering ------------------------------------------------------------------------------------


def test_a_tool_that_may_call_nothing_is_not_made():
    with pytest.raises(ValueError, match="not to be offered"):
        api_call(HttpClient(), Access(), Secrets())


def test_the_model_is_told_where_it_may_call_and_what_is_added():
    access = Access(domains=SITE, read_domains=Domains(frozenset({"*"})), secrets=(bearer(),))
    description = api_call(HttpClient(), access, Secrets()).description
    assert "good.example; any public site with GET" in description
    assert "Credentials are added by themselves for good.example" in description
    assert SECRET not in description


def test_rules_look_at_the_method_and_the_host():
    assert characteristics({"url": "https://API.good.example./x?y=1", "method": "POST"}) == {
        "method": "POST",
        "host": "api.good.example",
    }
    assert characteristics({"url": "https://good.example"})["method"] == "GET"
    assert characteristics({"url": "nonsense"}) == characteristics({}) == {}


def test_a_person_is_asked_before_anything_is_changed():
    tool = api_call(HttpClient(), Access(domains=SITE), Secrets())
    asked = {str(method): tool.asks_for({"method": str(method)}) for method in Method}
    assert asked.pop("GET") is tool.asks_for({}) is Asks.NEVER
    assert set(asked.values()) == {Asks.ALWAYS}


@pytest.mark.parametrize(
    ("arguments", "may"),
    [
        ({"url": "x"}, True),
        ({"method": "GET"}, True),
        ({"method": "POST"}, False),
        ({"method": "PUT"}, False),
        ({"method": "DELETE"}, False),
        ({"method": "POST", "headers": {"Idempotency-Key": "k"}}, True),
        ({"method": "POST", "headers": "nonsense"}, False),
        ({"method": 5}, False),
        ({"method": "{{step1}}"}, False),
    ],
)
def test_only_reading_and_calls_with_a_key_can_be_repeated(arguments, may):
    tool = api_call(HttpClient(), Access(domains=SITE), Secrets())
    assert is_repeatable(arguments) is may
    assert ToolCaller([tool], SystemClock()).may_repeat("api_call", arguments) is may
    assert not tool.traits.idempotent
