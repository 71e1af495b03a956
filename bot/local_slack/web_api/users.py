"""users.*: who is in the workspace and where the bot is a member."""

from bot.local_slack import shapes
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json, Person
from bot.local_slack.web_api.call import ApiCall, Method, page_of
from bot.local_slack.web_api.conversations import list_all

_READ = ("users:read",)


def info(call: ApiCall) -> Json:
    """Describe one user."""
    return {"user": shapes.user_json(call.core, _person(call))}


def list_all_users(call: ApiCall) -> Json:
    """List everybody."""
    everybody = [shapes.user_json(call.core, p) for p in call.state.people.values()]
    page, cursor = page_of(call, everybody, limit=200)
    return {"members": page, "response_metadata": {"next_cursor": cursor}}


def lookup_by_email(call: ApiCall) -> Json:
    """Find a user by the made-up address name@domain.example."""
    email = call.args.need("email")
    for person in call.state.people.values():
        shape = shapes.user_json(call.core, person)
        if shape["profile"]["email"] == email:
            return {"user": shape}
    raise RefusedError("users_not_found")


def conversations(call: ApiCall) -> Json:
    """List the channels a user, or the bot, is a member of."""
    user = call.args.text("user") or call.bot_id
    listed = list_all(call)
    mine = [c for c in listed["channels"] if user in call.state.channels[c["id"]].members]
    return listed | {"channels": mine}


def profile(call: ApiCall) -> Json:
    """Give a user's profile."""
    return {"profile": shapes.user_json(call.core, _person(call))["profile"]}


def presence(call: ApiCall) -> Json:
    """Say whether a user is at his desk."""
    return {"presence": "active" if _person(call).is_online else "away"}


def _person(call: ApiCall) -> Person:
    found = call.state.people.get(call.args.text("user") or call.bot_id)
    if found is None:
        raise RefusedError("user_not_found")
    return found


METHODS = {
    "users.conversations": Method(
        run=conversations, scopes=("channels:read", "groups:read", "im:read", "mpim:read")
    ),
    "users.getPresence": Method(run=presence, scopes=_READ),
    "users.info": Method(run=info, scopes=_READ),
    "users.list": Method(run=list_all_users, scopes=_READ),
    "users.lookupByEmail": Method(run=lookup_by_email, scopes=("users:read.email",)),
    "users.profile.get": Method(run=profile, scopes=("users.profile:read",)),
}
