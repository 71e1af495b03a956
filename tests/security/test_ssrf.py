"""No address, name or redirect leads a tool to where it may not go. Servers are on the loopback."""

import pytest
from aiohttp import web

from agent_engine.errors import ToolError
from agent_engine.tools.api_call.access import Access, HostSecret, read_private
from agent_engine.tools.http.addresses import AddressPolicy, read_network
from agent_engine.tools.http.exchange import ForbiddenAddressError, HttpRequest
from agent_engine.tools.http.urls import Domains, read_domains, read_url
from tests.fakes.web import Names, open_client, serving

SECRET = "s3cr3t-token-value"  # noqa: S105 - made up


class Witness:
    """A server that must not be reached, or remembers who came."""

    def __init__(self, answer=None):
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.answer = answer or (lambda request: web.json_response({"path": request.path}))

    async def __call__(self, request):
        self.seen.append(request)
        self.bodies.append(await request.read())
        return self.answer(request)

    def headers(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.seen]


def anywhere(port: int, **more) -> Access:
    return Access(domains=Domains(frozenset({"*"})), ports=frozenset({80, 443, port}), **more)


def get(url: str, **more) -> HttpRequest:
    return HttpRequest(method="GET", destination=read_url(url), is_repeatable=True, **more)


def access_to_rebind(port: int) -> Access:
    return Access(domains=read_domains(["rebind.example"]), ports=frozenset({port}))


def strict_client(policy: AddressPolicy, names: Names):
    return open_client(policy=policy, resolver=names, inside="")


def to(location: str, status: int = 302):
    return lambda _request: web.Response(status=status, headers={"Location": location})


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "①②⑦.0.0.1", "[::127.0.0.1]"],
)
async def test_an_address_of_this_machine_is_not_connected_to(host):
    witness = Witness()
    async with serving(witness) as port, open_client(inside="", resolver=Names()) as client:
        with pytest.raises(ForbiddenAddressError):
            await client.call(get(f"http://{host}:{port}/"), anywhere(port))
    assert witness.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 - nothing is bound
        "::1",
        "::ffff:127.0.0.1",
        "::",
        "10.0.0.1",
        "169.254.169.254",
        "fd00:ec2::254",
        "168.63.129.16",
        "100.100.100.200",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
async def test_a_name_that_leads_inside_is_not_connected_to(answer):
    witness = Witness()
    names = Names({"evil.example": [answer]})
    async with serving(witness) as port, open_client(inside="", resolver=names) as client:
        with pytest.raises(ForbiddenAddressError, match="inside a private network"):
            await client.call(get(f"http://evil.example:{port}/"), anywhere(port))
    assert witness.seen == []


async def test_the_second_answer_of_a_rebinding_resolver_is_checked_like_the_first():
    """The first answer is allowed; with the next connection the name is somewhere else."""
    witness = Witness(lambda _request: web.Response(status=204, headers={"Connection": "close"}))
    names = Names({"a.rebind.example": ["127.0.0.1"], "b.rebind.example": ["127.0.0.2"]})
    only = AddressPolicy(networks=(read_network("127.0.0.1"),))
    async with (
        serving(witness) as port,
        open_client(policy=only, resolver=names, inside="") as client,
    ):
        response = await client.call(
            get(f"http://a.rebind.example:{port}/"), access_to_rebind(port)
        )
        assert response.status == 204
        with pytest.raises(ForbiddenAddressError):
            await client.call(get(f"http://b.rebind.example:{port}/"), access_to_rebind(port))
    assert len(witness.seen) == 1


async def test_a_name_that_moves_inside_between_two_calls_is_not_followed(monkeypatch):
    witness = Witness(lambda _request: web.Response(headers={"Connection": "close"}))
    names = Names({"rebind.example": ["127.0.0.1", "127.0.0.2"]})
    monkeypatch.setattr("aiohttp.connector._DNSCacheTable.expired", lambda *_: True)
    only = AddressPolicy(networks=(read_network("127.0.0.1"),))
    async with (
        serving(witness) as port,
        open_client(policy=only, resolver=names, inside="") as client,
    ):
        await client.call(get(f"http://rebind.example:{port}/"), access_to_rebind(port))
        with pytest.raises(ForbiddenAddressError):
            await client.call(get(f"http://rebind.example:{port}/"), access_to_rebind(port))
    assert names.asked == ["rebind.example", "rebind.example"]
    assert len(witness.seen) == 1


async def test_what_is_not_in_the_allow_list_is_not_even_looked_up():
    names = Names({"evil.example": ["127.0.0.1"]})
    access = Access(domains=read_domains(["good.example"]))
    async with open_client(resolver=names) as client:
        with pytest.raises(ToolError, match=r"evil\.example may not be called"):
            await client.call(get("http://evil.example/"), access)
        with pytest.raises(ToolError, match="may not be called"):
            await client.call(get("http://good.example.evil.example/"), access)
    assert names.asked == []


