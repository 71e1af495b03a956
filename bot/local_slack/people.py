"""A person of the local workspace for tests and demos: does in Python what one does in Slack."""

from typing import Any

from bot.local_slack.acts import Acts, Say, Upload
from bot.local_slack.core import Core
from bot.local_slack.errors import RefusedError
from bot.local_slack.interactions import Command, Interactions, Press, pressed
from bot.local_slack.records import Json, Message, View


class PersonAtWork:
    """One user of the workspace; channels and people may be given by name or id."""

    def __init__(self, core: Core, user: str, *, acts: Acts, interactions: Interactions) -> None:
        self._core = core
        self._acts = acts
        self._interactions = interactions
        self.id = user

    @property
    def name(self) -> str:
        """The user name."""
        return self._core.state.people[self.id].name

    async def post(
        self,
        channel: str,
        text: str,
        thread_ts: str | None = None,
        *,
        also_to_channel: bool = False,
    ) -> str:
        """Post a message as typed (`@treadle hello`); gives its ts."""
        say = Say(channel=channel, text=text, thread_ts=thread_ts, also_to_channel=also_to_channel)
        return self._acts.say(self.id, say).ts

    async def edit(self, channel: str, ts: str, text: str) -> None:
        """Change an own message."""
        self._acts.edit(self.id, channel=channel, ts=ts, text=text)

    async def delete(self, channel: str, ts: str) -> None:
        """Delete an own message."""
        self._acts.delete(self.id, channel=channel, ts=ts)

    async def react(self, channel: str, ts: str, name: str) -> None:
        """React to a message."""
        self._acts.react(self.id, channel=channel, ts=ts, name=name)

    async def unreact(self, channel: str, ts: str, name: str) -> None:
        """Take a reaction back."""
        self._acts.unreact(self.id, channel=channel, ts=ts, name=name)

    async def slash(self, channel: str, command: str, text: str = "") -> Json:
        """Use a slash command; gives what the app acknowledged with, `text` included.

        Raises:
            RefusedError: `operation_timeout` or `dispatch_failed` when the app did not acknowledge.
        """
        place = self._core.state.visible(self.id, channel).id
        given = Command(
            channel=place, command=command, text=text, typed_text=self._acts.typed(text)
        )
        return await self._interactions.slash(self.id, given)

    async def click(self, channel: str, ts: str, action_id: str, value: Any = None) -> Json:  # noqa: ANN401 - any of Slack's values
        """Use an element of a message, also of an ephemeral one; `value` is what was chosen."""
        place = self._core.state.visible(self.id, channel).id
        message = self._core.state.ephemerals.get(ts) or self._core.state.message(place, ts)
        return await self.click_stale(channel, ts, message.blocks or [], action_id, value)

    async def click_stale(
        self,
        channel: str,
        ts: str,
        blocks: list[Json],
        action_id: str,
        value: Any = None,  # noqa: ANN401 - any of Slack's values
    ) -> Json:
        """Use an element as a client does that still shows what the message looked like before."""
        place = self._core.state.visible(self.id, channel).id
        block_id, element = find_element(blocks, action_id, value)
        press = Press(
            action_id=action_id,
            block_id=block_id,
            element=pressed(element, value),
            channel=place,
            ts=ts,
        )
        return await self._interactions.press(self.id, press)

    async def click_in_view(self, view_id: str, action_id: str, value: Any = None) -> Json:  # noqa: ANN401 - any of Slack's values
        """Use an element of an open modal or of the Home tab."""
        views = [*self._core.modals.views.values(), *self._core.modals.homes.values()]
        view = next((v for v in views if v.id == view_id), None)
        if view is None:
            raise RefusedError("not_found")
        block_id, element = find_element(view.payload["blocks"], action_id, value)
        press = Press(
            action_id=action_id,
            block_id=block_id,
            element=pressed(element, value),
            view_id=view_id,
        )
        return await self._interactions.press(self.id, press)

    async def shortcut(self, callback_id: str, channel: str = "", ts: str = "") -> Json:
        """Use a global shortcut, or with channel and ts a message shortcut."""
        message = self._core.state.message(channel, ts) if ts else None
        return await self._interactions.shortcut(self.id, callback_id, message)

    async def suggestions(self, view_id: str, action_id: str, text: str) -> list[Json]:
        """Type into an external menu of a modal; gives the options the app offers."""
        view = self._core.modals.find(view_id=view_id, external_id=None)
        block_id, element = find_element(view.payload["blocks"], action_id)
        press = Press(action_id=action_id, block_id=block_id, element=element, view_id=view_id)
        return await self._interactions.suggest(self.id, press, text)

    async def submit(self, view_id: str, values: Json) -> Json:
        """Submit a modal with plain values by action id, or Slack's own state by block id.

        Gives the app's response: empty when the modal closed, else `response_action` and so on.
        """
        view = self._core.modals.find(view_id=view_id, external_id=None)
        return await self._interactions.submit(self.id, view_id, view_state(view, values))

    async def close(self, view_id: str) -> None:
        """Close a modal without submitting it."""
        await self._interactions.close(self.id, view_id)

    async def open_home(self) -> None:
        """Open the app's Home tab."""
        self._acts.open_home(self.id)

    async def open_messages_tab(self) -> str:
        """Open the app's Messages tab; gives the id of the direct message."""
        return self._acts.open_messages_tab(self.id).id

    async def open_dm(self, other: str) -> str:
        """Open the direct message with somebody; gives its channel id."""
        return self._acts.open_dm(self.id, other=other).id

    async def stop_session(self, channel: str, thread_ts: str) -> None:
        """Press Slack's Stop on a thread."""
        self._acts.stop_session(self.id, channel=channel, thread_ts=thread_ts)

    async def rename_session(self, channel: str, thread_ts: str, title: str) -> None:
        """Give a thread's agent session another title."""
        self._acts.rename_session(self.id, channel=channel, thread_ts=thread_ts, title=title)

    async def look_at(self, channel: str) -> None:
        """Look at a channel beside the app's pane."""
        self._acts.look_at(self.id, channel=channel)

    async def upload(
        self, channel: str, name: str, content: bytes, *, comment: str = "", thread_ts: str = ""
    ) -> str:
        """Share a file; gives the ts of its message."""
        upload = Upload(
            channel=channel,
            name=name,
            content=content,
            comment=comment,
            thread_ts=thread_ts or None,
        )
        return self._acts.upload(self.id, upload)[1].ts

    async def create_channel(self, name: str, *, is_private: bool = False) -> str:
        """Create a channel; gives its id."""
        return self._acts.create_channel(self.id, name=name, is_private=is_private).id

    async def invite(self, channel: str, other: str) -> None:
        """Bring somebody, or the bot, into a channel."""
        self._acts.invite(self.id, channel=channel, other=other)

    async def join(self, channel: str) -> None:
        """Join a public channel."""
        self._acts.join(self.id, channel=channel)

    async def leave(self, channel: str) -> None:
        """Leave a channel."""
        self._acts.leave(self.id, channel=channel)

    async def archive(self, channel: str) -> None:
        """Archive a channel."""
        self._acts.archive(self.id, channel=channel)

    async def delete_channel(self, channel: str) -> None:
        """Delete a channel with everything in it."""
        self._acts.delete_channel(self.id, channel=channel)

    async def rename(self, channel: str, name: str) -> None:
        """Rename a channel."""
        self._acts.rename(self.id, channel=channel, name=name)

    def modal(self) -> View | None:
        """The modal on top of this person's screen."""
        stack = self._core.modals.stacks.get(self.id, [])
        return self._core.modals.views[stack[-1]] if stack else None

    def home(self) -> View | None:
        """This person's Home tab, if the app published one."""
        return self._core.modals.homes.get(self.id)

    def ephemerals(self, channel: str | None = None) -> list[Message]:
        """What only this person sees, oldest first."""
        place = self._core.state.channel(channel).id if channel else None
        return [
            m
            for m in self._core.state.ephemerals.values()
            if m.ephemeral_to == self.id and place in (None, m.channel)
        ]


