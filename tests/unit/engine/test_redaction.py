import base64
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.models.scripted import ScriptedModel
from agent_engine.ports import Image, ModelRequest, Role, Turn
from agent_engine.redaction import RedactingModel, Redaction

WELL_KNOWN = {
    "Slack token": [
        "xoxb-123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
        "xoxp-1-2-3-abcdef",
        "xoxe.xoxb-1-abcdef",
        "xapp-1-A012ABCD-123456-abcdef0123456789",
    ],
    "Slack webhook": ["services/T0001/B0001/abcdefghijklmnopqrstuvwx"],
    "API key": ["sk-proj-abcdefgh123", "sk-ant-api03-AbCdEf-123", "sk-abcdefghij0123456789abcd"],
    "Stripe key": ["sk_live_4eC39HqLyjWDarjtT1zdp7dc"],
    "AWS key": ["AKIAIOSFODNN7EXAMPLE"],
    "GitHub token": ["ghp_" + "a1B2" * 9, "github_pat_" + "11ABC_" * 5],
    "GitLab token": ["glpat-abcdefghij0123456789"],
    "Google key": ["AIza" + "Sy0-_" * 7, "ya29.a0AfH6SMBx-abcdefghijkl", "GOCSPX-" + "a1" * 12],
    "JWT": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"],
    "private key": [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIEow that is cut",
    ],
}
AROUND = {"Slack webhook": ("https://hooks.slack.com/", "")}
EVERY = [(kind, secret) for kind, secrets in WELL_KNOWN.items() for secret in secrets]

ORDINARY = [
    "ask-me-anything-please, a task-identifier-long and the sk-learn pipeline",
    "pip install sk-video; risk-free-investments-in-the-long-run",
    "xoxo, your friend. The xapp-handler was renamed.",
    "https://example.com:8080/path?user=ann@example.com and mailto:ann@example.com",
    "see http://localhost:3000/a:b@c and git@github.com:org/repo.git",
    "Bearer authentication is described in RFC 6750; the bearer of this letter",
    "the AKIA prefix, the ASIA region, AIza and ghp_ are explained below",
    "commit 0123456789abcdef0123456789abcdef01234567 of 2026-11-22T10:00:00Z",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "the public part: -----BEGIN PUBLIC KEY-----\nMIIBIjANBg\n-----END PUBLIC KEY-----",
    "eyJ is how JSON begins in base64; Authorization: see below; access_key = os.environ[KEY]",
    "C0123ABCD U0456EFGH 1700000000.000100 F09ABCDEF run:01J9ZK:answer:0",
    "SELECT * FROM t WHERE a = 'b' -- 100% & more + \\u00e9 =3D",
]

secrets = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=6).filter(
    lambda value: len(set(value)) > 3
)


@pytest.mark.parametrize(("kind", "secret"), EVERY)
def test_well_known_credentials_are_taken_out_wherever_they_stand(kind, secret):
    before, after = AROUND.get(kind, ("", ""))
    redaction = Redaction()
    for left, right in (("", ""), ("use ", " now"), ('{"k": "', '"}'), ("`", "`"), ("=", ",")):
        text = f"{left}{before}{secret}{after}{right}"
        behind = "" if secret.endswith("cut") else after + right  # it takes the rest with it
        assert redaction.redact(text) == f"{left}{before}[redacted: {kind}]{behind}"


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay_as_they_are(text):
    assert Redaction().redact(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://ann:pass@db/x", "postgresql://[redacted: login]@db/x"),
        ("redis://:pass@db", "redis://[redacted: login]@db"),
        (
            "Authorization: Bearer abcdefghijk",
            "Authorization: Bearer [redacted: authorization]",
        ),
        (
            '{"authorization": "Basic YW5uOnBhc3M="}',
            '{"authorization": "Basic [redacted: authorization]"}',
        ),
        (
            "curl -H 'x: Bearer 0123456789abcdefghij'",
            "curl -H 'x: Bearer [redacted: authorization]'",
        ),
        (
            "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "aws_secret_access_key = [redacted: AWS key]",
        ),
    ],
)
def test_what_surrounds_a_credential_is_kept(text, shown):
    assert Redaction().redact(text) == shown


