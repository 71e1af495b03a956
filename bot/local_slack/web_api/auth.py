"""auth.*, apps.*, oauth.*, team, bots, emoji and blocks: what an app learns about itself."""

from bot.local_slack.block_rules import Surface, check_blocks
from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json
from bot.local_slack.web_api.call import ApiCall, Method, TokenKind

_TOKEN_LIFETIME_S = 43_200


def test(call: ApiCall) -> Json:
    """Say whose token this is."""
    state = call.state
    return {
        "url": call.core.base_url + "/",
        "team": state.name,
        "user": state.bot.name,
        "team_id": state.team_id,
        "user_id": state.bot.id,
        "bot_id": state.bot.bot_id,
        "is_enterprise_install": False,
    }


def open_connection(call: ApiCall) -> Json:
    """Hand out the address of one Socket Mode connection."""
    address = call.core.base_url.replace("http://", "ws://", 1)
    return {"url": f"{address}/socket-mode/link?ticket={call.core.sockets.new_ticket()}"}


def exchange_code(call: ApiCall) -> Json:
    """Turn an OAuth code, or a refresh token, into a bot token."""
    args, core = call.args, call.core
    credentials = (args.text("client_id"), args.text("client_secret"))
    if credentials[0] != core.secrets.client_id:
        raise RefusedError("invalid_client_id")
    if credentials[1] != core.secrets.client_secret:
        raise RefusedError("bad_client_secret")
    if args.text("grant_type") == "refresh_token":
        return _refresh(call)
    user, scope = core.installation.codes.pop(args.need("code"), ("", ""))
    if not user:
        raise RefusedError("invalid_code")
    return _granted(call, scope) | {"authed_user": {"id": user}}


def team_info(call: ApiCall) -> Json:
    """Describe the workspace."""
    state = call.state
    return {"team": {"id": state.team_id, "name": state.name, "domain": state.domain}}


def bots_info(call: ApiCall) -> Json:
    """Describe a bot by its bot id."""
    wanted = call.args.need("bot")
    for person in call.state.people.values():
        if person.bot_id == wanted:
            bot = {
                "id": person.bot_id,
                "app_id": person.app_id,
                "user_id": person.id,
                "name": person.name,
                "deleted": False,
            }
            return {"bot": bot}
    raise RefusedError("bot_not_found")


def emoji_list(call: ApiCall) -> Json:
    """List custom emoji: there are none."""
    del call
    return {"emoji": {}}


def validate_blocks(call: ApiCall) -> Json:
    """Check blocks, a message or a view without posting them."""
    given = [n for n in ("blocks", "message", "view") if call.args.has(n)]
    if len(given) != 1:
        raise RefusedError("invalid_arguments")
    if given == ["blocks"]:
        blocks = call.args.objects("blocks", error="invalid_blocks_format") or []
        surface = Surface.MESSAGE
    else:
        holder = call.args.object(given[0], error="invalid_blocks_format") or {}
        blocks = holder.get("blocks", [])
        surface = Surface.MODAL if given == ["view"] else Surface.MESSAGE
    check_blocks(blocks, surface=surface, refused_types=call.core.config.refuse_block_types)
    return {}


def revoke(call: ApiCall) -> Json:
    """Forget the calling token."""
    token = call.args.text("token")
    call.core.installation.scopes_by_token.pop(token or "", None)
    return {"revoked": True}


def _refresh(call: ApiCall) -> Json:
    installation = call.core.installation
    token = call.args.need("refresh_token")
    if token not in installation.refresh_tokens:
        raise RefusedError("invalid_refresh_token")
    installation.refresh_tokens.discard(token)
    granted = _granted(call, ",".join(call.core.manifest.bot_scopes))
    refreshed = call.core.mint.token("xoxe")
    installation.refresh_tokens.add(refreshed)
    return granted | {"refresh_token": refreshed, "expires_in": _TOKEN_LIFETIME_S}


def _granted(call: ApiCall, scope: str) -> Json:
    core, state = call.core, call.state
    token = core.mint.token("xoxb")
    core.installation.scopes_by_token[token] = tuple(scope.split(","))
    return {
        "app_id": state.app_id,
        "access_token": token,
        "token_type": "bot",
        "scope": scope,
        "bot_user_id": state.bot.id,
        "team": {"id": state.team_id, "name": state.name},
        "enterprise": None,
        "is_enterprise_install": False,
    }


METHODS = {
    "apps.connections.open": Method(run=open_connection, token=TokenKind.APP),
    "auth.revoke": Method(run=revoke),
    "auth.test": Method(run=test),
    "blocks.validate": Method(run=validate_blocks, token=TokenKind.NONE),
    "bots.info": Method(run=bots_info, scopes=("users:read",)),
    "emoji.list": Method(run=emoji_list, scopes=("emoji:read",)),
    "oauth.v2.access": Method(run=exchange_code, token=TokenKind.NONE),
    "team.info": Method(run=team_info, scopes=("team:read",)),
}
