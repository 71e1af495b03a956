"""HTTP delivery: signed POSTs to the app's request URL, as Slack sends them without Socket Mode."""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlencode

import aiohttp

from bot.local_slack.deliveries import Delivery, DeliveryKind
from bot.local_slack.errors import DeliveryError
from bot.local_slack.records import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class _Body:
    content_type: str
    text: str


class HttpDelivery:
    """Posts deliveries to one URL."""

    def __init__(
        self,
        *,
        url: str,
        signing_secret: str,
        session: aiohttp.ClientSession,
        ack_timeout_s: float,
    ) -> None:
        self._url = url
        self._secret = signing_secret
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=ack_timeout_s)

    @property
    def connected(self) -> int:
        """A configured URL counts as one receiver."""
        return 1

    async def carry(self, delivery: Delivery) -> Json:
        """Post one attempt; a 2xx answer acknowledges it."""
        body = _body(delivery)
        headers = self._headers(body)
        if delivery.retry_num:
            headers["X-Slack-Retry-Num"] = str(delivery.retry_num)
            headers["X-Slack-Retry-Reason"] = delivery.retry_reason
        return await self._post(body, headers=headers)

    async def verify_url(self, challenge: str) -> bool:
        """Send Slack's url_verification; True if the app answers with the challenge."""
        text = json.dumps({"type": "url_verification", "challenge": challenge, "token": "-"})
        body = _Body(content_type="application/json", text=text)
        answer = await self._post(body, headers=self._headers(body))
        return answer.get("challenge") == challenge or answer.get("text") == challenge

    async def check_ssl(self) -> bool:
        """Send Slack's ssl_check, which is not signed; True if the app answers with nothing."""
        body = _Body(
            content_type="application/x-www-form-urlencoded", text="ssl_check=1&token=local"
        )
        return await self._post(body, headers={"Content-Type": body.content_type}) == {}

    def _headers(self, body: _Body) -> dict[str, str]:
        timestamp = str(int(time.time()))
        return {
            "Content-Type": body.content_type,
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": sign(self._secret, timestamp=timestamp, body=body.text),
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        }

    async def _post(self, body: _Body, *, headers: dict[str, str]) -> Json:
        try:
            async with self._session.post(
                self._url, data=body.text.encode(), headers=headers, timeout=self._timeout
            ) as response:
                answer = await response.text()
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    refuses_more = response.headers.get("X-Slack-No-Retry") == "1"
                    raise DeliveryError("http_error", may_retry=not refuses_more)
                return _acknowledgement(response.content_type, answer)
        except TimeoutError as error:
            raise DeliveryError("http_timeout") from error
        except aiohttp.ClientError as error:
            raise DeliveryError("connection_failed") from error


def sign(secret: str, *, timestamp: str, body: str) -> str:
    """Compute Slack's v0 request signature."""
    base = f"v0:{timestamp}:{body}".encode()
    return "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()


def _body(delivery: Delivery) -> _Body:
    match delivery.kind:
        case DeliveryKind.EVENT:
            return _Body(content_type="application/json", text=json.dumps(delivery.payload))
        case DeliveryKind.COMMAND:
            return _Body(
                content_type="application/x-www-form-urlencoded", text=urlencode(delivery.payload)
            )
        case DeliveryKind.INTERACTION:
            return _Body(
                content_type="application/x-www-form-urlencoded",
                text=urlencode({"payload": json.dumps(delivery.payload)}),
            )


def _acknowledgement(content_type: str, text: str) -> Json:
    if not text:
        return {}
    if content_type == "application/json":
        parsed = json.loads(text)
        return parsed if isinstance(parsed, dict) else {}
    return {"text": text}
