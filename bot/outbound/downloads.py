"""Reads the bytes of a file that Slack keeps: by the bot's token, from Slack's own hosts only.

Retries what is transient, follows redirects itself so that the token never leaves Slack, and tells
a login page from a file. It writes into what it is given and knows nothing of folders or tasks.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import aiohttp

from agent_engine.backoff import Backoff, delay_s
from bot.outbound.pacing import Sleep

logger = logging.getLogger(__name__)

TOTAL_S: Final = 300.0
"""For one file, all attempts together."""
SILENCE_S: Final = 20.0
"""Without a single byte."""
MAX_ATTEMPTS: Final = 4
MAX_REDIRECTS: Final = 3
PIECE_BYTES: Final = 1 << 18
BACKOFF: Final = Backoff(first_s=0.5, longest_s=5.0, longest_asked_s=60.0)

_SLACK: Final = "slack.com"
_HTML: Final = "text/html"
_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_ACCESS: Final = frozenset({401, 403})
_GONE: Final = frozenset({404, 410})


class NoFile(StrEnum):
    """Why a file was not read."""

    TOO_LARGE = "too_large"
    LOGIN_PAGE = "login_page"
    """Slack asks for a login instead of giving the file: the token may not read it."""
    GONE = "gone"
    ELSEWHERE = "elsewhere"
    """It is not on one of Slack's hosts."""
    UNAVAILABLE = "unavailable"
    """For the moment."""


class DownloadError(Exception):
    """The file could not be read.

    Attributes:
        why: one of a closed set.
    """

    def __init__(self, why: NoFile, *, retry_after_s: float | None = None) -> None:
        super().__init__(f"the file could not be read: {why}")
        self.why = why
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that Slack keeps."""

    url: str
    mimetype: str = ""
    size: int = 0
    """As Slack says; 0 when it does not."""
    max_bytes: int


class Downloads:
    """Reads files by the token of one Slack.

    Args:
        session: given no cookies and no authorisation of its own.
        token: the bot's.
        base_url: of the Web API; its host is trusted with the token as Slack's are.
        proxy: for addresses outside; None for none.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        token: str,
        base_url: str,
        proxy: str | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._session = session
        self._token = token
        self._home = urlsplit(base_url)
        self._proxy = proxy
        self._sleep = sleep

    async def save(self, source: Source, file: BinaryIO) -> int:
        """Write the whole content and return how many bytes it has. Raises DownloadError."""
        if source.size > source.max_bytes:
            raise DownloadError(NoFile.TOO_LARGE)
        try:
            async with asyncio.timeout(TOTAL_S):
                return await self._with_retries(source, file)
        except TimeoutError as error:
            raise DownloadError(NoFile.UNAVAILABLE) from error

    async def _with_retries(self, source: Source, file: BinaryIO) -> int:
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._once(source, file)
            except DownloadError as error:
                delay = delay_s(attempt, BACKOFF, asked_s=error.retry_after_s)
                if error.why is not NoFile.UNAVAILABLE or attempt >= MAX_ATTEMPTS or delay is None:
                    raise
                logger.info("download_repeated", extra={"attempt": attempt})
                await self._sleep(delay)

    async def _once(self, source: Source, file: BinaryIO) -> int:
        await asyncio.to_thread(_emptied, file)
        try:
            return await self._followed(source, file)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DownloadError(NoFile.UNAVAILABLE) from error

    async def _followed(self, source: Source, file: BinaryIO) -> int:
        """Ask, and go where Slack sends us as long as that is Slack."""
        url, home = source.url, urlsplit(source.url).path
        for _ in range(MAX_REDIRECTS + 1):
            if not self._is_slacks(urlsplit(url)):
                raise DownloadError(NoFile.ELSEWHERE)
            async with self._session.get(
                url,
                headers={"Authorization": f"Bearer {self._token}", "Accept-Encoding": "identity"},
                allow_redirects=False,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=SILENCE_S),
            ) as response:
                if response.status not in _REDIRECTS:
                    moved = urlsplit(url).path != home
                    return await _written(response, source, file, moved=moved)
                url = urljoin(url, response.headers.get("Location", ""))
        raise DownloadError(NoFile.LOGIN_PAGE)

    def _is_slacks(self, url: SplitResult) -> bool:
        if (url.scheme, url.netloc) == (self._home.scheme, self._home.netloc):
            return True
        host = url.hostname or ""
        is_slack = host == _SLACK or host.endswith(f".{_SLACK}")
        return is_slack and url.scheme == "https" and url.port in (None, 443) and not url.username


# ------------------------------------------------------------------------------------------------


async def _written(
    response: aiohttp.ClientResponse, source: Source, file: BinaryIO, *, moved: bool
) -> int:
    if response.status != _OK:
        raise _refusal(response.status, response.headers)
    if response.content_type == _HTML and (moved or source.mimetype != _HTML):
        raise DownloadError(NoFile.LOGIN_PAGE)
    if (response.content_length or 0) > source.max_bytes:
        raise DownloadError(NoFile.TOO_LARGE)
    size = 0
    async for piece in response.content.iter_chunked(PIECE_BYTES):
        size += len(piece)
        if size > source.max_bytes:
            raise DownloadError(NoFile.TOO_LARGE)
        await asyncio.to_thread(file.write, piece)
    if source.size and size != source.size:
        raise DownloadError(NoFile.UNAVAILABLE)
    await asyncio.to_thread(file.flush)
    return size


def _refusal(status: int, headers: Mapping[str, str]) -> DownloadError:
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return DownloadError(NoFile.UNAVAILABLE, retry_after_s=_seconds(headers))
    if status in _NO_ACCESS:
        return DownloadError(NoFile.LOGIN_PAGE)
    return DownloadError(NoFile.GONE if status in _GONE else NoFile.UNAVAILABLE)


def _seconds(headers: Mapping[str, str]) -> float | None:
    said = headers.get("Retry-After", "")
    return float(said) if said.isascii() and said.isdigit() else None


def _emptied(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()
