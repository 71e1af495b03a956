"""Reads what Slack says of a file: where it is shared, why it cannot be had, what to download.

Pure. Slack's own words end here; anything that is missing or odd counts as not said.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent_engine.types import JsonObject
from bot.outbound.downloads import Source

DELETED = "it was deleted"
EXTERNAL = "it is stored outside Slack, where I have no access"
HIDDEN = "Slack does not show it to apps any more"

THUMBNAILS: Final = (1024, 960, 800, 720, 480, 360)
"""The longer sides of the versions of a picture that Slack makes, in pixels; it makes none that is
larger than the picture, but for the last one. Seen in recorded file objects; the reference of
Slack's file object names the last one only.
"""
_RENDERED: Final = {
    "application/vnd.slack-docs": "text/html",
    "application/vnd.slack-list": "",
}
"""Canvases and lists are written out when they are read: as what, and nobody knows how long."""


def why_unreadable(raw: JsonObject) -> str:
    """Say why nobody can read the file; empty when it can be tried."""
    mode = _text(raw, "mode")
    if mode == "tombstone" or _text(raw, "file_access") == "file_not_found":
        return DELETED
    if raw.get("is_external") is True or mode == "external":
        return EXTERNAL
    if mode == "hidden_by_limit" or _text(raw, "file_access") == "access_denied":
        return HIDDEN
    return ""


def places(raw: JsonObject) -> frozenset[str]:
    """Return the channels in which the file is shared."""
    found: set[str] = set()
    for name in ("channels", "groups", "ims"):
        listed = raw.get(name)
        found.update(str(place) for place in listed if place) if isinstance(listed, list) else None
    shares = raw.get("shares")
    for kind in ("public", "private"):
        listed = shares.get(kind) if isinstance(shares, Mapping) else None
        found.update(map(str, listed)) if isinstance(listed, Mapping) else None
    return frozenset(found)


def original(raw: JsonObject, *, max_bytes: int) -> Source:
    """Return where the file itself is."""
    mimetype = _text(raw, "mimetype")
    is_rendered = mimetype in _RENDERED
    return Source(
        url=_text(raw, "url_private_download") or _text(raw, "url_private"),
        mimetype=_RENDERED.get(mimetype, mimetype),
        size=0 if is_rendered else _number(raw, "size"),
        max_bytes=max_bytes,
    )


def thumbnails(raw: JsonObject, *, max_bytes: int) -> Iterator[Source]:
    """Return where Slack's smaller versions of a picture are, the largest first."""
    for side in THUMBNAILS:
        if url := _text(raw, f"thumb_{side}"):
            yield Source(url=url, max_bytes=max_bytes)


def _text(raw: JsonObject, name: str) -> str:
    value: Any = raw.get(name)
    return value if isinstance(value, str) else ""


def _number(raw: JsonObject, name: str) -> int:
    value: Any = raw.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
