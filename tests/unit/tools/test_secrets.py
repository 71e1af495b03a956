import base64
import html
import json
import re
import string
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tools.secrets import MIN_SECRET_CHARS, REDACTED, Secrets

SECRET = "s3cr3t/K+y=~&<é>"  # noqa: S105 - made up
secret_values = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=MIN_SECRET_CHARS
)
around = st.binary(max_size=40)


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
        quote_plus(SECRET),
        quote(quote(SECRET, safe=""), safe=""),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET).replace("/", "\\/")[1:-1],
        html.escape(SECRET),
        "".join(f"&#{ord(char)};" for char in SECRET),
        "".join(f"&#x{ord(char):04X};" for char in SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
    ],
)
def test_an_echo_of_a_secret_is_blotted_out_in_every_form(echo):
    cleaned = Secrets([SECRET]).redact(f"before {echo} behind")

    assert REDACTED in cleaned
    assert echo not in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.rstrip("=").endswith(" behind")


KEY_FILE = "-----BEGIN KEY-----\n" + 'ab/c+"d<e&f\n' * 150 + "-----END KEY-----\n"


@pytest.mark.parametrize(
    "echo",
    [
        KEY_FILE,
        json.dumps(KEY_FILE)[1:-1],
        json.dumps(json.dumps(KEY_FILE))[1:-1],
        html.escape(KEY_FILE),
        quote(KEY_FILE),
        quote(KEY_FILE, safe=""),
        quote_plus(KEY_FILE),
        base64.b64encode(b"x" + KEY_FILE.encode()).decode(),
        KEY_FILE.encode().hex(),
    ],
)
def test_an_echo_of_a_key_file_is_blotted_out_as_well(echo):
    cleaned = Secrets([KEY_FILE]).redact(f"before {echo} behind")

    assert REDACTED in cleaned
    assert len(cleaned) < 60


def test_no_pattern_is_made_of_a_long_secret_for_that_takes_a_second():
    assert Secrets([KEY_FILE])._escaped is None
    assert Secrets([KEY_FILE, SECRET]).redact(f"{KEY_FILE} {quote(SECRET)}") == (
        f"{REDACTED} {REDACTED}"
    )


@given(secret=secret_values, before=around, behind=around, alphabet=st.sampled_from([b"+/", b"-_"]))
def test_a_secret_inside_base64_of_something_longer_cannot_be_read(
    secret, before, behind, alphabet
):
    encoded = base64.b64encode(before + secret.encode() + behind, alphabet).decode()

    cleaned = Secrets([secret]).redact(encoded)

    assert REDACTED in cleaned
    pieces = [piece for piece in cleaned.rstrip("=").split(REDACTED) if piece]
    assert all(secret.encode() not in _decoded(piece, alphabet) for piece in pieces)


