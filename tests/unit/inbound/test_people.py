"""Who someone is, and what is assumed when Slack does not say."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_engine.types import UserId, WorkspaceId
from bot.errors import SlackUnavailableError
from bot.inbound.people import PeopleDirectory
from bot.inbound.slack_events import Author
from tests.fakes.slack_rows import FakeRows

T, ADA = WorkspaceId("T1"), UserId("UA")
NOW = datetime(2026, 11, 22, tzinfo=UTC)


class Clock:
    def __init__(self):
        self.time = NOW

    def now(self):
        return self.time


class Talk:
    """Answers users.info; an exception as the answer is raised."""

    def __init__(self, answer):
        self.answer, self.asked = answer, 0

    async def users_info(self, user_id):
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"id": user_id, **self.answer}


def directory(answer):
    talk, clock, rows = Talk(answer), Clock(), FakeRows()
    return PeopleDirectory(store=rows, talk=talk, clock=clock), talk, clock, rows


@pytest.mark.parametrize(
    ("said", "known_as"),
    [
        ({"team_id": "T1"}, set()),
        ({"team_id": "T1", "is_bot": True}, {"is_bot"}),
        ({"team_id": "T1", "is_restricted": True}, {"is_guest"}),
        ({"team_id": "T1", "is_ultra_restricted": True}, {"is_guest"}),
        ({"team_id": "T1", "is_admin": True}, {"is_admin"}),
        ({"team_id": "T1", "is_owner": True}, {"is_admin"}),
        ({"team_id": "T2"}, {"is_external"}),
        ({"team_id": "T1", "is_stranger": True}, {"is_external"}),
        ({"team_id": "T2", "enterprise_user": {"teams": ["T2", "T1"]}}, set()),
        ({"team_id": "T2", "enterprise_user": {"teams": ["T2"]}}, {"is_external"}),
        ({}, set()),
    ],
)
async def test_what_slack_says_about_somebody(said, known_as):
    people, _, _, rows = directory(said)
    person = await people.who(T, Author(user_id=ADA))
    flags = {"is_bot", "is_guest", "is_external", "is_admin"}
    assert {flag for flag in flags if getattr(person, flag)} == known_as
    assert rows.person_rows[T, ADA] == person


async def test_somebody_known_costs_no_call():
    people, talk, _, _ = directory({"team_id": "T1"})
    await people.who(T, Author(user_id=ADA))
    await people.who(T, Author(user_id=ADA))
    assert talk.asked == 1


@pytest.mark.parametrize(
    ("author", "is_external"),
    [
        (Author(user_id=ADA, home_workspace_id="T1"), False),
        (Author(user_id=ADA, home_workspace_id="T2"), True),
        (Author(user_id=ADA), True),
        (Author(user_id=ADA, home_workspace_id="T1", is_stranger=True), True),
    ],
)
async def test_when_slack_does_not_answer_only_the_event_can_make_a_member(author, is_external):
    people, _, _, rows = directory(SlackUnavailableError(method="users.info"))
    assert (await people.who(T, author)).is_external is is_external
    assert rows.person_rows == {}


async def test_what_is_old_is_asked_again_once_a_day_and_trouble_leaves_it():
    people, talk, clock, _ = directory({"team_id": "T1"})
    person = await people.who(T, Author(user_id=ADA))
    await people.refresh(person)
    assert talk.asked == 1
    clock.time = NOW + timedelta(hours=25)
    talk.answer = SlackUnavailableError(method="users.info")
    await people.refresh(person)
    assert talk.asked == 2
    assert await people.who(T, Author(user_id=ADA)) == person
    talk.answer = {"team_id": "T1", "is_restricted": True}
    await people.refresh(person)
    assert (await people.who(T, Author(user_id=ADA))).is_guest


async def test_a_message_without_a_user_is_a_bots():
    people, talk, _, _ = directory({})
    person = await people.who(T, Author(bot_id="BX"))
    assert person.is_bot
    assert talk.asked == 0
