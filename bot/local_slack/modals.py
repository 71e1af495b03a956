"""Modals, Home tabs and the triggers that may open them. Checks Slack's rules, sends nothing."""

import time

from bot.local_slack.changes import (
    HomePublished,
    Hub,
    ViewOpened,
    ViewRefused,
    ViewRemoved,
    ViewUpdated,
)
from bot.local_slack.errors import RefusedError
from bot.local_slack.mint import Mint
from bot.local_slack.records import Json, Trigger, View

_MAX_STACK = 3


class Modals:
    """All views of the workspace, stacked per person."""

    def __init__(self, *, mint: Mint, hub: Hub, trigger_lifetime_s: float) -> None:
        self._mint = mint
        self._hub = hub
        self._lifetime_s = trigger_lifetime_s
        self._triggers: dict[str, Trigger] = {}
        self.views: dict[str, View] = {}
        self.stacks: dict[str, list[str]] = {}
        self.homes: dict[str, View] = {}

    def new_trigger(self, user: str) -> str:
        """Hand out permission to open one modal for this person, for a few seconds."""
        trigger_id = f"{self._mint.hex(12)}.{self._mint.hex(12)}.{self._mint.hex(32)}"
        self._triggers[trigger_id] = Trigger(user=user, issued_s=time.monotonic())
        return trigger_id

    def open(self, trigger_id: str | None, payload: Json) -> View:
        """Show a modal as the first of the person's stack."""
        user = self._redeem(trigger_id)
        self._require_unique(payload, own_id=None)
        self.clear(user)
        return self._show(user, payload, below=None)

    def push(self, trigger_id: str | None, payload: Json) -> View:
        """Show a modal on top of the person's open one."""
        user = self._redeem(trigger_id)
        return self.push_for(user, payload)

    def push_for(self, user: str, payload: Json) -> View:
        """Push without a trigger, as the response to a submission does."""
        stack = self.stacks.get(user, [])
        if not stack:
            raise RefusedError("not_found")
        if len(stack) >= _MAX_STACK:
            raise RefusedError("push_limit_reached")
        self._require_unique(payload, own_id=None)
        return self._show(user, payload, below=self.views[stack[-1]])

    def find(self, *, view_id: str | None, external_id: str | None) -> View:
        """Find an open modal by its id or the app's own id."""
        if view_id and (found := self.views.get(view_id)):
            return found
        for view in self.views.values():
            if external_id and view.external_id == external_id:
                return view
        raise RefusedError("not_found")

    def update(self, view: View, payload: Json, *, expected_hash: str | None) -> View:
        """Replace what a modal shows; what was entered stays for blocks that stay."""
        if expected_hash is not None and expected_hash != view.hash:
            raise RefusedError("hash_conflict")
        self._require_unique(payload, own_id=view.id)
        kept = {str(block.get("block_id")) for block in payload.get("blocks", [])}
        view.values = {block_id: v for block_id, v in view.values.items() if block_id in kept}
        view.payload = payload
        view.hash = self._new_hash()
        self._hub.publish(ViewUpdated(view=view))
        return view

    def publish_home(self, user: str, payload: Json, *, expected_hash: str | None) -> View:
        """Replace a person's Home tab."""
        home = self.homes.get(user)
        if home is not None and expected_hash not in (None, home.hash):
            raise RefusedError("hash_conflict")
        view_id = home.id if home else self._mint.id("V")
        home = View(id=view_id, hash=self._new_hash(), user=user, payload=payload)
        home.root_view_id = view_id
        self.homes[user] = home
        self._hub.publish(HomePublished(view=home))
        return home

    def close(self, view: View) -> None:
        """Close the modal and return to the one below it."""
        self.views.pop(view.id, None)
        stack = self.stacks.get(view.user, [])
        if view.id in stack:
            stack.remove(view.id)
        self._hub.publish(ViewRemoved(view=view))

    def clear(self, user: str) -> None:
        """Close all modals of a person, the top one first."""
        for view_id in reversed(self.stacks.get(user, [])[:]):
            self.close(self.views[view_id])

    def refuse(self, view: View, errors: dict[str, str]) -> None:
        """Show the person what is wrong with what he submitted."""
        self._hub.publish(ViewRefused(view=view, errors=errors))

    def _redeem(self, trigger_id: str | None) -> str:
        trigger = self._triggers.get(trigger_id or "")
        if trigger is None:
            raise RefusedError("invalid_trigger_id")
        if trigger.is_used:
            raise RefusedError("exchanged_trigger_id")
        if time.monotonic() - trigger.issued_s > self._lifetime_s:
            raise RefusedError("expired_trigger_id")
        trigger.is_used = True
        return trigger.user

    def _require_unique(self, payload: Json, *, own_id: str | None) -> None:
        external_id = payload.get("external_id")
        if not external_id:
            return
        for view in self.views.values():
            if view.external_id == external_id and view.id != own_id:
                raise RefusedError("duplicate_external_id")

    def _show(self, user: str, payload: Json, *, below: View | None) -> View:
        view_id = self._mint.id("V")
        view = View(
            id=view_id,
            hash=self._new_hash(),
            user=user,
            payload=payload,
            root_view_id=below.root_view_id if below else view_id,
            previous_view_id=below.id if below else None,
        )
        self.views[view_id] = view
        self.stacks.setdefault(user, []).append(view_id)
        self._hub.publish(ViewOpened(view=view))
        return view

    def _new_hash(self) -> str:
        return f"{int(time.time())}.{self._mint.hex(8)}"
