"""The tool that reads and writes files of the task folder, and of nowhere else."""

import asyncio
import codecs
import functools
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from agent_engine.errors import ToolError
from agent_engine.ports import ToolContext, ToolTraits
from agent_engine.tools.declare import DeclaredTool, Parameters
from agent_engine.tools.paths import MAX_FILE_BYTES, Entry, Folder, Kind, split_path
from agent_engine.tools.quota import Quota, shown_size
from agent_engine.types import JsonObject

_MAX_LISTED: Final = 5_000
_FOR_HOST_NAMES: Final = frozenset({"idna", "punycode"})
"""Codecs whose time grows with the square of the text: a file would occupy the bot for hours."""


class Operation(StrEnum):
    """What can be done with a path."""

    READ = "read"
    WRITE = "write"
    LIST = "list"
    EXISTS = "exists"
    DELETE = "delete"


class FileOperationsParameters(Parameters):
    """What ``file_operations`` takes."""

    operation: Operation = Field(description="What to do.")
    path: str = Field(
        max_length=4096,
        description="Relative to the task folder, such as 'notes/plan.md'; '.' is the folder.",
    )
    content: str | None = Field(
        default=None, max_length=MAX_FILE_BYTES, description="The text to write; write only."
    )
    encoding: str = Field(default="utf-8", max_length=40, description="Of the file's text.")


def file_operations(quota: Quota | None = None) -> DeclaredTool[FileOperationsParameters]:
    """Return the tool that works on files.

    Args:
        quota: how much a task folder may hold; None for the usual.
    """
    caps = quota or Quota()
    return DeclaredTool(
        name="file_operations",
        description=(
            "Read, write, list, check or delete files in the task folder. write creates the "
            "folders above and replaces the file; delete removes a file or an empty folder. Read "
            f"or written here, a file may have at most {shown_size(MAX_FILE_BYTES)}; the folder "
            f"may hold {shown_size(caps.size)} and {caps.files} files and folders."
        ),
        parameters=FileOperationsParameters,
        run=functools.partial(_run, caps),
        traits=ToolTraits(timeout_s=30.0, idempotent=True),
        describe=_describe,
        characteristics=lambda arguments: {"operation": str(arguments["operation"])},
    )


async def _run(
    quota: Quota, parameters: FileOperationsParameters, context: ToolContext
) -> JsonObject:
    return await asyncio.to_thread(_carried_out, parameters, context.task_folder, quota)


def _carried_out(
    parameters: FileOperationsParameters, task_folder: Path, quota: Quota
) -> JsonObject:
    names = split_path(parameters.path)
    encoding = _known_encoding(parameters.encoding)
    with Folder(task_folder, quota) as folder:
        match parameters.operation:
            case Operation.READ:
                return _read(folder, names, encoding)
            case Operation.WRITE:
                return _write(folder, names, parameters.content, encoding)
            case Operation.LIST:
                return _list(folder, names)
            case Operation.EXISTS:
                return _exists(folder, names)
            case Operation.DELETE:
                folder.delete(names)
                return {"success": True, "path": "/".join(names)}


def _read(folder: Folder, names: tuple[str, ...], encoding: str) -> JsonObject:
    data = folder.read(names)
    try:
        content = data.decode(encoding)
    except UnicodeError as error:
        raise ToolError(
            f"the file is not text in {encoding}; name another encoding, or read it with a program"
        ) from error
    return {"success": True, "path": "/".join(names), "content": content, "size": len(data)}


def _write(
    folder: Folder, names: tuple[str, ...], content: str | None, encoding: str
) -> JsonObject:
    if content is None:
        raise ToolError("write needs 'content'")
    try:
        data = content.encode(encoding)
    except UnicodeError as error:
        raise ToolError(f"the content cannot be written in {encoding}; use utf-8") from error
    folder.write(names, data)
    path = "/".join(names)
    return {"success": True, "path": path, "bytes_written": len(data), "files": [path]}


def _list(folder: Folder, names: tuple[str, ...]) -> JsonObject:
    entries = folder.entries(names)
    items = [_item(entry) for entry in entries[:_MAX_LISTED]]
    return {"success": True, "items": items, "count": len(entries)}


def _item(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "path": entry.path,
        "is_file": entry.kind is Kind.FILE,
        "is_directory": entry.kind is Kind.FOLDER,
        "size": entry.size,
    }


def _exists(folder: Folder, names: tuple[str, ...]) -> JsonObject:
    kind = folder.kind(names)
    return {
        "success": True,
        "exists": kind is not Kind.MISSING,
        "is_file": kind is Kind.FILE,
        "is_directory": kind is Kind.FOLDER,
    }


def _known_encoding(name: str) -> str:
    """Return a text encoding's name; codecs that are no encodings of text are refused."""
    try:
        codec = codecs.lookup(name)
        " ".encode(codec.name)
    except (LookupError, ValueError) as error:
        raise ToolError(f"there is no encoding {name!r}; use utf-8") from error
    if codec.name in _FOR_HOST_NAMES:
        raise ToolError(f"{codec.name} is no encoding of files; use utf-8")
    return codec.name


def _describe(arguments: JsonObject, result: JsonObject) -> str:
    path = arguments.get("path", "")
    if not result.get("success"):
        return ""
    match arguments.get("operation"):
        case Operation.READ:
            return f"read {path} ({_bytes(result['size'])})"
        case Operation.WRITE:
            return f"wrote {path} ({_bytes(result['bytes_written'])})"
        case Operation.LIST:
            count = result["count"]
            return f"{count} item{'' if count == 1 else 's'} in {path}"
        case Operation.EXISTS:
            return f"{path} {'exists' if result['exists'] else 'does not exist'}"
        case _:
            return f"deleted {path}"


def _bytes(count: int) -> str:
    return f"{count} byte{'' if count == 1 else 's'}"
