import asyncio
import base64
import re
import threading
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_engine import long_texts
from agent_engine.long_texts import each_match, in_turn, pieces_of, replaced
from agent_engine.redaction import Redaction
from agent_engine.tools.shorten import plain_copy
from tests.unit.engine.test_redaction import AROUND, EVERY, ORDINARY

SMALL = 50
KEY_FILE = "-----BEGIN PRIVATE KEY-----\nMIIEow" + "Ab1/" * 80 + "\n-----END PRIVATE KEY-----\n"
CONFIGURED = ("correct horse battery", "a&b%c\\d e", "größe\n\u20ac🙂", KEY_FILE)
"""With blanks, with what is escaped, with what is many bytes, and of many lines."""


@contextmanager
def cut_into(chars):
    """Look at so much in one go."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_texts, "PIECE", chars)
        yield


def broken(value, width):
    encoded = base64.b64encode(value.encode()).decode()
    return "\n  ".join(encoded[at : at + width] for at in range(0, len(encoded), width))


def escaped(value, repeats):
    return "".join(f"%{'25' * repeats}{byte:02X}" for byte in value.encode())


FRAGMENTS = (
    *("-----BEGIN RSA ", "PRIVATE KEY-----", "-----END ", "://", "ann:", "@", "eyJ", ".eyJ", "."),
    *("sk-", "xoxb-", "access_key", " = ", "uthorization: Bearer ", "\n", " ", "\\", "%5C", "-"),
    *("a1B2" * 150, "-" * 600, "a" * 9, "\n" * 70, "hooks.slack.com/services/"),
)
SECRETS = [AROUND.get(kind, ("", ""))[0] + secret for kind, secret in EVERY]
ECHOES = [
    *CONFIGURED,
    *(broken(value, 7) for value in CONFIGURED),
    *(escaped(value, 3) for value in CONFIGURED[:3]),
    *(value.replace("&", "&amp;").replace("\\", "\\\\\\\\") for value in CONFIGURED[:3]),
]
texts = st.lists(
    st.sampled_from([*FRAGMENTS, *SECRETS, *ECHOES, *ORDINARY]) | st.text(max_size=60), max_size=9
).map("".join)


@settings(max_examples=400)
@given(texts)
def test_a_text_is_redacted_in_pieces_as_it_is_as_a_whole(text):
    redaction = Redaction(CONFIGURED)
    with cut_into(10**9):
        whole = redaction.redact(text), redaction.redact_file(text.encode("latin-1", "replace"))
    with cut_into(SMALL):
        cut = redaction.redact(text), redaction.redact_file(text.encode("latin-1", "replace"))
    assert cut == whole


@pytest.mark.parametrize("secret", [*SECRETS, *ECHOES], ids=range(len(SECRETS) + len(ECHOES)))
def test_a_secret_is_found_wherever_a_piece_ends(secret):
    redaction = Redaction(CONFIGURED)
    with cut_into(10**9):
        shown = redaction.redact(f" {secret} \n")
    assert shown != f" {secret} \n"
    with cut_into(SMALL):
        for before in range(2 * SMALL):
            filler = "." * before
            assert redaction.redact(f"{filler} {secret} \n") == f"{filler}{shown}"


@pytest.mark.parametrize(
    ("begins", "goes_on", "ends"),
    [
        ("-----BEGIN PRIVATE KEY-----\n", "MIIE-ow\n", "-----END PRIVATE KEY-----"),
        ("eyJhbGciOi", "JIUz-I1_", ".eyJzdWIiOiIx.dozjgNryP4J3"),
        ("glpat-abcdefghij", "0123456789", ""),
    ],
)
def test_a_secret_may_go_on_through_many_pieces(begins, goes_on, ends):
    secret = begins + goes_on * 30_000 + ends
    assert len(secret) > 3 * long_texts.PIECE
    filler = "The report says so.\n" * 10_000
    redacted = Redaction(CONFIGURED).redact(f"{filler}{secret} {filler}")
    assert redacted.startswith(filler)
    assert redacted.endswith(filler)
    assert len(redacted) < len(filler) * 2 + 40


@given(st.text("ab\n", max_size=300), st.sampled_from(["a+b", "b(?=a{0,3}\n)", "(?<!a)b{2,}", "a"]))
def test_matches_are_those_of_one_search(text, pattern):
    compiled = re.compile(pattern)
    with cut_into(7):
        spans = [found.span() for found in each_match(compiled, text, reach=300)]
        cut = replaced(compiled, lambda found: f"<{found[0]}>", text, reach=300)
        assert "".join(pieces_of(text)) == text
    assert spans == [found.span() for found in compiled.finditer(text)]
    assert cut == compiled.sub(lambda found: f"<{found[0]}>", text)


async def test_much_is_done_aside_and_little_at_once():
    here = threading.get_ident()
    assert await in_turn(long_texts.PIECE, threading.get_ident) == here
    assert await in_turn(long_texts.PIECE + 1, threading.get_ident) != here


@pytest.mark.parametrize(
    "result",
    [{"content": "." * 100_000}, {"rows": ["."] * 2_000}, {"rows": [{"a": 1}] * 2_000}],
)
async def test_a_long_result_is_copied_aside(result):
    seen = set()

    def look(text):
        seen.add(threading.get_ident())
        return text

    async with asyncio.timeout(5):
        assert await plain_copy(result, text=look) == result
        assert threading.get_ident() not in seen
        await plain_copy({"content": "short"}, text=look)
        assert threading.get_ident() in seen
