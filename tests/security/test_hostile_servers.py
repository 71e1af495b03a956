"""Servers that never end, drip, flood, lie or talk nonsense end as one sentence, in time."""

import asyncio
import gzip
import threading
import tracemalloc
import zlib

import pytest
from aiohttp import web

from agent_engine.errors import ToolError
from agent_engine.tools.api_call.access import Access
from agent_engine.tools.http.connections import MAX_LARGE_BODIES
from agent_engine.tools.http.exchange import HttpRequest
from agent_engine.tools.http.resolving import THREADS, SystemNames
from agent_engine.tools.http.urls import Domains, read_url
from tests.fakes.web import open_client, raw_serving, serving

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\n"


def access(port: int) -> Access:
    return Access(domains=Domains(frozenset({"*"})), ports=frozenset({port}))


def get(port: int) -> HttpRequest:
    destination = read_url(f"http://hostile.example:{port}/")
    return HttpRequest(method="GET", destination=destination, is_repeatable=True)


async def answer_of(talk, **limits):
    """What a client with these limits makes of a server that talks like this."""
    async with (
        asyncio.timeout(20),
        raw_serving(talk) as port,
        open_client(**limits) as client,
    ):
        return await client.call(get(port), access(port))


def saying(*pieces: bytes):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return talk


def repeating(first: bytes, piece: bytes):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return talk


def dripping(first: bytes, piece: bytes):
    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(first)
        while True:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)

    return talk


async def silence(reader, _writer):
    await reader.read()


async def test_a_server_that_says_nothing_is_left_in_time():
    with pytest.raises(ToolError, match="did not answer in time"):
        await answer_of(silence, headers_s=0.1)


async def test_headers_that_drip_are_not_waited_for():
    with pytest.raises(ToolError, match="did not answer in time"):
        await answer_of(dripping(OK, b"X"), headers_s=0.2)


async def test_a_body_that_drips_is_not_waited_for():
    first = OK + b"Content-Length: 1000000\r\n\r\n"
    with pytest.raises(ToolError, match="did not answer in time"):
        await answer_of(dripping(first, b"x"), total_s=0.2)


async def test_interim_responses_without_end_are_not_waited_for():
    with pytest.raises(ToolError, match="did not answer in time"):
        await answer_of(dripping(b"", b"HTTP/1.1 102 Processing\r\n\r\n"), headers_s=0.2)


async def test_a_body_without_end_is_cut():
    first = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"

    response = await answer_of(repeating(first, chunk), body_bytes=MIB)

    assert response.is_cut
    assert len(response.body) == MIB


async def test_a_body_that_fits_exactly_is_not_cut():
    response = await answer_of(saying(OK + b"Content-Length: 5\r\n\r\nhello"), body_bytes=5)
    assert (response.body, response.is_cut) == (b"hello", False)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_bomb_is_cut_before_it_is_unpacked(coding):
    squeeze = gzip.compress if coding == "gzip" else zlib.compress
    bomb = squeeze(bytes(200 * MIB), 9)
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    tracemalloc.start()
    try:
        response = await answer_of(saying(OK + head, bomb), body_bytes=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert response.is_cut
    assert len(response.body) == MIB
    assert peak < 20 * MIB


async def test_a_bomb_inside_a_bomb_is_not_unpacked_twice():
    inner = gzip.compress(bytes(MIB))
    body = gzip.compress(inner)
    head = f"Content-Encoding: gzip, gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    response = await answer_of(saying(OK + head + body))
    assert len(response.body) <= len(body)


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"x" * 100_000 + b"\r\n",
        b"".join(b"X-%d: 1\r\n" % number for number in range(1_000)),
        b"no colon here\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: words\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"X-Null: a\x00b\r\n",
    ],
)
async def test_headers_that_are_nonsense_end_in_one_sentence(head):
    with pytest.raises(ToolError, match=r"hostile\.example"):
        await answer_of(saying(OK + head + b"\r\n"))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        OK + b"Content-Length: 100\r\n\r\nshort",
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
async def test_what_is_no_response_ends_in_one_sentence(said):
    with pytest.raises(ToolError, match=r"hostile\.example"):
        await answer_of(saying(said))


async def test_endless_headers_are_cut():
    with pytest.raises(ToolError, match=r"hostile\.example"):
        await answer_of(repeating(OK, b"X-More: more\r\n"))


