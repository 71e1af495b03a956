"""What people attached to one run, as one worker sees it: for prompts, models' eyes and answers.

Fetching is the port's business. Nothing here is stored: asked again, everything is found again.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent_engine.errors import ToolError
from agent_engine.planners.prompts import without_marks
from agent_engine.ports import (
    Attachments,
    Dialect,
    Image,
    ModelClient,
    ModelReply,
    ModelRequest,
)
from agent_engine.tools.paths import Folder, split_path
from agent_engine.types import Answer, Attachment, PersonMessage, RunSnapshot

MAX_IMAGES: Final = 4
"""The newest ones; more cost more than they tell."""
MAX_IMAGE_BYTES: Final = 5_000_000
SEEN_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
MAX_NOTES: Final = 5
_MAX_NAME: Final = 120
_NOT_FOR = frozenset({"judge"})
"""Purposes of model calls that are about words alone."""


class Attached:
    """The attachments of one run.

    Args:
        port: None where nobody can attach anything.
        folder: the task's.
    """

    def __init__(self, port: Attachments | None, folder: Path) -> None:
        self._port = port
        self._folder = folder
        self._found: Mapping[str, Attachment] = {}
        self._images: tuple[Image, ...] = ()
        self._too_large: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[Image, ...]:
        """What a model that sees is shown, oldest first."""
        return self._images

    async def fetch(self, run: RunSnapshot) -> None:
        """Have every file there that was attached so far; costs nothing when there is none new."""
        wanted = {file.id for message in run.messages for file in message.files}
        if self._port is None or wanted <= self._found.keys():
            return
        self._found = await self._port.fetch(run)
        pictures = [file for file in self._files(run.messages) if file.mimetype in SEEN_TYPES]
        self._too_large = tuple(f.name for f in pictures if f.size > MAX_IMAGE_BYTES)
        shown = [file for file in pictures if file.size <= MAX_IMAGE_BYTES][-MAX_IMAGES:]
        self._images = await asyncio.to_thread(_read, self._folder, shown)

    def shown(self, run: RunSnapshot) -> RunSnapshot:
        """Return the run with attachments called what they are called in the task folder."""
        if not self._found:
            return run
        return replace(run, messages=tuple(map(self._with_found, run.messages)))

    def noted(self, answer: Answer, run: RunSnapshot, *, sees: bool) -> Answer:
        """Return the answer with a sentence for each new file that could not be used."""
        notes = self._notes(run, sees=sees)
        if not notes:
            return answer
        return replace(answer, text="\n\n".join([answer.text.rstrip(), *notes]))

    # --------------------------------------------------------------------------------------------

    def _with_found(self, message: PersonMessage) -> PersonMessage:
        files = tuple(self._found.get(file.id, file) for file in message.files)
        return replace(message, files=files)

    def _files(self, messages: tuple[PersonMessage, ...]) -> list[Attachment]:
        """Return what is in the folder, each once."""
        found = [self._found.get(file.id, file) for m in messages for file in m.files]
        return list({file.id: file for file in found if not file.problem}.values())

    def _notes(self, run: RunSnapshot, *, sees: bool) -> list[str]:
        new = {f.id: self._found.get(f.id, f) for m in _new_messages(run) for f in m.files}
        notes = [
            f"I could not use {_named(f.name)}: {f.problem}." for f in new.values() if f.problem
        ]
        for file in new.values():
            if file.problem or file.mimetype not in SEEN_TYPES:
                continue
            if not sees:
                notes.append(f"I could not look at {_named(file.name)}: my model sees no images.")
            elif file.name in self._too_large:
                limit = f"{MAX_IMAGE_BYTES // 1_000_000} MB"
                notes.append(f"I could not look at {_named(file.name)}: it is larger than {limit}.")
        more = len(notes) - MAX_NOTES
        return [*notes[:MAX_NOTES], f"… and {more} more."] if more > 0 else notes


class SeeingModel:
    """A model that is shown a run's images with what it is asked.

    Whether it sees is its own affair: one that does not is told their names instead.
    """

    def __init__(self, model: ModelClient, attached: Attached) -> None:
        self._model = model
        self._attached = attached

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def dialect(self) -> Dialect:
        """What was found out about the endpoint."""
        return self._model.dialect

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask with the images in the last turn."""
        images = self._attached.images
        if images and request.turns and request.purpose not in _NOT_FOR:
            *before, last = request.turns
            request = replace(request, turns=(*before, replace(last, images=images)))
        return await self._model.complete(request)


def _new_messages(run: RunSnapshot) -> tuple[PersonMessage, ...]:
    """Return what was said for this run; what earlier runs were told they have noted themselves."""
    if not run.earlier_answers:
        return run.messages
    before = [n for n, message in enumerate(run.messages) if message.sent_at <= run.created_at]
    return run.messages[max(before, default=0) :]


def _read(folder: Path, files: list[Attachment]) -> tuple[Image, ...]:
    images = []
    with Folder(folder) as opened:
        for file in files:
            try:
                data = opened.read(split_path(file.name), max_bytes=MAX_IMAGE_BYTES)
            except ToolError:
                continue  # the agent has moved or deleted it: then it need not be seen
            name = without_marks(file.name)[:_MAX_NAME]
            images.append(Image(name=name, mimetype=file.mimetype, data=data))
    return tuple(images)


def _named(name: str) -> str:
    plain = " ".join(name.replace("`", "'").split())[:_MAX_NAME]
    return f"`{plain}`"
