"""The tool that calls APIs and reads pages of domains that the operator allowed."""

import asyncio
import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pydantic import Field, JsonValue

from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.api_call.access import Access
from agent_engine.tools.api_call.incoming import outcome, present
from agent_engine.tools.api_call.outgoing import (
    IDEMPOTENCY_KEY,
    Wanted,
    make_request,
    refuse_set_by_hand,
)
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.tools.http.client import HttpClient
from agent_engine.tools.http.exchange import HttpResponse
from agent_engine.tools.http.urls import AddressError, read_url
from agent_engine.tools.paths import Folder
from agent_engine.tools.quota import Quota
from agent_engine.tools.secrets import Secrets
from agent_engine.tools.shorten import plain_json
from agent_engine.types import Asks, JsonObject

NAME: Final = "api_call"
_MARGIN_S: Final = 5.0
"""The client ends a call before the call path does: it knows what was waited for."""


class Method(StrEnum):
    """What to do with what is at the address."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class ApiCallParameters(Parameters):
    """What ``api_call`` takes."""

    method: Method = Field(default=Method.GET, description="GET reads; the others change things.")
    url: str = Field(max_length=8_000, description="The whole address, with https://.")
    headers: dict[str, str] = Field(
        default_factory=dict,
        description="Further headers. No Authorization or Cookie: credentials are added by itself.",
    )
    data: dict[str, JsonValue] | list[JsonValue] | str | None = Field(
        default=None,
        description=(
            "The body, not for GET. An object or list is sent as JSON, or as a form when the "
            "header Content-Type is application/x-www-form-urlencoded; a string is sent as it is."
        ),
    )
    params: dict[str, str | int | float | bool | list[str | int | float | bool]] = Field(
        default_factory=dict, description="Query parameters, added to the url and encoded."
    )


def api_call(
    client: HttpClient, access: Access, secrets: Secrets, quota: Quota | None = None
) -> DeclaredTool[ApiCallParameters]:
    """Return the tool that calls APIs.

    Args:
        client: the way out.
        access: where calls may go; must not be empty.
        secrets: what is taken out of every response.
        quota: how much a task folder may hold; None for the usual.
    """
    if access.is_empty:
        raise ValueError("a tool that may call nothing is not to be offered")
    return DeclaredTool(
        name=NAME,
        description=_description(access),
        parameters=ApiCallParameters,
        run=_Caller(client, access, secrets, quota).run,
        traits=ToolTraits(timeout_s=client.limits.total_s + _MARGIN_S),
        describe=outcome,
        characteristics=characteristics,
        asks=asks_for,
        repeatable=is_repeatable,
        close=client.aclose,
    )


def asks_for(arguments: JsonObject) -> Asks:
    """Say that a person is asked before anything is changed: reading needs nobody's word."""
    reads = str(arguments.get("method", Method.GET)) == Method.GET
    return Asks.NEVER if reads else Asks.ALWAYS


def is_repeatable(arguments: JsonObject) -> bool:
    """Say whether a call with these arguments does no harm when it is made twice."""
    if str(arguments.get("method", Method.GET)) == Method.GET:
        return True
    headers = arguments.get("headers")
    names = headers if isinstance(headers, Mapping) else {}
    return any(str(name).lower() == IDEMPOTENCY_KEY for name in names)


def characteristics(arguments: JsonObject) -> dict[str, str]:
    """Return what rules look at: the method and the host; nothing for an address that is none."""
    try:
        host = read_url(str(arguments.get("url", ""))).host
    except AddressError:
        return {}
    return {"method": str(arguments.get("method", Method.GET)), "host": host}


# ------------------------------------------------------------------------------------------------


class _Caller:
    """Makes calls for agents."""

    def __init__(
        self, client: HttpClient, access: Access, secrets: Secrets, quota: Quota | None
    ) -> None:
        self._client = client
        self._access = access
        self._secrets = secrets
        self._quota = quota

    async def run(self, parameters: ApiCallParameters, context: ToolContext) -> JsonObject:
        """Make a call and tell what came back."""
        wanted = Wanted(
            parameters.method.value,
            parameters.url,
            parameters.headers,
            parameters.data,
            parameters.params,
        )
        request = make_request(wanted, key=context.idempotency_key)
        mine = self._access.secrets_of(request.destination.host)
        refuse_set_by_hand(
            request,
            headers={secret.header for secret in mine if secret.header},
            params={secret.query for secret in mine if secret.query},
        )
        response = await self._client.call(request, self._access)
        return await asyncio.to_thread(self._presented, response, context)

    def _presented(self, response: HttpResponse, context: ToolContext) -> dict[str, Any]:
        clean = _without(self._secrets, response)
        folder = Folder(context.task_folder, self._quota)
        result = present(clean, folder, step=context.step)
        return plain_json(result, text=self._secrets.redact)


def _without(secrets: Secrets, response: HttpResponse) -> HttpResponse:
    """Take plain secrets out of the bytes, which may be kept as a file."""
    return dataclasses.replace(response, body=secrets.redact_bytes(response.body))


def _description(access: Access) -> str:
    hosts = sorted({secret.host for secret in access.secrets})
    added = f" Credentials are added by themselves for {', '.join(hosts)}." if hosts else ""
    return (
        "Call a web API or read a web page. Returns status_code, headers, url and data: JSON as "
        "such, a page as its text with title and links, other files are kept in the task folder. "
        f"Allowed domains, each with its subdomains: {access.allowed_names}.{added}"
    )
