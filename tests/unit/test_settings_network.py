import tomllib

import pytest

from agent_engine.tools.api_call.access import HostSecret
from bot.agents_file import parse_agents_file
from bot.settings import Purpose, SettingsError, read_settings
from bot.tables.network import ApiCallTable, ApiSecretTable

VALUE = "ghp-0123456789"
SECRET = "[tools.api_call]\ndomains = ['github.com']\n[tools.api_call.secrets.github]\n"  # noqa: S105 - made up
GITHUB = f"{SECRET}host = 'api.github.com'\nenv = 'GITHUB_TOKEN'\n"


def settings(folder, text="", **environment):
    (folder / "treadle.toml").write_text(text)
    return read_settings(Purpose.TERMINAL, environment=environment, folder=folder)


def problems(folder, text="", **environment):
    with pytest.raises(SettingsError) as raised:
        settings(folder, text, **environment)
    return raised.value.problems


def test_domains_are_read_as_they_will_be_compared():
    table = ApiCallTable(domains=("Example.COM.", "bücher.example"), read_domains=("*",))
    assert table.domains == ("example.com", "xn--bcher-kva.example")
    assert table.access({}).read_domains.holds("anything.example")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("domains = ['https://example.com']", "write it like example.com"),
        ("domains = ['*.example.com']", "write it like example.com"),
        ("domains = ['*']", "read_domains may be '*'"),
        ("domains = ['']", "at least 1 character"),
        ("read_domains = ['a/b']", "write it like example.com"),
        ("ports = [0]", "greater than or equal to 1"),
        ("allow_private = ['8.8.8.8']", "not within a private network"),
        ("allow_private = ['169.254.169.254']", "not within a private network"),
        ("allow_private = ['*']", "would open every private network"),
        ("domain = ['a.example']", "did you mean domains?"),
        ("[tools.web_search]\nprovider = 'bing'", "tools.web_search.provider"),
    ],
)
def test_a_wrong_entry_is_one_sentence_with_its_place(text, problem):
    raw = tomllib.loads(f"[tools.api_call]\n{text}\n")
    _, found = parse_agents_file(raw, name="treadle.toml")
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("host = 'api.github.com'", "env is required: add it"),
        ("host = 'api.github.com'\nenv = 'A B'", "secrets.github.env: name the environment"),
        ("host = 'api.github.com'\nenv = ''", "secrets.github.env: name the environment"),
        ("host = 'gitlab.com'\nenv = 'A'", "gitlab.com is not in domains"),
        ("host = 'x/y'\nenv = 'A'", "is not a domain"),
        ("host = 'github.com'\nenv = 'A'\nheader = 'X'\nquery = 'y'", "not both"),
        ("host = 'github.com'\nenv = 'A'\nheader = 'Host'", "cannot carry a secret"),
        ("host = 'github.com'\nenv = 'A'\nheader = 'X: Y'", "cannot carry a secret"),
        ("host = 'github.com'\nenv = 'A'\nquery = 'a b'", "not the name of a query parameter"),
        ("host = 'github.com'\nenv = 'A'\ntemplate = 'Bearer'", "template: it needs {secret}"),
        ("host = 'github.com'\nenv = 'A'\nvalue = 'x'", "value is not a setting"),
    ],
)
def test_a_wrong_secret_is_one_sentence_with_its_place(entry, problem):
    raw = tomllib.loads(SECRET + entry)
    _, found = parse_agents_file(raw, name="treadle.toml")
    assert len(found) == 1
    assert problem in found[0]


def test_a_secret_in_place_of_its_variable_is_not_shown(tmp_path):
    found = problems(tmp_path, f"{SECRET}host = 'api.github.com'\nenv = '{VALUE}'\n")
    assert "never put the secret itself here" in found[0]
    assert VALUE not in "".join(found)


@pytest.mark.parametrize(
    ("more", "secret"),
    [
        ({}, ("Authorization", None, f"Bearer {VALUE}")),
        ({"header": "X-Api-Key"}, ("X-Api-Key", None, VALUE)),
        ({"query": "key"}, (None, "key", VALUE)),
        ({"template": "token {secret}"}, ("Authorization", None, f"token {VALUE}")),
    ],
)
def test_a_secret_is_told_as_its_server_wants_it(more, secret):
    made = ApiSecretTable(host="API.github.com", env="A", **more).filled(VALUE)
    assert isinstance(made, HostSecret)
    assert made.host == "api.github.com"
    assert (made.header, made.query, made.filled) == secret


def test_the_value_of_a_secret_comes_from_the_environment(tmp_path):
    read = settings(tmp_path, GITHUB, GITHUB_TOKEN=f" {VALUE}\n")
    assert read.variables["GITHUB_TOKEN"].get_secret_value() == VALUE
    assert VALUE not in repr(read)


@pytest.mark.parametrize(
    ("value", "problem"),
    [("", "GITHUB_TOKEN is missing"), ("short", "cannot be a secret"), ("aaa\nbbb", "cannot be")],
)
def test_a_secret_without_a_useful_value_stops_the_start(value, problem, tmp_path):
    (found,) = problems(tmp_path, GITHUB, GITHUB_TOKEN=value)
    assert problem in found


def test_a_provider_that_is_named_needs_its_key(tmp_path):
    text = "[tools.web_search]\nprovider = 'brave'\n"
    assert problems(tmp_path, text, TAVILY_API_KEY=VALUE) == (
        "BRAVE_API_KEY is missing: set it, or name another tools.web_search.provider.",
    )
    assert settings(tmp_path, text, BRAVE_API_KEY=VALUE).search_providers["brave"] == VALUE


@pytest.mark.parametrize(
    "url", ["searx.example", "ftp://h/", "http://user:password@h/", "http://h:0x5/"]
)
def test_an_address_of_searxng_that_cannot_be_used_stops_the_start(url, tmp_path):
    (found,) = problems(tmp_path, SEARXNG_URL=url)
    assert found.startswith("SEARXNG_URL: give the address of a SearXNG: the url")


def test_every_secret_is_known_for_redaction(tmp_path):
    read = settings(
        tmp_path,
        GITHUB,
        GITHUB_TOKEN=VALUE,
        SLACK_BOT_TOKEN="xoxb-1",  # noqa: S106 - made up
        OPENAI_API_KEY="sk-1",
        BRAVE_API_KEY="brave-1",
        TREADLE_DATABASE_URL="postgresql://me:pass-1@h/db",
    )
    assert set(read.secret_values) == {"xoxb-1", "sk-1", "brave-1", VALUE, "pass-1"}