def _decoded(piece: str, alphabet: bytes) -> bytes:
    whole = piece[: len(piece) // 4 * 4]
    return base64.b64decode(whole, alphabet)


@given(secret=secret_values, text=st.text(), data=st.data())
def test_nothing_of_a_secret_is_left_however_it_is_percent_encoded(secret, text, data):
    pieces = [
        "".join(f"%{byte:02x}" for byte in char.encode()) if data.draw(st.booleans()) else char
        for char in secret
    ]

    cleaned = Secrets([secret]).redact(f"{text}{''.join(pieces)}{text}")

    assert "".join(pieces) not in cleaned or "".join(pieces) in REDACTED


@given(secrets=st.lists(secret_values, max_size=4), text=st.text())
def test_redacting_twice_changes_nothing_more_than_once(secrets, text):
    known = Secrets(secrets)
    once = known.redact(text + "".join(secrets))

    assert all(secret in REDACTED or secret not in once for secret in secrets)
    assert known.redact(once) == once or any(secret in REDACTED for secret in secrets)


@given(text=st.text(alphabet=string.ascii_letters + string.punctuation + " "))
def test_text_without_a_secret_is_left_as_it_is(text):
    assert Secrets(["Zq9!Zq9!Zq9!"]).redact(text) == text


@pytest.mark.parametrize("char", ["\\", "%", "&", "=", "a"])
def test_no_text_takes_exponential_time(char):
    assert Secrets([char * 40 + "b"]).redact(char * 20_000) == char * 20_000


def test_the_longer_of_two_secrets_goes_first():
    known = Secrets(["abcdef", "abcdefghij"])

    assert known.redact("abcdefghij abcdef") == f"{REDACTED} {REDACTED}"


LONG = "xapp-1-A0123456789-1234567890123-" + "0a1b2c3d" * 8


@pytest.mark.parametrize(
    "printed",
    [
        base64.encodebytes(f"token: {LONG}\n".encode()).decode(),
        base64.encodebytes(LONG.encode()).decode().replace("\n", "\r\n"),
        "\n".join(re.findall(".{1,60}", LONG.encode().hex())),
        "\n  ".join(re.findall(".{1,20}", LONG)),
    ],
    ids=["base64", "base64 with CRLF", "hex", "plain and indented"],
)
def test_a_secret_that_is_broken_over_lines_is_found(printed):
    cleaned = Secrets([LONG]).redact(f"before\n{printed}\nbehind\n")

    joined = re.sub(r"\s", "", cleaned)
    assert REDACTED in cleaned
    assert LONG not in joined
    assert LONG.encode().hex() not in joined
    assert base64.b64encode(LONG.encode()).decode()[8:40] not in joined
    assert cleaned.startswith("before\n")
    assert cleaned.endswith("behind\n")


@given(secret=secret_values, data=st.data())
def test_a_secret_is_found_wherever_a_line_ends_in_it(secret, data):
    ends = st.sampled_from(["", "", "\n", "\r\n", "\n\t "])
    broken = secret[0] + "".join(data.draw(ends) + char for char in secret[1:])

    cleaned = Secrets([secret]).redact(f"before\n{broken}\nbehind")

    assert REDACTED in cleaned
    assert broken not in cleaned or broken in REDACTED


def test_lines_without_a_secret_stay_as_they_are():
    text = "one\ntwo\r\n  three\n" * 100
    assert Secrets([LONG, SECRET]).redact(text) == text


def test_in_what_is_no_text_secrets_are_overwritten_and_nothing_moves():
    wide = SECRET.encode("utf-16-le")
    data = b"\0\1" + SECRET.encode() + b"\2" + wide + base64.b64encode(SECRET.encode()) + b"\3"

    masked = Secrets([SECRET]).mask_bytes(data)

    assert len(masked) == len(data)
    assert SECRET.encode() not in masked
    assert wide not in masked
    assert base64.b64encode(SECRET.encode())[:-2] not in masked
    assert (masked[:2], masked[-1:]) == (b"\0\1", b"\3")


@pytest.mark.parametrize(
    ("text", "count"),
    [("it is hunter2 ", 8), ("it is h", 1), ("it is hunter2 hunter", 14), ("hunter3", 0), ("", 0)],
)
def test_the_end_of_a_text_may_be_the_beginning_of_a_secret(text, count):
    assert Secrets(["hunter2 hunter2"]).could_begin(text) == count


def test_a_value_too_short_to_be_a_secret_blots_out_no_words():
    assert Secrets(["the"]).redact("the cat") == "the cat"


def test_no_secrets_change_nothing():
    assert Secrets().redact("a%20b&c") == "a%20b&c"


def test_bytes_lose_their_plain_secrets():
    assert Secrets([SECRET]).redact_bytes(b"\x00" + SECRET.encode()) == b"\x00[secret]"


def test_what_is_printed_of_secrets_is_their_number():
    assert repr(Secrets([SECRET, "another-one"])) == "Secrets(2)"