@given(secret=secrets)
def test_a_configured_secret_is_found_plain_in_json_in_addresses_and_in_base64(secret):
    redaction = Redaction([secret])
    forms = [secret, json.dumps(secret)[1:-1], quote(secret, safe="")]
    if "\\" not in secret:
        forms.append(json.dumps(json.dumps(secret)[1:-1])[1:-1])
    forms.append(base64.b64encode(secret.encode()).decode().rstrip("="))
    for form in forms:
        assert form not in redaction.redact(f"\n{form}\n")


@given(st.text(max_size=300))
def test_redacting_twice_changes_nothing_more(text):
    redaction = Redaction(["correct horse", "xoxb-1-2-abc"])
    once = redaction.redact(text)
    assert redaction.redact(once) == once


@given(st.lists(st.sampled_from([s for _, s in EVERY] + ORDINARY), max_size=6))
def test_mixtures_are_redacted_once_and_for_all(pieces):
    redaction = Redaction()
    once = redaction.redact(" ".join(pieces))
    assert redaction.redact(once) == once
    assert not any(s in once for k, s in EVERY if not s.startswith("services"))


def test_values_are_redacted_at_any_depth_in_their_shape():
    redaction = Redaction(["hunter2hunter2"])
    value = {"a hunter2hunter2": [1, None, True, ("hunter2hunter2", b"hunter2hunter2")]}
    shown = {"a [secret]": [1, None, True, ["[secret]", b"hunter2hunter2"]]}
    assert redaction.redact_value(value) == shown


def test_what_nests_without_end_is_cut_off():
    value = []
    for _ in range(100):
        value = [value, "hunter2hunter2"]
    assert "hunter2" not in json.dumps(Redaction(["hunter2hunter2"]).redact_value(value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32", "cp1252", "utf-8-sig"])
def test_text_files_are_redacted_in_their_own_encoding(encoding):
    redaction = Redaction(["hunter2hunter2"])
    content = "größe;hunter2hunter2;xoxb-1-2-abc\n".encode(encoding)
    cleaned = redaction.redact_file(content)
    assert cleaned.decode(encoding) == "größe;[secret];[redacted: Slack token]\n"


def test_in_other_files_configured_secrets_are_overwritten_and_nothing_moves():
    redaction = Redaction(["hunter2hunter2"])
    content = b"\0\xffhunter2hunter2 xoxb-1-2-abc\1"
    assert redaction.redact_file(content) == b"\0\xff************** xoxb-1-2-abc\1"


@pytest.mark.parametrize("content", [b"\0\1\2", b"\xff\xfe\0", b"\xff\xd8\xff\xe0\0\x10JFIF", b""])
def test_a_file_without_a_secret_is_left_as_it_is(content):
    assert Redaction(["hunter2hunter2"]).redact_file(content) == content


@pytest.mark.parametrize(
    ("growing", "shown"),
    [
        ("it is correct horse batt", "it is "),
        ("it is correct horse battery. And", "it is [secret]. And"),
        ("-----BEGIN PRIVATE KEY-----\nMIIE", "[redacted: private key]"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow\nabc\n", "[redacted: private key]"),
        ("the key: -----BEGIN RSA PRI", "the key: "),
        ("the key: ---", "the key: "),
        ("| a |\n| --- |\n", "| a |\n| --- |\n"),
        ("nothing here", "nothing here"),
    ],
)
def test_of_a_growing_text_no_half_of_a_secret_is_shown(growing, shown):
    assert Redaction(["correct horse battery"]).redact_growing(growing) == shown


@pytest.mark.parametrize(
    "piece", ["://", "eyJaaaaaaaa.", "-eyJ", "sk-", "xoxb-", "a:b@", "Bearer ", "%5C", "\\"]
)
async def test_no_text_takes_long(piece):
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    Redaction(["correct horse battery staple"]).redact(text)
    assert time.process_time() - started < 5


async def test_a_model_is_told_no_secret():
    model = ScriptedModel(["ok"])
    asked = RedactingModel(model, Redaction(["hunter2hunter2"]).redact)
    image = Image(name="hunter2hunter2.png", mimetype="image/png", data=b"")
    turns = (Turn(role=Role.USER, text="it is hunter2hunter2 or xoxb-1-2-abc", images=(image,)),)
    await asked.complete(ModelRequest(turns=turns, purpose="plan"))
    (request,) = model.requests
    assert request.turns[0].text == "it is [secret] or [redacted: Slack token]"
    assert request.turns[0].images[0].name == "[secret].png"
    assert (asked.name, asked.dialect) == (model.name, model.dialect)
