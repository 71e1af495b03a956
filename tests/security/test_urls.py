import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.errors import ToolError
from agent_engine.tools.http.urls import AddressError, read_domain, read_domains, read_url


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("https://example.com", "example.com", 443),
        ("http://EXAMPLE.com./a?b=c#d", "example.com", 80),
        ("https://example.com:8443/x", "example.com", 8443),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://\uff45xample.com/", "example.com", 443),
        ("http://10.0.0.1/", "10.0.0.1", 80),
        ("http://[2606:4700::1]/", "2606:4700::1", 80),
        ("http://[::FFFF:127.0.0.1]/", "::ffff:7f00:1", 80),
        ("http://①②⑦.0.0.1/", "127.0.0.1", 80),
        ("http://127。0。0。1/", "127.0.0.1", 80),
        ("http://a_b.example/", "a_b.example", 80),
    ],
)
def test_the_host_that_is_checked_is_the_host_that_is_called(text, host, port):
    destination = read_url(text)

    assert (destination.host, destination.port) == (host, port)
    assert destination.url.raw_host == host
    assert destination.url.fragment == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com",
        "//example.com/",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
        "data:text/html,x",
        "javascript:alert(1)",
        "http:/example.com",
        "http:example.com",
        "http:///example.com",
        "http://",
        "http://user@example.com/",
        "http://user:password@example.com/",
        "http://@example.com/",
        "http://:@example.com/",
        "http://example.com\\@evil.example/",
        "http://example.com/\r\nHost: evil",
        "http://exam\tple.com/",
        "http://exam ple.com/",
        "http://example.com/\u2028",
        "http://example.com:0x50/",
        "http://example.com:99999/",
        "http://example.com:-1/",
        "http://exam%70le.com/",
        "http://%31%32%37.0.0.1/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.1/",
        "http://127.0.0.1.1/",
        "http://127.0.0.0x1/",
        "http://0/",
        "http://[::1%25lo]/",
        "http://[fe80::1%eth0]/",
        "http://[::1/",
        "http://::1/",
        "http://[::ffff:0x7f.1]/",
        "http://[v1.x]/",
        "http://a..b/",
        "http://.example.com/",
        "http://-a.example/",
        "http://a-.example/",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 140}example/",
        "http://*.example.com/",
        "http://exa<mple.com/",
        f"https://example.com/{'a' * 9_000}",
    ],
)
def test_an_odd_address_is_refused(text):
    with pytest.raises(AddressError):
        read_url(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    for candidate in (text, f"http://{text}", f"https://{text}/", f"http://h:{text}"):
        try:
            destination = read_url(candidate)
        except ToolError:
            continue
        assert destination.url.raw_host == destination.host
        assert destination.url.scheme in ("http", "https")
        assert read_url(str(destination.url)) == destination


def test_a_domain_includes_what_is_below_it_and_nothing_beside_it():
    domains = read_domains(["Example.com.", "bücher.example", "10.0.3.7", "[fd12::1]"])

    for host in ("example.com", "a.example.com", "a.b.example.com", "xn--bcher-kva.example"):
        assert domains.holds(host)
    for host in ("notexample.com", "example.com.evil.org", "com", "", "example.co"):
        assert not domains.holds(host)
    assert domains.holds("10.0.3.7")
    assert domains.holds("fd12::1")


def test_no_domains_hold_nothing():
    assert not read_domains([]).holds("example.com")
    assert not read_domains([])


def test_a_star_holds_every_host():
    assert read_domains(["*"]).holds("anything.example")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "*.example.com",
        "https://example.com",
        "example.com/path",
        "example.com:80",
        "a b",
        "a@b",
    ],
)
def test_what_is_no_domain_is_refused(name):
    with pytest.raises(ValueError, match="is not a domain"):
        read_domain(name)
