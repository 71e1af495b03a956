"""Who someone is: from our table, else from Slack, else from what the event itself says.

Decides nothing about what they may do.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from agent_engine.places import Person
from agent_engine.ports import Clock
from agent_engine.types import UserId, WorkspaceId
from bot.errors import SlackError
from bot.inbound.lanes import Lanes
from bot.inbound.slack_events import Author
from bot.inbound.talk import SlackTalk
from bot.ports import PersonStore

LOOK_UP_S = 1.2
"""A first-time look-up happens before the event is acknowledged, which Slack gives 3 s for."""
FRESH_FOR = timedelta(hours=24)

logger = logging.getLogger(__name__)


class PeopleDirectory:
    """Knows people. Someone known costs no call; a stranger costs one, once a day."""

    def __init__(self, *, store: PersonStore, talk: SlackTalk, clock: Clock) -> None:
        self._store = store
        self._talk = talk
        self._clock = clock
        self._lanes = Lanes()

    async def who(self, workspace_id: WorkspaceId, author: Author) -> Person:
        """Return the person behind an event.

        When Slack does not answer for someone never seen before, they count as a member only if the
        event says they are of this workspace and no stranger; that guess is not stored. A guest of
        this workspace could pass once in that case, someone from outside never.
        """
        if author.user_id is None:
            return self._guess(workspace_id, author)
        known = await self._store.person(workspace_id, author.user_id)
        if known is not None:
            return known
        async with self._lanes.turn(author.user_id):
            # Somebody new who says ten things at once is looked up once.
            found = await self._store.person(workspace_id, author.user_id)
            found = found or await self._look_up(workspace_id, author.user_id)
        return found or self._guess(workspace_id, author)

    async def refresh(self, person: Person) -> None:
        """Look the person up again when what we know is old; trouble only leaves it old."""
        if person.is_bot or self._clock.now() - person.fetched_at < FRESH_FOR:
            return
        await self._look_up(person.workspace_id, person.user_id)

    async def _look_up(self, workspace_id: WorkspaceId, user_id: UserId) -> Person | None:
        try:
            async with asyncio.timeout(LOOK_UP_S):
                raw = await self._talk.users_info(user_id)
        except (SlackError, TimeoutError) as error:
            logger.warning("person_not_found", extra={"user": user_id, "error": repr(error)[:200]})
            return None
        person = self._person(workspace_id, user_id, raw)
        await self._store.save_person(person)
        return person

    def _person(self, workspace_id: WorkspaceId, user_id: UserId, raw: Mapping[str, Any]) -> Person:
        profile = raw.get("profile")
        names = profile if isinstance(profile, Mapping) else {}
        name = names.get("display_name") or names.get("real_name") or raw.get("name") or ""
        home = raw.get("team_id")
        return Person(
            workspace_id=workspace_id,
            user_id=user_id,
            name=str(name),
            is_bot=raw.get("is_bot") is True,
            is_guest=bool(raw.get("is_restricted") or raw.get("is_ultra_restricted")),
            is_external=bool(raw.get("is_stranger")) or _is_elsewhere(home, workspace_id, raw),
            is_admin=bool(raw.get("is_admin") or raw.get("is_owner")),
            fetched_at=self._clock.now(),
        )

    def _guess(self, workspace_id: WorkspaceId, author: Author) -> Person:
        return Person(
            workspace_id=workspace_id,
            user_id=author.user_id or UserId(author.bot_id or ""),
            is_bot=author.user_id is None or author.bot_id is not None,
            is_external=author.is_stranger or author.home_workspace_id != workspace_id,
            fetched_at=self._clock.now(),
        )


def _is_elsewhere(home: object, workspace_id: WorkspaceId, raw: Mapping[str, Any]) -> bool:
    """Whether the person's home is another workspace, and not one of the same enterprise."""
    enterprise = raw.get("enterprise_user")
    teams = enterprise.get("teams") if isinstance(enterprise, Mapping) else None
    if isinstance(teams, list) and workspace_id in teams:
        return False
    return isinstance(home, str) and bool(home) and home != workspace_id
