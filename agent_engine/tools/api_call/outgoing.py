"""Makes the request that a model asked for, or says what is wrong with it. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from pydantic import JsonValue

from agent_engine.errors import ToolError
from agent_engine.tools.http.exchange import HttpRequest
from agent_engine.tools.http.urls import MAX_URL_CHARS, Destination, read_url

MAX_BODY_BYTES: Final = 5 * 1024 * 1024
MAX_HEADERS: Final = 40
MAX_HEADER_CHARS: Final = 4_000
IDEMPOTENCY_KEY: Final = "idempotency-key"
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_ACCEPT: Final = "application/json, text/plain;q=0.9, text/html;q=0.8, */*;q=0.5"

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]*")
_CREDENTIALS: Final = frozenset({"authorization", "cookie", "cookie2", "proxy-authorization"})
_CONNECTION: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)
_PREFIXES: Final = ("proxy-", "sec-", "x-forwarded-", "x-http-method", "x-method-override")

Scalar = str | int | float | bool
Params = Mapping[str, Scalar | Sequence[Scalar]]


class Wanted(NamedTuple):
    """What a model asked for."""

    method: str
    url: str
    headers: Mapping[str, str]
    data: JsonValue
    params: Params


def make_request(wanted: Wanted, *, key: str) -> HttpRequest:
    """Make the request.

    Args:
        wanted: what was asked for.
        key: goes along with requests that must not be carried out twice, for servers that heed it.

    Raises:
        ToolError: something in it may not or cannot be sent.
    """
    destination = _with_params(read_url(wanted.url), wanted.params)
    headers = _checked_headers(wanted.headers)
    is_repeatable = wanted.method == "GET" or IDEMPOTENCY_KEY in headers
    if wanted.method in ("POST", "PATCH"):
        headers.setdefault(IDEMPOTENCY_KEY, key)
    body, content_type = _body(wanted, headers.get("content-type", ""))
    if content_type:
        headers["content-type"] = content_type
    headers.setdefault("accept", _ACCEPT)
    return HttpRequest(
        method=wanted.method,
        destination=destination,
        headers=headers,
        body=body,
        is_repeatable=is_repeatable,
    )


def refuse_set_by_hand(request: HttpRequest, *, headers: set[str], params: set[str]) -> None:
    """Refuse what the bot sets itself for this server."""
    taken = {name.lower() for name in headers} & set(request.headers)
    taken |= params & set(request.destination.url.query)
    if taken:
        names = ", ".join(sorted(taken))
        raise ToolError(f"leave out {names}: it is added by itself for this server")


# ------------------------------------------------------------------------------------------------


def _with_params(destination: Destination, params: Params) -> Destination:
    if not params:
        return destination
    pairs = [(name, _text(value)) for name, given in params.items() for value in _values(given)]
    extended = destination.url.extend_query(pairs)
    if len(str(extended)) > MAX_URL_CHARS:
        raise ToolError(f"url and params have more than {MAX_URL_CHARS} characters together")
    return read_url(str(extended))


def _values(given: Scalar | Sequence[Scalar]) -> Sequence[Scalar]:
    return [given] if isinstance(given, Scalar) else given


def _text(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_headers(given: Mapping[str, str]) -> dict[str, str]:
    if len(given) > MAX_HEADERS:
        raise ToolError(f"there are more than {MAX_HEADERS} headers")
    headers: dict[str, str] = {}
    for name, value in given.items():
        _check_header(name, value)
        if name.lower() in headers:
            raise ToolError(f"the header {name} is there twice")
        headers[name.lower()] = value.strip()
    return headers


def _check_header(name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ToolError("a header's name may hold letters, digits and dashes only")
    lower = name.lower()
    if lower in _CREDENTIALS:
        raise ToolError(
            f"leave out the header {name}: credentials are added by the bot for servers that are "
            "configured, and cannot be given here"
        )
    if lower in _CONNECTION or lower.startswith(_PREFIXES):
        raise ToolError(f"leave out the header {name}: it is set by the bot")
    if len(value) > MAX_HEADER_CHARS or not _HEADER_VALUE.fullmatch(value):
        raise ToolError(
            f"the header {name} may hold at most {MAX_HEADER_CHARS} ASCII characters on one line"
        )


def _body(wanted: Wanted, content_type: str) -> tuple[bytes | None, str]:
    """Return the body and its type; a type that was given stays."""
    if wanted.data is None:
        return None, content_type
    if wanted.method == "GET":
        raise ToolError("GET takes no data; put it into params, or use another method")
    text, usual_type = _written(wanted.data, content_type.partition(";")[0].strip().lower())
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise ToolError("data is not valid Unicode") from error
    if len(body) > MAX_BODY_BYTES:
        raise ToolError(f"data has more than {MAX_BODY_BYTES} bytes")
    return body, content_type or usual_type


def _written(data: JsonValue, content_type: str) -> tuple[str, str]:
    if content_type.startswith("multipart/"):
        raise ToolError("multipart bodies cannot be sent; use JSON, a form or text")
    if content_type == _FORM:
        return _form(data), content_type
    if isinstance(data, str):
        return data, _JSON if _is_json(data) else "text/plain; charset=utf-8"
    if content_type and not _speaks_json(content_type):
        raise ToolError(f"data for {content_type} must be a text")
    return json.dumps(data, ensure_ascii=False, allow_nan=False), _JSON


def _form(data: JsonValue) -> str:
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        raise ToolError("data of a form must be an object, or a text that is encoded already")
    pairs = [(name, item) for name, value in data.items() for item in _items(value)]
    if any(isinstance(item, dict | list) for _, item in pairs):
        raise ToolError("a form has texts and numbers, or lists of them; for more use JSON")
    return urlencode([(name, _form_text(item)) for name, item in pairs])


def _items(value: JsonValue) -> Sequence[JsonValue]:
    return value if isinstance(value, list) else [value]


def _form_text(value: JsonValue) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _speaks_json(content_type: str) -> bool:
    return content_type == _JSON or content_type.endswith("+json")


def _is_json(text: str) -> bool:
    """Say whether a text is a JSON object or list, as models often write them."""
    if not text.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
