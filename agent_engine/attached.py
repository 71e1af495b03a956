"""What people attached to one run, as one worker sees it: for prompts, models' eyes and answers.

Fetching is the port's business. Nothing here is stored: asked again, everything is found again. A
file's name and type are its sender's choice, so what it is is told by its first bytes.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent_engine import excerpts
from agent_engine.errors import ToolError
from agent_engine.image_headers import HEADER_BYTES, ImageHeader, image_header
from agent_engine.models.around import AroundModel
from agent_engine.planners.prompts import without_marks
from agent_engine.ports import Attachments, Image, ModelClient, ModelReply, ModelRequest
from agent_engine.tools.paths import MAX_FILE_BYTES, Folder, split_path
from agent_engine.types import Answer, Attachment, PersonMessage, RunSnapshot

MAX_IMAGES: Final = 4
"""The newest ones; more cost more than they tell."""
MAX_TRIED: Final = 8
"""How many are looked at for those that can be shown."""
MAX_IMAGE_BYTES: Final = 3_900_000
"""A well-known provider takes 5 MiB of base64."""
MAX_IMAGE_SIDE: Final = 8_000
"""Pixels; more than one provider refuses a longer side."""
MAX_BEGINNINGS: Final = 4_000
"""Characters of all files' first lines together; the newest files' come first."""
MAX_NOTES: Final = 5
_LEAST_BEGINNING: Final = 100
_MAX_NAME: Final = 120
_NOT_FOR = frozenset({"judge"})
"""Purposes of model calls that are about words alone."""
_DRAWN: Final = "image/svg+xml"
"""Called an image, but a text."""

FOR_PROGRAMS = f"larger than {MAX_FILE_BYTES >> 20} MiB, so that only a program can read it"
BLIND = "my model sees no images"
REFUSED = "my model did not accept it"
TOO_LARGE = "it is too large for my model"
UNREADABLE = "my model cannot read this kind of image"


class Attached:
    """The attachments of one run.

    Args:
        port: None where nobody can attach anything.
        folder: the task's.
        redact: applied to texts before they are cut.
    """

    def __init__(
        self, port: Attachments | None, folder: Path, *, redact: Callable[[str], str] = str
    ) -> None:
        self._port = port
        self._folder = folder
        self._redact = redact
        self._found: Mapping[str, Attachment] = {}
        self._images: tuple[Image, ...] = ()
        self._unseen: Mapping[str, str] = {}
        self._refused = False

    @property
    def images(self) -> tuple[Image, ...]:
        """What a model that sees is shown, oldest first."""
        return () if self._refused else self._images

    async def fetch(self, run: RunSnapshot) -> None:
        """Have every file there that was attached so far; costs nothing when there is none new."""
        wanted = {file.id for message in run.messages for file in message.files}
        if self._port is None or wanted <= self._found.keys():
            return
        found = await self._port.fetch(run)
        there = _there(run.messages, found)
        looks = await asyncio.to_thread(_looked_at, self._folder, there, self._redact)
        eyes = await self._shown_to_eyes(self._port, run, there, looks)
        self._images = tuple(seen.image for seen in eyes.values() if seen.image is not None)
        self._unseen = {file_id: seen.problem for file_id, seen in eyes.items() if seen.problem}
        self._refused = False
        told = {f.id: _told(f, looks[f.id], eyes.get(f.id)) for f in there if f.id in looks}
        self._found = {**found, **told}

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

    def refuse_images(self) -> None:
        """Take note that the model's server takes images, but not these."""
        self._refused = True

    # --------------------------------------------------------------------------------------------

    def _with_found(self, message: PersonMessage) -> PersonMessage:
        files = tuple(self._found.get(file.id, file) for file in message.files)
        return replace(message, files=files)

    async def _shown_to_eyes(
        self,
        port: Attachments,
        run: RunSnapshot,
        files: Sequence[Attachment],
        looks: Mapping[str, "_Look"],
    ) -> dict[str, "_Seen"]:
        """Return what is shown of the newest pictures, or why they are not, oldest first."""
        eyes: dict[str, _Seen] = {}
        there = [file for file in reversed(files) if file.id in looks]
        for file in [file for file in there if _is_picture(file)][:MAX_TRIED]:
            if sum(seen.image is not None for seen in eyes.values()) == MAX_IMAGES:
                break
            data = await asyncio.to_thread(_original, self._folder, file)
            seen = _seen(file, data)
            if seen is None:
                data = await port.smaller(run, file.id, max_bytes=MAX_IMAGE_BYTES)
                seen = _seen(file, data, is_smaller=True)
            why = TOO_LARGE if looks[file.id].header else UNREADABLE
            eyes[file.id] = seen or _Seen(problem=why)
        return dict(reversed(eyes.items()))

    def _notes(self, run: RunSnapshot, *, sees: bool) -> list[str]:
        new = {f.id: self._found.get(f.id, f) for m in _new_messages(run) for f in m.files}
        notes = [
            f"I could not use {_named(f.name)}: {f.problem}." for f in new.values() if f.problem
        ]
        notes += [
            f"I could not look at {_named(file.name)}: {why}."
            for file in new.values()
            if (why := self._why_unseen(file, sees=sees))
        ]
        more = len(notes) - MAX_NOTES
        return [*notes[:MAX_NOTES], f"… and {more} more."] if more > 0 else notes

    def _why_unseen(self, file: Attachment, *, sees: bool) -> str:
        """Say why a picture could not be looked at; empty for one that could, and other files."""
        if file.problem or not _is_picture(file):
            return ""
        if not sees:
            return BLIND
        return self._unseen.get(file.id) or (REFUSED if self._refused else "")


