"""Makes of a response what a model can use: JSON, text, the text of a page, or a file.

Runs off the event loop where it may take long. What it returns is not yet free of secrets.
"""

import codecs
import json
import mimetypes
import re
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from agent_engine.tools.api_call.page_text import read_page
from agent_engine.tools.http.exchange import HttpResponse
from agent_engine.tools.http.patience import retry_after_s
from agent_engine.tools.http.urls import Destination
from agent_engine.tools.paths import Folder, split_path

MAX_SHOWN_CHARS: Final = 200_000
"""Of a text; a longer one is kept as a file as well."""
MAX_HEADERS_SHOWN: Final = 25
MAX_HEADER_CHARS: Final = 300
MAX_PAGE_CHARS: Final = 1_000_000
"""Of a page's HTML; what comes after is not read."""
DOWNLOADS: Final = "downloads"
WITHHELD: Final = "[withheld]"
_ERROR_FROM: Final = 400
_REDIRECT_FROM: Final = 300
_MAX_NAME_CHARS: Final = 60

_PRIVATE_HEADERS: Final = re.compile(
    r"(set-cookie2?|.*(authoriz|authentication-info|token|secret|api-?key|session|csrf|xsrf).*)"
)
_NOISE: Final = frozenset(
    {
        "accept-ch",
        "alt-svc",
        "content-security-policy",
        "content-security-policy-report-only",
        "nel",
        "p3p",
        "permissions-policy",
        "report-to",
        "reporting-endpoints",
        "server-timing",
        "strict-transport-security",
    }
)
"""For browsers and their makers; long, and of no use to a model."""
_BINARY: Final = re.compile(
    r"(image/(?!svg)|audio/|video/|font/|model/).*"
    r"|application/(octet-stream|pdf|zip|gzip|x-tar|x-7z.*|vnd\.(ms-|openxml|oasis).*|wasm)"
)
_PAGES: Final = frozenset({"text/html", "application/xhtml+xml"})
_CHARSET: Final = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([a-zA-Z0-9_-]{1,40})""")
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9._-]+")


class ContentType(NamedTuple):
    """What a body says it is."""

    kind: str
    """Such as ``text/html``, lower case; empty when it does not say."""
    charset: str

    @property
    def is_json(self) -> bool:
        """Whether it is JSON of some kind."""
        return self.kind.endswith(("/json", "+json"))


def present(response: HttpResponse, folder: Folder, *, step: int) -> dict[str, Any]:
    """Return the tool's result for a response.

    Args:
        response: what came back.
        folder: the task's; what is no text, or a long one, is written there.
        step: keeps files of one task apart; the same for every attempt.
    """
    kind = read_content_type(response.header("Content-Type"))
    result: dict[str, Any] = {
        "success": response.status < _ERROR_FROM,
        "status_code": response.status,
        "url": str(response.destination.url),
        "headers": shown_headers(response.headers),
    }
    if response.status >= _ERROR_FROM:
        result["error"] = _error(response)
    elif response.status >= _REDIRECT_FROM and response.header("Location"):
        result["note"] = "the server sends on to the address in the header location"
    text = None if _BINARY.fullmatch(kind.kind) else _text(response.body, kind)
    if text is None:
        result |= _as_file(response, kind, folder, step=step)
    else:
        result |= _as_text(response, kind, text, folder=folder, step=step)
    return result


def shown_headers(headers: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Return headers by lower-case name, bounded, without what gives somebody rights."""
    shown: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _NOISE or (len(shown) >= MAX_HEADERS_SHOWN and lower not in shown):
            continue
        if _PRIVATE_HEADERS.fullmatch(lower):
            shown[lower] = WITHHELD
        else:
            joined = f"{shown[lower]}, {value}" if lower in shown else value
            shown[lower] = joined[:MAX_HEADER_CHARS]
    return shown


def read_content_type(header: str) -> ContentType:
    """Read a Content-Type header; nonsense is no type at all."""
    message = Message()
    message["Content-Type"] = header[:MAX_HEADER_CHARS]
    if "/" not in header:
        return ContentType("", "")
    charset = message.get_content_charset("")
    return ContentType(message.get_content_type(), charset)


# ------------------------------------------------------------------------------------------------


