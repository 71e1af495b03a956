"""What people asked for as a file: handed over once, found again after a crash, or refused."""

from dataclasses import replace

import pytest

from agent_engine.memories import Export, MemoryScope
from agent_engine.types import AgentId, ChannelId, UserId, WorkspaceId
from bot.errors import SlackRefusedError, SlackUnavailableError
from bot.outbound.exports import Exports
from bot.outbound.slack_values import Page
from tests.fakes.stores import FakeLeases

HERE = MemoryScope(
    workspace_id=WorkspaceId("T1"), channel_id=ChannelId("C1"), agent_id=AgentId("a1")
)
ASKED = Export(id="0123456789", scope=HERE, by=UserId("U1"), is_begun=False)


class Rows:
    """What was asked for."""

    def __init__(self, *exports):
        self.exports = {export.id: export for export in exports}

    async def asked_for(self, _workspace_id):
        return list(self.exports.values())

    async def begun(self, export_id):
        self.exports[export_id] = replace(self.exports[export_id], is_begun=True)

    async def settled(self, export_id):
        self.exports.pop(export_id, None)


class Book:
    """No memories at all."""

    async def page(self, _scope, *, kinds, offset, limit):
        assert kinds
        assert (offset, limit) == (0, 100_000)
        return []


class Slack:
    """Takes files, unless it has trouble."""

    def __init__(self, *troubles):
        self.troubles = list(troubles)
        self.files, self.said = [], []

    async def open_dm(self, user_id):
        return ChannelId(f"D-{user_id}")

    async def history(self, channel_id):
        mine = [{"files": [{"name": name}]} for place, name in self.files if place == channel_id]
        return Page(messages=tuple(mine), next_cursor=None)

    async def upload_file(self, channel_id, upload):
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble is None or isinstance(trouble, SlackUnavailableError):
            self.files.append((channel_id, upload.name))
        if trouble is not None:
            raise trouble
        return "F1"

    async def post_ephemeral(self, channel_id, user_id, content):
        self.said.append((channel_id, user_id, content.text))


def job(rows, slack, leases=None):
    return Exports(
        exports=rows,
        memories=Book(),
        slack=slack,
        leases=leases or FakeLeases(),
        bell=None,
        workspace_id=WorkspaceId("T1"),
    )


async def test_a_file_goes_to_whoever_asked_and_is_not_sent_again():
    rows, slack = Rows(ASKED), Slack()
    assert await job(rows, slack).look() == 1
    assert slack.files == [("D-U1", "memories-01234567.json")]
    assert await job(rows, slack).look() == 0
    assert len(slack.files) == 1


async def test_what_may_have_arrived_is_looked_for_before_it_is_sent_again():
    rows = Rows(ASKED)
    slack = Slack(SlackUnavailableError(maybe_done=True))
    with pytest.raises(SlackUnavailableError):
        await job(rows, slack).look()
    assert rows.exports[ASKED.id].is_begun
    await job(rows, slack).look()
    assert (len(slack.files), rows.exports) == (1, {})


async def test_what_was_begun_and_never_arrived_is_sent():
    rows, slack = Rows(replace(ASKED, is_begun=True)), Slack()
    await job(rows, slack).look()
    assert (len(slack.files), rows.exports) == (1, {})


async def test_a_refusal_is_said_where_it_was_asked_for_and_does_not_keep_the_others():
    other = replace(ASKED, id="9876543210", by=UserId("U2"))
    rows, slack = Rows(ASKED, other), Slack(SlackRefusedError("not_allowed"))
    await job(rows, slack).look()
    [(channel_id, user_id, text)] = slack.said
    assert (channel_id, user_id) == ("C1", "U1")
    assert "not_allowed" in text
    assert slack.files == [("D-U2", "memories-98765432.json")]
    assert rows.exports == {}


async def test_only_whoever_holds_the_lease_hands_over():
    leases = FakeLeases()
    leases.taken = True
    rows, slack = Rows(ASKED), Slack()
    assert await job(rows, slack, leases).look() == 0
    assert (slack.files, list(rows.exports)) == ([], [ASKED.id])