async def test_an_empty_allow_list_allows_nothing():
    async with open_client() as client:
        with pytest.raises(ToolError, match="allowed: none"):
            await client.call(get("https://example.com/"), Access())


@pytest.mark.parametrize("port", [22, 25, 6379, 5432, 8080])
async def test_other_ports_are_not_called(port):
    access = Access(domains=Domains(frozenset({"*"})))
    async with open_client() as client:
        with pytest.raises(ToolError, match=f"port {port} may not be called"):
            await client.call(get(f"http://good.example:{port}/"), access)


async def test_a_site_that_may_be_read_may_not_be_written_to():
    access = Access(read_domains=Domains(frozenset({"*"})))
    request = HttpRequest(method="POST", destination=read_url("https://good.example/"))
    async with open_client() as client:
        with pytest.raises(ToolError, match="may only be read"):
            await client.call(request, access)


@pytest.mark.parametrize("host", ["127.0.0.1", "public.example"])
async def test_a_permitted_network_is_open_to_named_hosts_and_not_to_every_site(host):
    witness = Witness()
    names = Names({"public.example": ["127.0.0.1"]})
    only = AddressPolicy(networks=(read_network("127.0.0.0/8"),))
    async with serving(witness) as port, strict_client(only, names) as client:
        named = Access(read_domains=read_domains(["*", host]), ports=frozenset({port}))
        every = Access(read_domains=read_domains(["*"]), ports=frozenset({port}))
        assert (await client.call(get(f"http://{host}:{port}/"), named)).status == 200
        with pytest.raises(ForbiddenAddressError):
            await client.call(get(f"http://{host}:{port}/"), every)
    assert len(witness.seen) == 1


# -- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "//127.0.0.1:{port}/",
        "http://inside.example:{port}/",
    ],
)
async def test_a_redirect_inside_is_not_followed(target):
    witness = Witness()
    names = Names({"good.example": ["127.0.0.1"], "inside.example": ["127.0.0.1"]})
    async with serving(witness) as inner:
        door = Witness(to(target.format(port=inner)))
        async with (
            serving(door) as port,
            open_client(inside="good.example", resolver=names) as client,
        ):
            access = Access(domains=Domains(frozenset({"*"})), ports=frozenset({port, inner}))
            with pytest.raises(ForbiddenAddressError):
                await client.call(get(f"http://good.example:{port}/"), access)
    assert len(door.seen) == 1
    assert witness.seen == []


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://evil.example/", r"evil\.example may not be called"),
        ("//evil.example/", r"evil\.example may not be called"),
        ("https://good.example:22/", "port 22 may not be called"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://good.example/", "must begin with https"),
        ("http://user:pw@good.example/", "user or a password"),
        ("http://0x7f.1/", "unusual notation"),
        ("http://[", "malformed address"),
    ],
)
async def test_a_redirect_passes_the_same_checks_as_the_first_address(target, words):
    witness = Witness(to(target))
    async with serving(witness) as port, open_client() as client:
        access = Access(domains=read_domains(["good.example"]), ports=frozenset({80, 443, port}))
        with pytest.raises(ToolError, match=words):
            await client.call(get(f"http://good.example:{port}/"), access)
    assert len(witness.seen) == 1


async def test_redirects_end():
    witness = Witness(to("/again"))
    async with serving(witness) as port, open_client(redirects=5) as client:
        with pytest.raises(ToolError, match="more than 5 redirects"):
            await client.call(get(f"http://good.example:{port}/"), anywhere(port))
    assert len(witness.seen) == 6


async def test_a_redirect_within_reach_is_followed_and_named():
    def answer(request):
        return to("/end?x=1")(request) if request.path == "/" else web.Response(text="here")

    async with serving(Witness(answer)) as port, open_client() as client:
        response = await client.call(get(f"http://good.example:{port}/"), anywhere(port))
    assert response.body == b"here"
    assert str(response.destination.url) == f"http://good.example:{port}/end?x=1"


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (301, "GET", b""),
        (302, "GET", b""),
        (303, "GET", b""),
        (307, "POST", b"b"),
        (308, "POST", b"b"),
    ],
)
async def test_what_was_posted_is_posted_again_only_where_the_server_says_so(status, method, body):
    def answer(request):
        return to("/end", status)(request) if request.path == "/" else web.Response()

    witness = Witness(answer)
    async with serving(witness) as port, open_client() as client:
        request = HttpRequest(
            method="POST", destination=read_url(f"http://good.example:{port}/"), body=b"b"
        )
        await client.call(request, anywhere(port))
    assert witness.seen[-1].method == method
    assert witness.bodies[-1] == body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_change_that_was_allowed_for_one_server_is_not_made_on_another(method):
    """Who approved the call saw the first address; the second may be one of the same allow list."""
    inner = Witness()
    async with serving(inner) as other:
        door = Witness(to(f"http://intranet.example:{other}/everything", 307))
        async with serving(door) as port, open_client() as client:
            access = Access(
                domains=read_domains(["good.example", "intranet.example"]),
                ports=frozenset({port, other}),
            )
            address = read_url(f"http://good.example:{port}/")
            request = HttpRequest(method=method, destination=address, body=b"b")
            response = await client.call(request, access)
    assert (response.status, len(door.seen), inner.seen) == (307, 1, [])
    assert response.header("Location").endswith("/everything")


