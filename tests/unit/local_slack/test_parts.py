"""The small parts of the local workspace: ids, arguments, limits, faults, traffic, waits."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from bot.local_slack import rate_limits
from bot.local_slack.arguments import Arguments
from bot.local_slack.background import Background
from bot.local_slack.changes import ConnectionsChanged, Hub
from bot.local_slack.config import LocalWorkspaceConfig, read_config, read_manifest
from bot.local_slack.default_manifest import DEFAULT_MANIFEST
from bot.local_slack.errors import RefusedError
from bot.local_slack.faults import Faults
from bot.local_slack.http_delivery import sign
from bot.local_slack.interactions import pressed
from bot.local_slack.manifest import parse_manifest
from bot.local_slack.mint import Mint
from bot.local_slack.state import Draft, Workspace
from bot.local_slack.traffic import redact


def test_timestamps_only_grow() -> None:
    mint = Mint()
    stamps = [mint.ts() for _ in range(1000)]
    assert stamps == sorted(set(stamps))
    assert all(len(ts.partition(".")[2]) == 6 for ts in stamps)


def test_a_seed_repeats_the_ids() -> None:
    assert Mint(7).id("C") == Mint(7).id("C")
    assert Mint().id("C") != Mint().id("C")


@pytest.mark.parametrize("value", [["U1", "U2"], "U1,U2", '["U1", "U2"]', "U1, U2"])
def test_ids_are_read_however_they_are_sent(value: Any) -> None:
    assert Arguments({"users": value}).ids("users") == ["U1", "U2"]


def test_flags_and_objects_are_read_however_they_are_sent() -> None:
    for value in (True, "true", "1", 1):
        assert Arguments({"flag": value}).is_set("flag")
    for value in (False, "false", "0", None):
        assert not Arguments({"flag": value}).is_set("flag")
    for blocks in ([{"a": 1}], '[{"a": 1}]'):
        assert Arguments({"b": blocks}).objects("b", error="bad") == [{"a": 1}]


@pytest.mark.parametrize("value", ["{", "[1]", {"a": 1}])
def test_malformed_blocks_are_refused(value: Any) -> None:
    with pytest.raises(RefusedError):
        Arguments({"b": value}).objects("b", error="bad")


def test_a_burst_is_allowed_and_then_one_call_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: now[0])
    limits = rate_limits.RateLimits()
    assert [limits.take("chat.postMessage", "C1") for _ in range(5)] == [0.0] * 5
    assert limits.take("chat.postMessage", "C1") == pytest.approx(1.0)
    assert limits.take("chat.postMessage", "C2") == 0.0
    now[0] += 1.0
    assert limits.take("chat.postMessage", "C1") == 0.0
    assert limits.take("chat.postMessage", "C1") > 0.0


def test_a_workspace_has_a_limit_for_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits.time, "monotonic", lambda: 5.0)
    limits = rate_limits.RateLimits()
    waits = [limits.take("chat.update", f"C{n}") for n in range(51)]
    assert waits[:50] == [0.0] * 50
    assert waits[50] == pytest.approx(1.2)


def test_failures_are_counted_down() -> None:
    faults = Faults(fail_api={"*": {"error": "fatal_error", "times": 2}})
    assert [bool(faults.take_failure("chat.update")) for _ in range(3)] == [True, True, False]


def test_unknown_faults_are_refused_and_known_ones_merged() -> None:
    faults = Faults()
    faults.merge({"out_of_order": True, "stream_expiry_s": 2})
    assert (faults.out_of_order, faults.stream_expiry_s) == (True, 2)
    for wishes in ({"nonsense": 1}, {"out_of_order": "yes"}, {"slow_api_ms": 5}):
        with pytest.raises(RefusedError):
            faults.merge(wishes)
    faults.reset()
    assert faults == Faults()


def test_secrets_are_redacted_wherever_they_are() -> None:
    redacted = redact({"token": "t", "list": ["see xoxb-1-a and xapp-2"], "text": "fine"})
    assert redacted == {
        "token": "[redacted]",
        "list": ["see xoxb-[redacted] and xapp-[redacted]"],
        "text": "fine",
    }


def test_the_signature_is_slacks_documented_example() -> None:
    body = (
        "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        "&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        "&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F"
        "commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signature = sign("8f742231b10e8888abcd99yyyzzz85a5", timestamp="1531420618", body=body)
    assert signature == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"


def test_the_default_manifest_declares_what_the_product_uses() -> None:
    manifest = parse_manifest(DEFAULT_MANIFEST)
    assert manifest.is_agent
    assert {c.command for c in manifest.commands} >= {"/solve", "/tasks", "/agent", "/collab"}
    assert {"chat:write", "files:read", "assistant:write"} <= set(manifest.bot_scopes)
    assert {"app_mention", "message.im", "reaction_added"} <= manifest.bot_events


def test_manifests_and_configurations_are_read_from_files(tmp_path: Path) -> None:
    as_json, as_yaml = tmp_path / "m.json", tmp_path / "m.yml"
    as_json.write_text(json.dumps({"features": {"agent_view": {}}}))
    as_yaml.write_text("features: {agent_view: {}}\n")
    assert read_manifest(as_json) == read_manifest(as_yaml)
    config = tmp_path / "c.json"
    config.write_text(json.dumps({"port": 8123, "people": [{"name": "zoe"}]}))
    assert read_config(config).people[0].name == "zoe"
    as_json.write_text("[]")
    with pytest.raises(TypeError):
        read_manifest(as_json)


@pytest.mark.parametrize(
    ("element", "value", "sent"),
    [
        ({"type": "button", "value": "v"}, None, {"type": "button", "value": "v"}),
        (
            {"type": "static_select", "options": [{"value": "a", "text": "A"}]},
            "a",
            {"type": "static_select", "selected_option": {"value": "a", "text": "A"}},
        ),
        (
            {"type": "users_select"},
            "U1",
            {"type": "users_select", "selected_user": "U1"},
        ),
        (
            {"type": "datepicker"},
            "2026-11-22",
            {"type": "datepicker", "selected_date": "2026-11-22"},
        ),
    ],
)
def test_a_used_element_sends_what_was_chosen(
    element: dict[str, Any], value: Any, sent: dict[str, Any]
) -> None:
    assert pressed(element, value) == sent


def test_a_guest_is_in_general_only_and_hidden_unless_asked_for() -> None:
    def names(config: LocalWorkspaceConfig) -> set[str]:
        state = Workspace(config, mint=Mint(), hub=Hub())
        if "gus" not in {p.name for p in state.people.values()}:
            return set()
        guest = state.person("gus").id
        return {c.name for c in state.channels.values() if guest in c.members}

    assert names(LocalWorkspaceConfig()) == set()
    assert names(LocalWorkspaceConfig(with_guest=True)) == {"general"}


def test_a_reply_needs_a_root_and_a_member() -> None:
    state = Workspace(LocalWorkspaceConfig(), mint=Mint(), hub=Hub())
    general, ada = state.channel("general").id, state.person("ada").id
    with pytest.raises(RefusedError, match="thread_not_found"):
        state.post(Draft(channel=general, user=ada, text="x", thread_ts="1.000000"))
    with pytest.raises(RefusedError, match="not_in_channel"):
        state.post(Draft(channel="secret", user=state.person("linus").id, text="x"))


async def test_the_hub_wakes_whoever_waits_for_the_next_change() -> None:
    hub = Hub()
    heard: list[Any] = []
    stop = hub.listen(heard.append)
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(hub.next_change())
        await asyncio.sleep(0)
        hub.publish(ConnectionsChanged(connected=1))
    stop()
    hub.publish(ConnectionsChanged(connected=2))
    assert [change.connected for change in heard] == [1]


async def test_a_bug_in_background_work_is_raised_at_the_end() -> None:
    async def fail() -> None:
        raise RuntimeError("bug")

    background = Background()
    await background.__aenter__()
    background.start(fail())
    await asyncio.sleep(0)
    with pytest.raises(ExceptionGroup, match="background work"):
        await background.__aexit__(None, None, None)


async def test_background_work_that_never_began_is_dropped_quietly() -> None:
    began: list[int] = []

    async def work() -> None:
        began.append(1)

    async with Background() as background:
        background.start(work())
    assert began == []
