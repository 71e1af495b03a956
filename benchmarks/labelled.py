"""The project's own labelled set: memories of channels, and questions with the memories to find."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

SET = Path(__file__).parent / "data" / "memory_set"
KINDS = ("paraphrase", "keyword", "date", "multi_hop")


@dataclass(frozen=True, slots=True)
class Told:
    """A memory of the set."""

    id: str
    at: datetime
    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and all memories of its scope that answer it."""

    id: str
    kind: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabelledScope:
    """One channel."""

    name: str
    memories: tuple[Told, ...]
    questions: tuple[Question, ...]


def read_set() -> tuple[LabelledScope, ...]:
    """Read all scopes, by name."""
    return tuple(_scope(folder) for folder in sorted(SET.iterdir()) if folder.is_dir())


def _scope(folder: Path) -> LabelledScope:
    told = [
        Told(one["id"], datetime.fromisoformat(one["at"]), one["author"], one["text"])
        for one in _lines(folder / "memories.jsonl")
    ]
    asked = [
        Question(one["id"], one["kind"], one["text"], tuple(one["answers"]))
        for one in _lines(folder / "questions.jsonl")
    ]
    return LabelledScope(folder.name, tuple(told), tuple(asked))


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
