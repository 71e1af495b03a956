"""agents.sessions.* and assistant.threads.*: status, title and prompts of an agent's threads."""

from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, Json, SessionStatus
from bot.local_slack.web_api.call import ApiCall, Method

_MAX_TITLE = 200
_MAX_PROMPTS = 4
_MAX_LOADING_MESSAGES = 10
_WRITE = ("chat:write",)


def set_status(call: ApiCall) -> Json:
    """Create a session or change its status."""
    channel, thread_ts = _place(call)
    status = call.args.need("status")
    if status not in set(SessionStatus):
        raise RefusedError("invalid_status")
    title = call.args.text("title")
    _require_title(title)
    session = call.core.sessions.set_status(
        channel.id, thread_ts, status=SessionStatus(status), title=title
    )
    answer: Json = {"status": status, "agent_status": status, "title": session.title}
    if status == SessionStatus.PROCESSING and not _hears_stop(call):
        warning = "missing_agent_session_stopped_event_subscription"
        answer |= {"warning": warning, "response_metadata": {"warnings": [warning]}}
    return answer


def rename(call: ApiCall) -> Json:
    """Give a session another title."""
    channel, thread_ts = _place(call)
    title = call.args.need("title")
    _require_title(title)
    call.core.sessions.rename(channel.id, thread_ts, title)
    return {"title": title}


def set_thread_status(call: ApiCall) -> Json:
    """Show or clear the status line of a thread."""
    channel = call.member_channel("channel_id")
    if len(call.args.ids("loading_messages")) > _MAX_LOADING_MESSAGES:
        raise RefusedError("invalid_arguments")
    if not call.args.has("status"):
        raise RefusedError("invalid_arguments")
    thread_ts = _root(channel, call.args.need("thread_ts"))
    call.core.sessions.set_status_text(channel.id, thread_ts, call.args.text("status") or "")
    return {}


def set_title(call: ApiCall) -> Json:
    """Set the title of a thread in a direct message."""
    channel = call.member_channel("channel_id")
    thread_ts = _root(channel, call.args.need("thread_ts"))
    call.core.sessions.title_thread(channel.id, thread_ts, call.args.need("title"))
    return {}


def set_prompts(call: ApiCall) -> Json:
    """Suggest prompts in a direct message."""
    channel = call.member_channel("channel_id")
    prompts = call.args.objects("prompts", error="invalid_arguments") or []
    is_complete = all(p.get("title") and p.get("message") for p in prompts)
    if not 0 < len(prompts) <= _MAX_PROMPTS or not is_complete:
        raise RefusedError("invalid_arguments")
    shown: Json = {"title": call.args.text("title"), "prompts": prompts}
    if thread_ts := call.args.text("thread_ts"):
        shown["thread_ts"] = thread_ts
    call.core.sessions.suggest(channel.id, shown)
    return {}


def _place(call: ApiCall) -> tuple[Channel, str]:
    if not call.core.manifest.is_agent:
        raise RefusedError("not_authorized")
    channel = call.member_channel("channel_id")
    return channel, _root(channel, call.args.need("thread_ts"))


def _root(channel: Channel, ts: str) -> str:
    message = channel.messages.get(ts)
    if message is None:
        raise RefusedError("thread_not_found")
    return message.thread_ts or ts


def _require_title(title: str | None) -> None:
    if title is not None and len(title) > _MAX_TITLE:
        raise RefusedError("invalid_title")


def _hears_stop(call: ApiCall) -> bool:
    return "agent_session_stopped" in call.core.manifest.bot_events


METHODS = {
    "agents.sessions.rename": Method(run=rename, scopes=_WRITE),
    "agents.sessions.setStatus": Method(run=set_status, scopes=_WRITE),
    "assistant.threads.setStatus": Method(
        run=set_thread_status, scopes=("chat:write", "assistant:write")
    ),
    "assistant.threads.setSuggestedPrompts": Method(run=set_prompts, scopes=("assistant:write",)),
    "assistant.threads.setTitle": Method(run=set_title, scopes=("assistant:write",)),
}
