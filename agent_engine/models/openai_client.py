"""The vendor's client of one server, and its errors as ours. What is asked is not known here.

The client's plain ``post`` is used. Never retries: that is ``retry.py``'s job. Importing this costs
a second and 25 MB, so it is done only when a model on a server is configured.
"""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    DefaultAioHttpClient,
)

from agent_engine.errors import ModelReplyError, ModelUnavailableError
from agent_engine.models.replies import ModelTimeoutError, error_for

DEFAULT_BASE_URL = "https://api.openai.com/v1"
LOCAL_KEY = "local"
"""Sent where no key is configured: the client insists on one, local servers ignore it."""
CLOSE_TIMEOUT_S = 5.0

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class OpenAIClient:
    """One server and its connections.

    Args:
        base_url: ends in ``/v1`` as a rule; None for OpenAI itself.
        api_key: None for servers that want none.
    """

    def __init__(self, base_url: str | None = None, *, api_key: str | None = None) -> None:
        self.base_url = base_url or DEFAULT_BASE_URL
        self.is_local = urlsplit(self.base_url).hostname in _LOOPBACK
        self._key = api_key or LOCAL_KEY
        address, login = _without_login(self.base_url)
        self.vendor = AsyncOpenAI(
            base_url=address,
            api_key=self._key,
            max_retries=0,
            # Its connections cost a third of the default client's, which asks every idle one
            # before each call. A proxy from the environment cannot reach this machine's servers.
            http_client=DefaultAioHttpClient(trust_env=not self.is_local, auth=login),
        )

    async def post(self, path: str, body: Mapping[str, Any], *, timeout_s: float) -> object:
        """Send the request and return the JSON that came. Raises ModelError."""
        with self.our_errors(timeout_s):
            async with asyncio.timeout(timeout_s):
                return await self.vendor.post(
                    path, body=body, cast_to=object, options={"timeout": timeout_s}
                )

    async def aclose(self) -> None:
        """Close the connections."""
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await self.vendor.close()

    @contextmanager
    def our_errors(self, timeout_s: float) -> Iterator[None]:
        """Have the vendor's errors end here."""
        try:
            yield
        except APIStatusError as error:
            headers = error.response.headers
            body_sent = error.body if error.body is not None else error.response.text
            raise error_for(error.status_code, body_sent, headers, secret=self._key) from error
        except (TimeoutError, APIConnectionError) as error:
            raise self._silence(error, timeout_s) from error
        except (APIError, ValueError) as error:
            raise ModelReplyError(
                "the language model's server sent something that is no JSON"
            ) from error

    def _silence(self, error: Exception, timeout_s: float) -> ModelUnavailableError:
        """Say why nothing came: it took too long, or there is no server."""
        if _has_timed_out(error):
            return ModelTimeoutError(f"the language model did not answer within {timeout_s:g} s")
        where = urlsplit(self.base_url).netloc.rpartition("@")[2]
        return ModelUnavailableError(f"the language model's server at {where} cannot be reached")


def sendable(text: str) -> str:
    """Return the text without halves of surrogate pairs, which cannot be sent as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _without_login(url: str) -> tuple[str, tuple[str, str] | None]:
    """Return the address without the name and password in it, and those."""
    parts = urlsplit(url)
    if parts.username is None:
        return url, None
    login = (unquote(parts.username), unquote(parts.password or ""))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), login


def _has_timed_out(error: BaseException | None) -> bool:
    """Whether a time limit is at the bottom of it: the client calls most failures a timeout."""
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__
    return False