class SeeingModel(AroundModel):
    """A model that is shown a run's images with what it is asked.

    Whether it sees is its own affair: one that does not is told their names instead.
    """

    def __init__(self, model: ModelClient, attached: Attached) -> None:
        super().__init__(model)
        self._attached = attached

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask with the images in the last turn."""
        images = self._attached.images
        if images and request.turns and request.purpose not in _NOT_FOR:
            *before, last = request.turns
            request = replace(request, turns=(*before, replace(last, images=images)))
        reply = await self._model.complete(request)
        if reply.images_refused:
            self._attached.refuse_images()
        return reply


# -- looking into files --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a file's first bytes tell."""

    header: ImageHeader | None = None
    begins: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What a model is shown of a picture, or why nothing."""

    image: Image | None = None
    problem: str = ""
    smaller: ImageHeader | None = None
    """Where it is a smaller version that is shown."""


def _there(
    messages: Iterable[PersonMessage], found: Mapping[str, Attachment]
) -> tuple[Attachment, ...]:
    """Return what is in the folder, each once, oldest first."""
    files = [found.get(file.id, file) for message in messages for file in message.files]
    return tuple({file.id: file for file in files if not file.problem}.values())


def _is_picture(file: Attachment) -> bool:
    return file.mimetype.startswith("image/") and file.mimetype != _DRAWN


def _looked_at(
    folder: Path, files: Sequence[Attachment], redact: Callable[[str], str]
) -> dict[str, _Look]:
    """Look into the files that are still there, the newest first."""
    looks: dict[str, _Look] = {}
    room = MAX_BEGINNINGS
    with Folder(folder) as opened:
        for file in reversed(files):
            try:
                start = opened.read_start(split_path(file.name), max_bytes=HEADER_BYTES)
            except ToolError:
                continue  # the agent has moved or deleted it: then it need not be looked at
            header = image_header(start)
            begins = "" if header or room < _LEAST_BEGINNING else _begins(file, start, redact, room)
            room -= len(begins)
            looks[file.id] = _Look(header=header, begins=begins)
    return looks


def _begins(file: Attachment, start: bytes, redact: Callable[[str], str], room: int) -> str:
    text = excerpts.text_in(start[: excerpts.START_BYTES])
    if text is None:
        return ""
    # Redacted before it is cut: half a secret is not recognised.
    return excerpts.excerpt(
        redact(text),
        is_all=file.size <= excerpts.START_BYTES,
        max_chars=min(excerpts.MAX_CHARS, room - len(f"\n{excerpts.MORE}")),
    )


def _original(folder: Path, file: Attachment) -> bytes | None:
    """Return a picture as it was attached; None where it is too large, moved or deleted."""
    if file.size > MAX_IMAGE_BYTES:
        return None
    try:
        with Folder(folder) as opened:
            return opened.read(split_path(file.name), max_bytes=MAX_IMAGE_BYTES)
    except ToolError:
        return None


def _seen(file: Attachment, data: bytes | None, *, is_smaller: bool = False) -> _Seen | None:
    """Return what is shown of these bytes; None where they are no picture that models take."""
    header = image_header(data[:HEADER_BYTES]) if data is not None else None
    if data is None or header is None:
        return None
    if len(data) > MAX_IMAGE_BYTES or header.longest > MAX_IMAGE_SIDE:
        return None
    name = without_marks(file.name)[:_MAX_NAME]
    image = Image(name=name, mimetype=header.mimetype, data=data)
    return _Seen(image=image, smaller=header if is_smaller else None)


def _told(file: Attachment, look: _Look, seen: _Seen | None) -> Attachment:
    """Return the attachment with what its content tells a planner."""
    facts = [f"{look.header.pixels} pixels"] if look.header else []
    if seen is not None and seen.smaller is not None:
        facts.append(f"shown scaled down to {seen.smaller.pixels}")
    elif _is_picture(file) and (seen is None or seen.image is None):
        facts.append("not shown")
    if file.size > MAX_FILE_BYTES:
        facts.append(FOR_PROGRAMS)
    return replace(file, about=", ".join(facts), begins=look.begins)


def _new_messages(run: RunSnapshot) -> tuple[PersonMessage, ...]:
    """Return what was said for this run; what earlier runs were told they have noted themselves."""
    if not run.earlier_answers:
        return run.messages
    before = [n for n, message in enumerate(run.messages) if message.sent_at <= run.created_at]
    return run.messages[max(before, default=0) :]


def _named(name: str) -> str:
    plain = " ".join(name.replace("`", "'").split())[:_MAX_NAME]
    return f"`{plain}`"
