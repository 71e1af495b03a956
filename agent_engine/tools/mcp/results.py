"""What a server's tool returned, as the result of a tool: text, data, files in the task folder.

All of it is data from outside: it lies below keys of ours, so that it cannot end a task or ask for
another plan, and files get names of ours.
"""

import asyncio
import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext
from agent_engine.tools.mcp.servers import McpServer
from agent_engine.tools.mcp.words import blotted, clean_text
from agent_engine.tools.paths import MAX_FILE_BYTES, Folder
from agent_engine.types import JsonObject

FOLDER: Final = "mcp"
"""Below the task folder."""
MAX_FILES: Final = 10
MAX_LINKS: Final = 50
MAX_SHOWN_CHARS: Final = 200_000
"""Of the text of one result, and of its structured data; longer ones are kept as files."""
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
    whole: dict[str, str] = field(default_factory=dict)
    """What is too long to be shown, by the ending of its file."""
    notes: list[str] = field(default_factory=list)


async def result_of(
    returned: JsonObject, tool: str, context: ToolContext, *, server: McpServer
) -> JsonObject:
    """Return the tool's result for what its server returned, in the protocol's own JSON.

    Pictures and other data become files of the task folder; what is too large or no base64 is
    told of instead. The server's secrets are taken out of all of it. Off the loop, for it may be
    long.
    """
    stem = f"{tool}-{context.step}"
    return await asyncio.to_thread(_result, returned, server, stem, context.task_folder)


def _result(returned: JsonObject, server: McpServer, stem: str, folder: Path) -> JsonObject:
    parts = _sorted(returned.get("content"))
    structured = blotted(returned.get("structuredContent"), server.blot)
    structured = _bounded_data(structured, parts)
    text = _bounded_text(server.blot("\n".join(parts.texts)), parts)
    if returned.get("isError"):
        return {"success": False, "error": text or "the server's tool failed without saying why"}
    files = _saved(parts, stem, folder, server=server)
    result: dict[str, Any] = {"success": True}
    if text and not _says_the_same(text, structured):
        result["text"] = text
    if structured is not None:
        result["structured"] = structured
    said = {"links": _links(parts, server), "files": files, "notes": parts.notes}
    return result | {key: value for key, value in said.items() if value}


def _links(parts: _Parts, server: McpServer) -> list[dict[str, str]]:
    return [
        {key: clean_text(server.blot(words), _MAX_WORD_CHARS) for key, words in link.items()}
        for link in parts.links
    ]


def _bounded_text(text: str, parts: _Parts) -> str:
    if len(text) > MAX_SHOWN_CHARS:
        parts.whole["txt"] = text
        parts.notes.append(f"the text is cut after {MAX_SHOWN_CHARS} characters")
    return text[:MAX_SHOWN_CHARS]


def _bounded_data(data: object, parts: _Parts) -> object:
    if data is None or len(whole := json.dumps(data)) <= MAX_SHOWN_CHARS:
        return data
    parts.whole["json"] = whole
    parts.notes.append(f"left out: structured data of more than {MAX_SHOWN_CHARS} characters")
    return None


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
            if len(parts.links) < MAX_LINKS:
                parts.links.append({key: str(block.get(key, "")) for key in ("uri", "name")})
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


def _saved(parts: _Parts, stem: str, task_folder: Path, *, server: McpServer) -> list[str]:
    """Write the data, and what is too long, as files; note what could not be."""
    if not parts.data and not parts.whole:
        return []
    saved: list[str] = []
    with Folder(task_folder, server.quota) as folder:
        for name, content in _files(parts, stem, server):
            try:
                folder.write((FOLDER, name), content())
            except ToolError as error:
                parts.notes.append(f"left out: {name} ({error.message})")
            else:
                saved.append(f"{FOLDER}/{name}")
    if len(parts.data) > MAX_FILES:
        parts.notes.append(f"left out: {len(parts.data) - MAX_FILES} further files")
    return saved


def _files(
    parts: _Parts, stem: str, server: McpServer
) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Yield what becomes a file: its name, and what makes its content or raises ToolError."""
    for ending, text in parts.whole.items():
        yield f"{stem}-whole.{ending}", partial(text.encode, errors="replace")
    for number, (kind, encoded) in enumerate(parts.data[:MAX_FILES], start=1):
        ending = _ENDINGS.get(kind.partition(";")[0].strip().lower(), "bin")
        yield f"{stem}-{number}.{ending}", partial(_decoded, encoded, server)


def _decoded(encoded: str, server: McpServer) -> bytes:
    if len(encoded) > MAX_FILE_BYTES * 4 // 3 + 4:
        raise ToolError("too large")
    try:
        return server.blot_bytes(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise ToolError("not valid base64") from error
