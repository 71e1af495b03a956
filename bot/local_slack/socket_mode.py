"""Socket Mode: one-time tickets, sockets, envelopes and their acknowledgements."""

import asyncio
import json
import logging
import time
from http import HTTPStatus

from aiohttp import WSMsgType, web

from bot.local_slack.changes import ConnectionsChanged, Hub
from bot.local_slack.config import LocalWorkspaceConfig
from bot.local_slack.deliveries import NO_CONNECTION, Delivery, DeliveryKind
from bot.local_slack.errors import DeliveryError
from bot.local_slack.mint import Mint
from bot.local_slack.records import Json
from bot.local_slack.traffic import Direction, Observed, Traffic

logger = logging.getLogger(__name__)

_TIMEOUT_REASON = "timeout"
_CLOSE_TIMEOUT_S = 0.5


class _Socket:
    """One connected client and the envelopes it has not acknowledged yet."""

    def __init__(self, ws: web.WebSocketResponse) -> None:
        self.ws = ws
        self.is_leaving = False
        """Told to reconnect: takes acknowledgements but no further deliveries."""
        self.pending: dict[str, asyncio.Future[Json]] = {}

    def acknowledge(self, frame: Json) -> bool:
        """Settle an envelope; False if nobody waits for it any more."""
        waiting = self.pending.pop(str(frame.get("envelope_id")), None)
        if waiting is None or waiting.done():
            return False
        payload = frame.get("payload")
        waiting.set_result(payload if isinstance(payload, dict) else {})
        return True

    def abandon(self) -> None:
        for waiting in self.pending.values():
            if not waiting.done():
                waiting.set_exception(DeliveryError("connection_failed"))
        self.pending.clear()


class SocketMode:
    """All open sockets; every delivery goes to exactly one of them."""

    def __init__(
        self,
        *,
        config: LocalWorkspaceConfig,
        app_id: str,
        mint: Mint,
        hub: Hub,
        traffic: Traffic,
    ) -> None:
        self._config = config
        self._app_id = app_id
        self._mint = mint
        self._hub = hub
        self._traffic = traffic
        self._tickets: set[str] = set()
        self._sockets: list[_Socket] = []
        self._turn = 0
        self._available = asyncio.Event()

    @property
    def connected(self) -> int:
        """How many sockets take deliveries."""
        return sum(not s.is_leaving for s in self._sockets)

    def new_ticket(self) -> str:
        """Make a ticket for one connection."""
        ticket = self._mint.hex(24)
        self._tickets.add(ticket)
        return ticket

    async def accept(self, request: web.Request) -> web.StreamResponse:
        """Serve one client until it goes."""
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=HTTPStatus.FORBIDDEN, text="ticket unknown or used")
        self._tickets.discard(ticket)
        ws = web.WebSocketResponse(timeout=_CLOSE_TIMEOUT_S)
        await ws.prepare(request)
        if self.connected >= self._config.max_sockets:
            await ws.send_json(_disconnect_frame("too_many_websockets", request.host))
            await ws.close()
            return ws
        socket = _Socket(ws)
        await ws.send_json(self._hello(request.host))
        self._join(socket)
        try:
            await self._read(socket)
        finally:
            self._part(socket)
        return ws

    async def carry(self, delivery: Delivery) -> Json:
        """Send an envelope to one socket and wait for its acknowledgement."""
        try:
            async with asyncio.timeout(self._config.ack_timeout_s):
                socket = await self._next_socket(delivery)
                return await self._exchange(socket, delivery)
        except TimeoutError as error:
            raise DeliveryError(_TIMEOUT_REASON) from error

    async def disconnect(self, reason: str) -> None:
        """Tell every client to reconnect, as Slack does before it closes a socket."""
        for socket in [s for s in self._sockets if not s.ws.closed]:
            socket.is_leaving = True
            await socket.ws.send_json(_disconnect_frame(reason, "local"))
            self._note("disconnect", {"reason": reason})
        self._count()

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for socket in tuple(self._sockets):
            self._note("drop", {})
            _cut(socket.ws)

    async def close(self) -> None:
        """Close every socket in the orderly way."""
        for socket in tuple(self._sockets):
            await socket.ws.close()

    async def _exchange(self, socket: _Socket, delivery: Delivery) -> Json:
        envelope_id = self._mint.uuid()
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        socket.pending[envelope_id] = waiting
        try:
            await socket.ws.send_json(_envelope(envelope_id, delivery))
            return await waiting
        except ConnectionError as error:
            socket.is_leaving = True  # The retry must not pick it again.
            raise DeliveryError("connection_failed") from error
        finally:
            socket.pending.pop(envelope_id, None)

    async def _next_socket(self, delivery: Delivery) -> _Socket:
        """Take the next open socket in turn; an event waits for one, a person's act does not."""
        while True:
            ready = [s for s in self._sockets if not (s.is_leaving or s.ws.closed)]
            if ready:
                self._turn += 1
                return ready[self._turn % len(ready)]
            if delivery.kind is not DeliveryKind.EVENT:
                raise DeliveryError(NO_CONNECTION)
            self._available.clear()
            await self._available.wait()

    async def _read(self, socket: _Socket) -> None:
        async for message in socket.ws:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = _json_object(message.data)
            if frame is None:
                logger.warning("local_slack_bad_frame")
                continue
            if not socket.acknowledge(frame):
                late = Observed(direction=Direction.ACK, name="late", request=frame, response={})
                self._traffic.record(late)

    def _join(self, socket: _Socket) -> None:
        self._sockets.append(socket)
        self._available.set()
        self._note("hello", {"connections": len(self._sockets)})
        self._count()

    def _part(self, socket: _Socket) -> None:
        self._sockets.remove(socket)
        socket.abandon()
        self._note("closed", {"connections": len(self._sockets)})
        self._count()

    def _count(self) -> None:
        self._hub.publish(ConnectionsChanged(connected=self.connected))

    def _note(self, name: str, facts: Json) -> None:
        observed = Observed(direction=Direction.SOCKET, name=name, request=facts, response={})
        self._traffic.record(observed)

    def _hello(self, host: str) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._sockets) + 1,
            "debug_info": _debug_info(host),
            "connection_info": {"app_id": self._app_id},
        }


def _envelope(envelope_id: str, delivery: Delivery) -> Json:
    envelope: Json = {
        "envelope_id": envelope_id,
        "type": delivery.kind.value,
        "payload": delivery.payload,
        "accepts_response_payload": delivery.kind is not DeliveryKind.EVENT,
    }
    if delivery.retry_num:
        envelope["retry_attempt"] = delivery.retry_num
        envelope["retry_reason"] = delivery.retry_reason
    return envelope


def _disconnect_frame(reason: str, host: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": _debug_info(host)}


def _debug_info(host: str) -> Json:
    return {
        "host": host,
        "build_number": int(time.time()) // 86_400,
        "approximate_connection_time": 18_060,
    }


def _json_object(text: str) -> Json | None:
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def _cut(ws: web.WebSocketResponse) -> None:
    transport = ws._req.transport if ws._req is not None else None  # noqa: SLF001 - no public way
    if transport is not None:
        transport.abort()