def _error(response: HttpResponse) -> str:
    try:
        said = f"{response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        said = str(response.status)
    asked_s = retry_after_s(response)
    later = f"; it asks to wait {asked_s:.0f} s" if asked_s else ""
    return f"{response.destination.host} answered {said}{later}"


def _as_text(
    response: HttpResponse, kind: ContentType, text: str, *, folder: Folder, step: int
) -> dict[str, Any]:
    if kind.kind in _PAGES:
        return _as_page(response, text)
    is_long = len(text) > MAX_SHOWN_CHARS
    if not is_long and not response.is_cut and (kind.is_json or _may_be_json(kind, text)):
        return {"data": _parsed(text)}
    if not is_long:
        return {"data": text} | ({"truncated": True} if response.is_cut else {})
    kept = _written(response, kind, folder, step=step)
    return {"data": text[:MAX_SHOWN_CHARS], "truncated": True, **kept}


def _as_page(response: HttpResponse, text: str) -> dict[str, Any]:
    page = read_page(text[:MAX_PAGE_CHARS], response.destination.url)
    links = [{"text": link.text, "url": link.url} for link in page.links]
    is_cut = response.is_cut or len(text) > MAX_PAGE_CHARS or len(page.text) > MAX_SHOWN_CHARS
    result = {"title": page.title, "data": page.text[:MAX_SHOWN_CHARS], "links": links}
    return result | ({"truncated": True} if is_cut else {})


def _as_file(
    response: HttpResponse, kind: ContentType, folder: Folder, *, step: int
) -> dict[str, Any]:
    about = {"content_type": kind.kind, "size": len(response.body)}
    if not response.body:
        return {"data": "", **about}
    if response.is_cut:
        error = f"the file has more than {len(response.body)} bytes and was not kept"
        return {"success": False, "error": error, "data": "", **about}
    kept = _written(response, kind, folder, step=step)
    return {"data": f"a file, kept as {kept['files'][0]}", **about, **kept}


def _written(
    response: HttpResponse, kind: ContentType, folder: Folder, *, step: int
) -> dict[str, list[str]]:
    path = f"{DOWNLOADS}/step{step}-{file_name(response.destination, kind.kind)}"
    with folder as opened:
        opened.write(split_path(path), response.body)
    return {"files": [path]}


def file_name(destination: Destination, kind: str) -> str:
    """Make a harmless file name from the last part of an address.

    It ends as its type does: what a server calls ``x.sh`` and an image is kept as an image.
    """
    last = destination.url.path.rstrip("/").rpartition("/")[2] or destination.host
    name = _NOT_IN_A_NAME.sub("-", last).strip(".-")[:_MAX_NAME_CHARS] or "response"
    usual = mimetypes.guess_extension(kind) or ""
    known = mimetypes.guess_type(name)[0]
    return name if known == kind or not usual else f"{name}{usual}"


def _text(body: bytes, kind: ContentType) -> str | None:
    """Return the body as text; None when it is none."""
    charset = kind.charset or _declared_charset(body, kind) or "utf-8-sig"
    try:
        text, _ = codecs.getdecoder(_text_codec(charset))(body, "strict")
    except (UnicodeError, LookupError):
        if not _claims_text(kind):
            return None
        text = body.decode("utf-8", "replace")
    return text if _claims_text(kind) or "\x00" not in text else None


def _text_codec(charset: str) -> str:
    """Return the name of a text encoding; codecs that transform bytes are none. Raises LookupError.

    A server names the charset: ``zlib`` would unpack what was not counted.
    """
    " ".encode(charset)
    return codecs.lookup(charset).name


def _declared_charset(body: bytes, kind: ContentType) -> str:
    found = _CHARSET.search(body[:2048]) if kind.kind in _PAGES else None
    return found[1].decode() if found else ""


def _claims_text(kind: ContentType) -> bool:
    return kind.kind.startswith("text/") or kind.is_json or kind.kind in _PAGES


def _may_be_json(kind: ContentType, text: str) -> bool:
    return kind.kind in ("", "text/plain") and text.lstrip()[:1] in ("{", "[")


def _parsed(text: str) -> Any:  # noqa: ANN401  any JSON value
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def outcome(arguments: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Say in one line for people what came of a call; empty when there was no response."""
    if "status_code" not in result:
        return ""
    host = str(result["url"]).partition("://")[2].partition("/")[0]
    return f"{arguments.get('method', 'GET')} {host}: {result['status_code']}"