# -- secrets and cookies -------------------------------------------------------------------------


def secret_for(host: str, **more) -> tuple[HostSecret, ...]:
    return (HostSecret(host=host, value=SECRET, plain_http=True, **more),)


async def test_a_secret_goes_to_its_own_server():
    witness = Witness()
    async with serving(witness) as port, open_client() as client:
        access = anywhere(port, secrets=secret_for("good.example"))
        for host in ("good.example", "sub.good.example", "evil.example"):
            await client.call(get(f"http://{host}:{port}/"), access)
    assert witness.headers("Authorization") == [f"Bearer {SECRET}", None, None]


async def test_a_secret_stays_behind_when_a_redirect_leads_to_another_server():
    elsewhere = Witness(to("http://good.example:{}/back"))
    async with serving(elsewhere) as other:
        home = Witness(
            lambda r: to(f"http://evil.example:{other}/")(r) if r.path == "/" else web.Response()
        )
        async with serving(home) as port, open_client() as client:
            elsewhere.answer = to(f"http://good.example:{port}/back")
            access = Access(
                domains=Domains(frozenset({"*"})),
                ports=frozenset({port, other}),
                secrets=(*secret_for("good.example"), *secret_for("evil.example", query="key")),
            )
            request = get(
                f"http://good.example:{port}/", headers={"x-mine": "1", "accept": "text/html"}
            )
            await client.call(request, access)
    assert home.headers("Authorization") == [f"Bearer {SECRET}", None]
    assert elsewhere.headers("Authorization") == [None]
    assert elsewhere.headers("x-mine") == [None]
    assert elsewhere.headers("accept") == ["text/html"]
    assert elsewhere.seen[0].query_string == ""


async def test_a_secret_stays_with_its_server_within_a_redirect():
    witness = Witness(lambda r: to("/end")(r) if r.path == "/" else web.Response())
    async with serving(witness) as port, open_client() as client:
        access = anywhere(port, secrets=secret_for("good.example", header=None, query="key"))
        request = get(f"http://good.example:{port}/")
        response = await client.call(request, access)
    assert [request.query["key"] for request in witness.seen] == ["Bearer " + SECRET] * 2
    assert SECRET not in str(response.destination.url)


async def test_a_secret_is_not_sent_unencrypted():
    access = Access(
        domains=read_domains(["good.example"]),
        secrets=(HostSecret(host="good.example", value=SECRET),),
    )
    names = Names()
    async with open_client(resolver=names) as client:
        with pytest.raises(ToolError, match=r"call good\.example by https"):
            await client.call(get("http://good.example/"), access)
    assert names.asked == []


async def test_no_cookie_passes_from_one_call_to_the_next():
    def answer(_request):
        response = web.Response()
        response.set_cookie("session", "of-another-task")
        return response

    witness = Witness(answer)
    async with serving(witness) as port, open_client() as client:
        for _ in range(2):
            await client.call(get(f"http://good.example:{port}/"), anywhere(port))
    assert witness.headers("Cookie") == [None, None]


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    witness = Witness()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with serving(witness) as port, open_client() as client:
        await client.call(get(f"http://good.example:{port}/"), anywhere(port))
    assert len(witness.seen) == 1


def test_secrets_are_in_no_printed_value():
    secret = HostSecret(host="good.example", value=SECRET)
    access = Access(domains=read_domains(["good.example"]), secrets=(secret,))
    dressed = access.credentials(read_url("https://good.example/"))

    assert SECRET in str(dict(dressed.headers))
    assert SECRET not in f"{secret!r} {access!r} {dressed!r}"


def test_private_networks_are_opened_by_address_network_or_domain():
    private = read_private(["10.0.3.7", "192.168.0.0/16", "[fd12::1]", "intranet.example"])

    assert [str(network) for network in private.policy.networks] == [
        "10.0.3.7/32",
        "192.168.0.0/16",
        "fd12::1/128",
    ]
    assert private.domains.holds("wiki.intranet.example")


@pytest.mark.parametrize("entry", ["*", "8.8.8.8", "0.0.0.0/0", "169.254.169.254", "a b"])
def test_what_is_not_private_cannot_be_opened_as_such(entry):
    with pytest.raises(ValueError, match=r".+"):
        read_private([entry])
