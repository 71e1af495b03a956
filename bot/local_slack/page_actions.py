"""The table of what a person can do on the page: `POST /_page/<action>` with a JSON body."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from bot.local_slack.acts import Acts, Say
from bot.local_slack.arguments import Arguments
from bot.local_slack.core import Core
from bot.local_slack.interactions import Command, Interactions, Press
from bot.local_slack.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PageAct:
    """One act of one person on the page."""

    core: Core
    acts: Acts
    interactions: Interactions
    user: str
    args: Arguments

    @property
    def channel(self) -> str:
        """The channel the act is about."""
        return self.args.need("channel")

    @property
    def ts(self) -> str:
        """The message the act is about."""
        return self.args.need("ts")


async def _post(act: PageAct) -> Json:
    say = Say(
        channel=act.channel,
        text=act.args.text("text") or "",
        thread_ts=act.args.text("thread_ts"),
        files=tuple(act.args.ids("files")),
        also_to_channel=act.args.is_set("also_to_channel"),
    )
    files = [act.core.files.find(file_id) for file_id in say.files]
    message = act.acts.say(act.user, say)
    for file in files:
        act.acts.announce_file(file, act.core.state.channels[message.channel])
    return {"ts": message.ts, "channel": message.channel}


async def _edit(act: PageAct) -> Json:
    act.acts.edit(act.user, channel=act.channel, ts=act.ts, text=act.args.need("text"))
    return {}


async def _delete(act: PageAct) -> Json:
    act.acts.delete(act.user, channel=act.channel, ts=act.ts)
    return {}


async def _react(act: PageAct) -> Json:
    act.acts.react(act.user, channel=act.channel, ts=act.ts, name=act.args.need("name"))
    return {}


async def _unreact(act: PageAct) -> Json:
    act.acts.unreact(act.user, channel=act.channel, ts=act.ts, name=act.args.need("name"))
    return {}


async def _slash(act: PageAct) -> Json:
    text = act.args.text("text") or ""
    command = Command(
        channel=act.channel,
        command=act.args.need("command"),
        text=text,
        typed_text=act.acts.typed(text),
    )
    return {"response": await act.interactions.slash(act.user, command)}


async def _block_action(act: PageAct) -> Json:
    press = Press(
        action_id=act.args.need("action_id"),
        block_id=act.args.text("block_id") or "",
        element=act.args.object("value", error="invalid_arguments") or {"type": "button"},
        channel=act.args.text("channel"),
        ts=act.args.text("ts"),
        view_id=act.args.text("view_id"),
        state_values=act.args.object("state_values", error="invalid_arguments") or {},
    )
    await act.interactions.press(act.user, press)
    return {}


async def _view_submit(act: PageAct) -> Json:
    values = act.args.object("state_values", error="invalid_arguments") or {}
    answer = await act.interactions.submit(act.user, act.args.need("view_id"), values)
    return {"response": answer}


async def _view_close(act: PageAct) -> Json:
    await act.interactions.close(act.user, act.args.need("view_id"))
    return {}


async def _open_dm(act: PageAct) -> Json:
    return {"channel": act.acts.open_dm(act.user, other=act.args.need("user")).id}


async def _open_home(act: PageAct) -> Json:
    act.acts.open_home(act.user)
    return {}


async def _open_messages_tab(act: PageAct) -> Json:
    return {"channel": act.acts.open_messages_tab(act.user).id}


async def _stop_session(act: PageAct) -> Json:
    act.acts.stop_session(act.user, channel=act.channel, thread_ts=act.args.need("thread_ts"))
    return {}


async def _create_channel(act: PageAct) -> Json:
    is_private = act.args.is_set("private")
    name = act.args.need("name")
    return {"channel": act.acts.create_channel(act.user, name=name, is_private=is_private).id}


async def _invite_bot(act: PageAct) -> Json:
    act.acts.invite(act.user, channel=act.channel, other=act.core.state.bot.id)
    return {}


async def _join(act: PageAct) -> Json:
    act.acts.join(act.user, channel=act.channel)
    return {}


async def _leave(act: PageAct) -> Json:
    act.acts.leave(act.user, channel=act.channel)
    return {}


async def _archive(act: PageAct) -> Json:
    act.acts.archive(act.user, channel=act.channel)
    return {}


async def _rename(act: PageAct) -> Json:
    act.acts.rename(act.user, channel=act.channel, name=act.args.need("name"))
    return {}


async def _read(act: PageAct) -> Json:
    act.core.state.mark_read(act.core.state.visible(act.user, act.channel), act.user)
    return {}


Action: TypeAlias = Callable[[PageAct], Awaitable[Json]]
ACTIONS: dict[str, Action] = {
    "archive": _archive,
    "block_action": _block_action,
    "create_channel": _create_channel,
    "delete": _delete,
    "edit": _edit,
    "invite_bot": _invite_bot,
    "join": _join,
    "leave": _leave,
    "open_dm": _open_dm,
    "open_home": _open_home,
    "open_messages_tab": _open_messages_tab,
    "post": _post,
    "react": _react,
    "read": _read,
    "rename": _rename,
    "slash": _slash,
    "stop_session": _stop_session,
    "unreact": _unreact,
    "view_close": _view_close,
    "view_submit": _view_submit,
}