def find_element(blocks: list[Json], action_id: str, value: Any = None) -> tuple[str, Json]:  # noqa: ANN401 - any of Slack's values
    """Find an element by action id, preferring the one with this value; with its block id."""
    found = [pair for block in blocks for pair in _elements(block) if _is(pair[1], action_id)]
    if not found:
        raise RefusedError("action_not_found", {"action_id": action_id})
    return next((pair for pair in found if value and pair[1].get("value") == value), found[0])


def view_state(view: View, values: Json) -> Json:
    """Make Slack's state values out of plain values by action id; missing inputs are empty."""
    inputs = [
        (block["block_id"], block["element"])
        for block in view.payload["blocks"]
        if block.get("type") == "input"
    ]
    if set(values) & {block_id for block_id, _ in inputs}:
        return values
    state: Json = {}
    for block_id, element in inputs:
        action_id = element["action_id"]
        given = values.get(action_id, element.get("initial_value"))
        shape = pressed(element | {"value": None}, given)
        state[block_id] = {action_id: {k: v for k, v in shape.items() if k != "text"}}
    return state


def _elements(block: Json) -> list[tuple[str, Json]]:
    own = [*block.get("elements", []), block.get("accessory"), block.get("element")]
    pairs = [(str(block.get("block_id", "")), e) for e in own if isinstance(e, dict)]
    for child in block.get("child_blocks", []):
        pairs += _elements(child)
    return pairs


def _is(element: Json, action_id: str) -> bool:
    return element.get("action_id") == action_id
