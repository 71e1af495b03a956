"""What a server's tool returned, as the result of a tool: text, data, files in the task folder.

All of it is data from outside: it lies below keys of ours, so that it cannot end a task or ask for
another plan, and files get names of ours.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext
from agent_engine.tools.mcp.words import clean_text
from agent_engine.tools.paths import MAX_FILE_BYTES, Folder
from agent_engine.types import JsonObject

FOLDER: Final = "mcp"
"""Below the task folder."""
MAX_FILES: Final = 10
MAX_LINKS: Final = 50
_MAX_WORD_CHARS: Final = 500
_ENDINGS: Final = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "audio/wav": "wav",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "application/pdf": "pdf",
    "application/json": "json",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/markdown": "md",
}
"""Whatever else it is called, a file gets the ending ``bin``."""


@dataclass(slots=True)
class _Parts:
    """The parts of one result, sorted."""

    texts: list[str] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)
    """Type and base64 of what becomes a file."""
    notes: list[str] = field(default_factory=list)


async def result_of(
    returned: JsonObject, tool: str, context: ToolContext, *, blot: Callable[[str], str]
) -> JsonObject:
    """Return the tool's result for what a server returned, in the protocol's own JSON.

    Pictures and other data become files of the task folder; what is too large or no base64 is
    told of instead. ``blot`` is applied to every text.
    """
    parts = _sorted(returned.get("content"))
    structured = _blotted(returned.get("structuredContent"), blot)
    text = blot("\n".join(parts.texts))
    if returned.get("isError"):
        return {"success": False, "error": text or "the server's tool failed without saying why"}
    files = await asyncio.to_thread(_saved, parts, f"{tool}-{context.step}", context.task_folder)
    result: dict[str, Any] = {"success": True}
    if text and not _says_the_same(text, structured):
        result["text"] = text
    if structured is not None:
        result["structured"] = structured
    said = {"links": parts.links, "files": files, "notes": parts.notes}
    return result | {key: value for key, value in said.items() if value}


def _sorted(content: object) -> _Parts:
    parts = _Parts()
    for block in content if isinstance(content, list) else ():
        if isinstance(block, Mapping):
            _sort(block, parts)
    return parts


def _sort(block: Mapping[str, Any], parts: _Parts) -> None:
    match block.get("type"):
        case "text":
            parts.texts.append(str(block.get("text", "")))
        case "image" | "audio":
            parts.data.append((str(block.get("mimeType", "")), str(block.get("data", ""))))
        case "resource":
            _sort_resource(block.get("resource"), parts)
        case "resource_link":
            words = {key: clean_text(block.get(key), _MAX_WORD_CHARS) for key in ("uri", "name")}
            if len(parts.links) < MAX_LINKS:
                parts.links.append(words)
        case kind:
            parts.notes.append(f"left out: content of the type {clean_text(kind, 40) or 'unknown'}")


def _sort_resource(resource: object, parts: _Parts) -> None:
    if not isinstance(resource, Mapping):
        return
    if isinstance(text := resource.get("text"), str):
        parts.texts.append(text)
    elif isinstance(blob := resource.get("blob"), str):
        parts.data.append((str(resource.get("mimeType", "")), blob))


def _says_the_same(text: str, structured: object) -> bool:
    """Whether the text is the structured result again, as many servers send for old clients."""
    if structured is None:
        return False
    try:
        return bool(json.loads(text) == structured)
    except (ValueError, RecursionError):
        return False


def _blotted(value: Any, blot: Callable[[str], str]) -> Any:  # noqa: ANN401  any JSON value
    match value:
        case str():
            return blot(value)
        case Mapping():
            return {blot(str(key)): _blotted(item, blot) for key, item in value.items()}
        case list():
            return [_blotted(item, blot) for item in value]
        case _:
            return value


def _saved(parts: _Parts, stem: str, task_folder: Path) -> list[str]:
    """Write the data as files; note what could not be."""
    saved: list[str] = []
    if not parts.data:
        return saved
    with Folder(task_folder) as folder:
        for number, (kind, encoded) in enumerate(parts.data[:MAX_FILES], start=1):
            ending = _ENDINGS.get(kind.partition(";")[0].strip().lower(), "bin")
            names = (FOLDER, f"{stem}-{number}.{ending}")
            try:
                folder.write(names, _decoded(encoded))
            except ToolError as error:
                parts.notes.append(f"left out: part {number} ({error.message})")
            else:
                saved.append("/".join(names))
    if len(parts.data) > MAX_FILES:
        parts.notes.append(f"left out: {len(parts.data) - MAX_FILES} further files")
    return saved


def _decoded(encoded: str) -> bytes:
    if len(encoded) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise ToolError("too large")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ToolError("not valid base64") from error
