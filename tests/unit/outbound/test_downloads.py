"""Reading files that Slack keeps, from a server that is not always kind."""

import asyncio
import io
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from bot.outbound.downloads import DownloadError, Downloads, NoFile, Source

TOKEN = "xoxb-1"  # noqa: S105 - opens nothing


@asynccontextmanager
async def slack(handler):
    """Serve files by the handler; gives what downloads, an address and the requests."""
    seen, slept = [], []

    async def serve(request):
        seen.append(request)
        return await handler(request, len(seen))

    async def sleep(seconds):
        slept.append(seconds)

    app = web.Application()
    app.router.add_get("/{tail:.*}", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    home = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as session:
            downloads = Downloads(session, token=TOKEN, base_url=f"{home}/api/", sleep=sleep)
            yield downloads, home, seen
    finally:
        await runner.cleanup()


def source(home, path="/files-pri/T1-F1/a.csv", **more):
    return Source(url=home + path, **{"mimetype": "text/csv", "max_bytes": 100, **more})


async def refused(downloads, wanted):
    file = io.BytesIO()
    with pytest.raises(DownloadError) as caught:
        await downloads.save(wanted, file)
    return caught.value.why


async def test_a_file_is_read_by_the_token():
    async def give(request, _number):
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        return web.Response(body=b"a,b\n", content_type="text/csv")

    async with slack(give) as (downloads, home, _):
        file = io.BytesIO()
        assert await downloads.save(source(home, size=4), file) == 4
        assert file.getvalue() == b"a,b\n"


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_trouble_is_waited_out_and_nothing_of_it_stays_in_the_file(status):
    async def give(_request, number):
        if number < 3:
            return web.Response(status=status, text="no!", headers={"Retry-After": "1"})
        return web.Response(body=b"good", content_type="text/csv")

    async with slack(give) as (downloads, home, seen):
        file = io.BytesIO()
        await downloads.save(source(home), file)
        assert (file.getvalue(), len(seen)) == (b"good", 3)


async def test_a_file_that_comes_short_is_read_again_and_then_given_up():
    async def give(_request, _number):
        return web.Response(body=b"half", content_type="text/csv")

    async with slack(give) as (downloads, home, seen):
        assert await refused(downloads, source(home, size=8)) is NoFile.UNAVAILABLE
        assert len(seen) == 4


async def test_a_login_page_is_not_taken_for_the_file():
    async def give(request, _number):
        if request.path == "/login":
            return web.Response(text="<html>Sign in</html>", content_type="text/html")
        raise web.HTTPFound("/login?redir=x")

    async with slack(give) as (downloads, home, _):
        assert await refused(downloads, source(home)) is NoFile.LOGIN_PAGE
        page = source(home, mimetype="text/html")
        assert await refused(downloads, page) is NoFile.LOGIN_PAGE


async def test_a_page_that_is_the_file_is_taken():
    async def give(_request, _number):
        return web.Response(text="<p>hi", content_type="text/html")

    async with slack(give) as (downloads, home, _):
        file = io.BytesIO()
        await downloads.save(source(home, mimetype="text/html"), file)
        assert file.getvalue() == b"<p>hi"


async def test_the_token_is_never_sent_elsewhere():
    stolen = []

    async def thief(request, _number):
        stolen.append(request.headers.get("Authorization"))
        return web.Response(body=b"thanks")

    async with slack(thief) as (_, elsewhere, _seen):

        async def send_away(_request, _number):
            raise web.HTTPFound(f"{elsewhere}/x")

        async with slack(send_away) as (downloads, home, _):
            assert await refused(downloads, source(home)) is NoFile.ELSEWHERE
            assert await refused(downloads, source(elsewhere)) is NoFile.ELSEWHERE
    assert stolen == []


@pytest.mark.parametrize(
    "url",
    [
        "http://files.slack.com/x",
        "https://files.slack.com.evil.example/x",
        "https://evilslack.com/x",
        "https://files.slack.com:8443/x",
        "https://me@files.slack.com/x",
        "file:///etc/passwd",
        "",
    ],
)
async def test_addresses_that_are_not_slacks_are_not_called(url):
    async with aiohttp.ClientSession() as session:
        downloads = Downloads(session, token=TOKEN, base_url="https://slack.com/api/")
        assert await refused(downloads, Source(url=url, max_bytes=9)) is NoFile.ELSEWHERE


@pytest.mark.parametrize("told", [True, False])
async def test_a_file_over_the_cap_is_broken_off(told):
    async def give(request, _number):
        if told:
            return web.Response(body=bytes(101))
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(200):
            await response.write(bytes(1000))
        return response

    async with slack(give) as (downloads, home, seen):
        assert await refused(downloads, source(home)) is NoFile.TOO_LARGE
        assert len(seen) == 1


async def test_a_circle_ends():
    async def give(request, _number):
        raise web.HTTPFound(request.path)

    async with slack(give) as (downloads, home, seen):
        assert await refused(downloads, source(home)) is NoFile.LOGIN_PAGE
        assert len(seen) == 4


async def test_silence_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("bot.outbound.downloads.SILENCE_S", 0.05)
    monkeypatch.setattr("bot.outbound.downloads.MAX_ATTEMPTS", 2)

    silent = asyncio.Event()

    async def give(request, _number):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"a")
        await silent.wait()
        return response

    async with slack(give) as (downloads, home, seen):
        assert await refused(downloads, source(home)) is NoFile.UNAVAILABLE
        assert len(seen) == 2
        silent.set()
