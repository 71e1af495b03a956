"""files.*: announcing, completing, describing and deleting files."""

from bot.local_slack import shapes
from bot.local_slack.changes import FileShared
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Channel, Json, SharedFile
from bot.local_slack.shared_files import NewFile
from bot.local_slack.state import Draft
from bot.local_slack.web_api.call import ApiCall, Method, page_of

_MAX_BYTES = 1_000_000_000


def get_upload_url(call: ApiCall) -> Json:
    """Announce a file and give the address its bytes go to."""
    length = call.args.number("length", default=0)
    if not 0 < length <= _MAX_BYTES:
        raise RefusedError("invalid_arguments" if length < 1 else "file_upload_size_restricted")
    new = NewFile(name=call.args.need("filename"), user=call.bot_id, size=length)
    file = call.core.files.announce(new)
    return {"upload_url": f"{call.core.base_url}/upload/v1/{file.id}", "file_id": file.id}


def complete_upload(call: ApiCall) -> Json:
    """Finish uploads and share them in a channel or thread, if one is named."""
    entries = call.args.objects("files", error="invalid_arguments")
    if not entries:
        raise RefusedError("invalid_arguments")
    channels = [_channel(call, key) for key in _targets(call)]
    files = [call.core.files.complete(str(e.get("id")), title=e.get("title")) for e in entries]
    for channel in channels:
        share(call, files, channel)
    return {"files": [shapes.file_json(call.core, f) for f in files]}


def share(call: ApiCall, files: list[SharedFile], channel: Channel) -> None:
    """Post the message that carries the files."""
    bot = call.state.bot
    draft = Draft(
        channel=channel.id,
        user=bot.id,
        bot_id=bot.bot_id,
        app_id=bot.app_id,
        text=call.args.text("initial_comment") or "",
        files=[f.id for f in files],
        thread_ts=call.args.text("thread_ts"),
    )
    for file in files:
        file.channels.append(channel.id)
    call.state.post(draft)
    for file in files:
        call.core.hub.publish(FileShared(file_id=file.id, user=bot.id, channel=channel.id))


def info(call: ApiCall) -> Json:
    """Describe one file."""
    file = _visible(call)
    shape = shapes.file_json(call.core, file) | {"shares": shapes.shares_json(call.core, file)}
    return {"file": shape, "comments": []}


def list_files(call: ApiCall) -> Json:
    """List the files that the bot can see, newest first."""
    channel = call.args.text("channel")
    known = reversed(call.core.files.files.values())
    found = [
        shapes.file_json(call.core, f)
        for f in known
        if f.is_complete and (channel is None or channel in f.channels)
    ]
    page, _ = page_of(call, found, limit=100)
    return {"files": page}


def delete(call: ApiCall) -> Json:
    """Delete an own file."""
    file = _visible(call)
    if file.user != call.bot_id:
        raise RefusedError("cant_delete_file")
    call.core.files.remove(file.id)
    return {}


def _targets(call: ApiCall) -> list[str]:
    single = call.args.text("channel_id")
    return [single] if single else call.args.ids("channels")


def _channel(call: ApiCall, key: str) -> Channel:
    channel = call.state.channels.get(key)
    if channel is None:
        raise RefusedError("channel_not_found")
    if call.bot_id not in channel.members:
        raise RefusedError("not_in_channel")
    if channel.is_archived:
        raise RefusedError("is_archived")
    return channel


def _visible(call: ApiCall) -> SharedFile:
    file = call.core.files.find(call.args.need("file"))
    is_own = file.user == call.bot_id
    channels = call.state.channels
    if not is_own and not any(call.bot_id in channels[c].members for c in file.channels):
        raise RefusedError("file_not_found")
    return file


METHODS = {
    "files.completeUploadExternal": Method(run=complete_upload, scopes=("files:write",)),
    "files.delete": Method(run=delete, scopes=("files:write",)),
    "files.getUploadURLExternal": Method(run=get_upload_url, scopes=("files:write",)),
    "files.info": Method(run=info, scopes=("files:read",)),
    "files.list": Method(run=list_files, scopes=("files:read",)),
}