async def test_large_bodies_wait_for_each_other_and_small_ones_for_nobody():
    size = MIB + MIB // 2
    started = asyncio.Semaphore(0)
    go_on = asyncio.Event()

    async def talk(reader, writer):
        said = await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + f"Content-Length: {size if b'/large' in said else 5}\r\n\r\n".encode())
        if b"/large" not in said:
            writer.write(b"hello")
            return
        writer.write(b"x" * (size - 1))
        started.release()
        await go_on.wait()
        writer.write(b"x")

    async with asyncio.timeout(20), raw_serving(talk) as port, open_client() as client:

        async def call(path):
            url = read_url(f"http://hostile.example:{port}{path}")
            return await client.call(HttpRequest(method="GET", destination=url), access(port))

        async with asyncio.TaskGroup() as group:
            large = [group.create_task(call("/large")) for _ in range(MAX_LARGE_BODIES + 2)]
            for _ in large:
                await started.acquire()
            assert (await call("/small")).body == b"hello"
            go_on.set()
    assert [len(task.result().body) for task in large] == [size] * len(large)


async def test_a_hundred_calls_at_once_are_all_under_way_and_leave_nothing_open():
    arrived, go_on, gone = asyncio.Semaphore(0), asyncio.Event(), asyncio.Semaphore(0)

    async def talk(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        arrived.release()
        await go_on.wait()
        writer.write(OK + b"Content-Length: 5\r\n\r\nhello")
        await reader.read()
        gone.release()

    async with asyncio.timeout(20), raw_serving(talk) as port:
        async with open_client() as client, asyncio.TaskGroup() as group:
            calls = [group.create_task(client.call(get(port), access(port))) for _ in range(100)]
            for _ in calls:
                await arrived.acquire()
            go_on.set()
        for _ in calls:
            await gone.acquire()
    assert {call.result().body for call in calls} == {b"hello"}


async def test_a_server_without_tls_is_not_spoken_to_in_clear():
    heard = bytearray()

    async def talk(reader, writer):
        heard.extend(await reader.read(1_000))
        writer.write(OK + b"Content-Length: 5\r\n\r\nhello")

    async with asyncio.timeout(20), raw_serving(talk) as port, open_client() as client:
        url = read_url(f"https://hostile.example:{port}/path-of-it")
        with pytest.raises(ToolError, match="no secure connection"):
            await client.call(HttpRequest(method="GET", destination=url), access(port))
    assert heard
    assert b"path-of-it" not in heard


async def test_a_redirect_cannot_smuggle_a_line_into_the_next_request():
    seen = []

    async def answer(request):
        seen.append(request.raw_path)
        if len(seen) == 1:
            return web.Response(status=302, headers={"Location": "/a%0d%0aX-Evil:%201?b=%0a"})
        return web.Response(text=str(request.headers.get("X-Evil")))

    async with serving(answer) as port, open_client() as client:
        response = await client.call(get(port), access(port))
    assert response.body == b"None"
    assert seen[1] == "/a%0D%0AX-Evil:%201?b=%0A"


async def test_name_servers_that_keep_silent_stop_nothing_else(monkeypatch):
    answer = threading.Event()

    def silent(*_arguments, **_more):
        answer.wait(20)
        raise OSError

    monkeypatch.setattr("agent_engine.tools.http.resolving.socket.getaddrinfo", silent)
    async with asyncio.timeout(10), open_client(resolver=SystemNames(), headers_s=0.3) as client:
        async with asyncio.TaskGroup() as group:
            for number in range(2 * THREADS):
                url = read_url(f"http://tarpit{number}.example/")
                call = client.call(HttpRequest(method="GET", destination=url), access(80))
                group.create_task(ends(call, "did not answer in time"))
        assert await asyncio.to_thread(lambda: "well") == "well"
        answer.set()


async def ends(call, words):
    with pytest.raises(ToolError, match=words):
        await call


async def test_names_are_looked_up_again_after_the_client_was_closed():
    names = SystemNames()
    for _ in range(2):
        found = await names.resolve("localhost", 80)
        assert {"127.0.0.1", "::1"} & {result["host"] for result in found}
        await names.close()


async def test_cancelling_a_call_closes_its_connection():
    closed, connected = asyncio.Event(), asyncio.Event()

    async def talk(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        connected.set()
        await reader.read()
        closed.set()

    async with asyncio.timeout(10), raw_serving(talk) as port, open_client() as client:
        async with asyncio.TaskGroup() as group:
            task = group.create_task(client.call(get(port), access(port)))
            await connected.wait()
            task.cancel()
        await closed.wait()
    assert task.cancelled()
