"""Sends a chat completion in pieces, as servers do that were asked to stream."""

import asyncio
import json

from aiohttp import web

PIECE = 7
"""Characters in one piece of a streamed reply."""


class Pieces:
    """One reply on its way as server-sent events."""

    def __init__(self, body, whole, *, pause_s=0.0):
        self._wants_usage = body.get("stream_options", {}).get("include_usage")
        self._whole = whole
        self._choice = whole["choices"][0]
        self._pause_s = pause_s
        self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})

    async def send_text(self, holds):
        """Send the text, holding back where the script says so."""
        text, sent = self._choice["message"].get("content") or "", 0
        await self._delta(role="assistant", content="")
        while sent < len(text):
            end = min([sent + PIECE, *(h.after for h in holds if h.after > sent)])
            await self._delta(content=text[sent:end])
            sent = end
            for hold in (h for h in holds if h.after == sent):
                hold.reached.set()
                await hold.go_on.wait()
            await asyncio.sleep(self._pause_s)

    async def break_off(self, request, how):
        """End without an end: the connection is lost, or the server says what went wrong."""
        if how == "drop":
            request.transport.close()
        else:
            await self.response.write(b'data: {"error": {"message": "overloaded"}}\n\n')
        return self.response

    async def send_rest(self):
        """Send what is not text: other words, then tool calls with their arguments in pieces."""
        message = self._choice["message"]
        for name in ("refusal", "reasoning_content"):
            if name in message:
                await self._delta(**{name: message[name]})
        for index, call in enumerate(message.get("tool_calls") or ()):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            head = {"index": index, "id": call["id"], "function": {"name": name, "arguments": ""}}
            await self._delta(tool_calls=[head])
            for at in range(0, len(arguments), PIECE):
                part = {"index": index, "function": {"arguments": arguments[at : at + PIECE]}}
                await self._delta(tool_calls=[part])

    async def finish(self, *, tells_end):
        """Say why it ends, what it used, and that it is done; or nothing of this."""
        if tells_end:
            await self._delta(finish=self._choice["finish_reason"])
            if "usage" in self._whole and self._wants_usage:
                await self._send(choices=[], usage=self._whole["usage"])
            await self.response.write(b"data: [DONE]\n\n")
        await self.response.write_eof()
        return self.response

    async def _delta(self, finish=None, **delta):
        await self._send(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])

    async def _send(self, **more):
        event = {"id": "x", "object": "chat.completion.chunk", "model": self._whole["model"]}
        await self.response.write(f"data: {json.dumps({**event, **more})}\n\n".encode())
