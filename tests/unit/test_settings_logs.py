import io
import json
import logging

import pytest

from agent_engine.redaction import Redaction
from bot.logs import configure_logs, log_context, wants_json


@pytest.fixture
def stream():
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_carries_its_event_its_fields_and_its_context(stream):
    configure_logs(level="INFO", as_json=True, stream=stream)
    with log_context(delivery_id="Ev1", agent=""):
        logging.getLogger("bot.x").info("run_started", extra={"run_id": "r1"})
    (line,) = lines(stream)
    assert line["event"] == "run_started"
    assert (line["run_id"], line["delivery_id"], line["logger"]) == ("r1", "Ev1", "bot.x")
    assert "agent" not in line
    assert line["level"] == "info"


def test_the_context_ends_with_its_block(stream):
    configure_logs(level="INFO", as_json=True, stream=stream)
    with log_context(delivery_id="Ev1"):
        pass
    logging.getLogger("bot.x").info("later")
    assert "delivery_id" not in lines(stream)[0]


def test_secrets_are_blotted_out_of_fields_messages_and_tracebacks(stream):
    configure_logs(level="INFO", as_json=True, stream=stream)
    try:
        int("no access with xapp-1-A2-secretsecret")
    except ValueError:
        logging.getLogger("bot.x").exception(
            "failed", extra={"facts": [{"key": "sk-proj-abcdefgh123"}]}
        )
    logging.getLogger("bot.x").info("token xoxb-123-456-abc")
    text = stream.getvalue()
    assert not any(secret in text for secret in ("secretsecret", "abcdefgh123", "456-abc"))
    assert text.count("[redacted: ") >= 3


def test_what_the_mcp_library_complains_of_is_not_logged_for_it_quotes_servers(stream):
    configure_logs(level="DEBUG", as_json=True, stream=stream)
    for name in ("mcp.client.streamable_http", "client"):
        logging.getLogger(name).error("Failed to parse: what the server said")
    assert lines(stream) == []


def test_configured_secrets_are_in_no_line_however_they_are_nested(stream):
    redaction = Redaction(["correct horse battery"])
    configure_logs(level="INFO", as_json=True, stream=stream, redaction=redaction)
    nested = {"list": [("correct horse battery", ValueError("correct%20horse+battery"))]}
    with log_context(delivery_id="correct horse battery"):
        logging.getLogger("bot.x").info("failed", extra={"facts": nested})
    assert "horse" not in stream.getvalue()
    assert stream.getvalue().count("[secret]") == 3


def test_libraries_that_write_payloads_are_held_back(stream):
    configure_logs(level="DEBUG", as_json=True, stream=stream)
    logging.getLogger("slack_sdk.web").info("payload")
    logging.getLogger("slack_bolt.App").warning("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"]


def test_people_get_lines_and_machines_get_json(stream):
    assert wants_json("json")
    assert not wants_json("console", stream)
    assert wants_json("auto", stream)
    configure_logs(level="INFO", as_json=False, stream=stream)
    logging.getLogger("bot.x").info("run_started", extra={"run_id": "r1"})
    assert "run_started" in stream.getvalue()
    assert "run_id=r1" in stream.getvalue()
