"""Puts the pieces of a streamed reply together to what a server sends that does not stream.

Knows no client and judges nothing: ``replies.read_reply`` reads what came, streamed or not.
"""

from collections.abc import Mapping
from typing import Any

from agent_engine.models.replies import text_of
from agent_engine.ports import OnText


class GrowingReply:
    """One reply whose pieces arrive one after the other."""

    def __init__(self, on_text: OnText) -> None:
        self._on_text = on_text
        self._about: dict[str, Any] = {}
        self._texts = {"content": "", "refusal": "", "reasoning_content": ""}
        self._calls: dict[int, dict[str, str]] = {}
        self._finish_reason: str | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the server said why the reply ends; it does so once it is whole."""
        return self._finish_reason is not None

    def add(self, piece: object) -> None:
        """Take in one piece and tell the text when it has grown."""
        if not isinstance(piece, Mapping):
            return
        self._about |= {name: piece[name] for name in ("model", "usage") if piece.get(name)}
        choices = piece.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
            return
        choice = choices[0]
        if reason := choice.get("finish_reason"):
            self._finish_reason = str(reason)
        delta = choice.get("delta")
        if isinstance(delta, Mapping):
            self._grow(delta)

    def completion(self) -> dict[str, Any]:
        """Return the whole reply as a server sends it that does not stream."""
        message: dict[str, Any] = dict(self._texts)
        if self._calls:
            message["tool_calls"] = [{"function": call} for call in self._calls.values()]
        choice = {"message": message, "finish_reason": self._finish_reason}
        return {**self._about, "choices": [choice]}

    def _grow(self, delta: Mapping[str, Any]) -> None:
        for name in self._texts:
            self._texts[name] += text_of(delta.get(name))
        calls = delta.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else ()):
            if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping):
                self._grow_call(call.get("index", number), call["function"])
        if delta.get("content"):
            self._on_text(self._texts["content"])

    def _grow_call(self, index: int, function: Mapping[str, Any]) -> None:
        call = self._calls.setdefault(index, {"name": "", "arguments": ""})
        for name in call:
            call[name] += text_of(function.get(name))
