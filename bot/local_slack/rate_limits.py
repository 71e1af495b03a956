"""Slack's rate limits as token buckets, enforced so that a bot meets them before production."""

import time
from dataclasses import dataclass
from typing import NamedTuple


class Limit(NamedTuple):
    """How often a method may be called."""

    per_minute: float
    burst: float
    per_channel: bool = False


TIER_1 = Limit(1, 1)
TIER_2 = Limit(20, 20)
TIER_3 = Limit(50, 50)
TIER_4 = Limit(100, 100)
_POST_PER_CHANNEL = Limit(60, 5, per_channel=True)
_STATUS_PER_CHANNEL = Limit(60, 10, per_channel=True)
_PLENTY = Limit(600, 600)
_POST_PER_WORKSPACE = Limit(600, 100)
"""Slack says "several hundred per minute"; ours is generous so that only floods meet it."""

_LIMITS: dict[str, Limit] = {
    "apps.connections.open": TIER_3,
    "assistant.threads.setStatus": _STATUS_PER_CHANNEL,
    "auth.test": _PLENTY,
    "blocks.validate": TIER_4,
    "bookmarks.add": TIER_2,
    "chat.appendStream": TIER_4,
    "chat.getPermalink": _PLENTY,
    "chat.postEphemeral": TIER_4,
    "chat.postMessage": _POST_PER_CHANNEL,
    "chat.startStream": TIER_2,
    "chat.stopStream": TIER_2,
    "conversations.archive": TIER_2,
    "conversations.create": TIER_2,
    "conversations.list": TIER_2,
    "conversations.members": TIER_4,
    "conversations.rename": TIER_2,
    "conversations.setPurpose": TIER_2,
    "conversations.setTopic": TIER_2,
    "conversations.unarchive": TIER_2,
    "emoji.list": TIER_2,
    "files.completeUploadExternal": TIER_4,
    "files.getUploadURLExternal": TIER_4,
    "files.info": TIER_4,
    "oauth.v2.access": _PLENTY,
    "pins.add": TIER_2,
    "pins.remove": TIER_2,
    "reactions.list": TIER_2,
    "reactions.remove": TIER_2,
    "users.info": TIER_4,
    "users.list": TIER_2,
    "views.open": TIER_4,
    "views.publish": TIER_4,
    "views.push": TIER_4,
    "views.update": TIER_4,
}


@dataclass(slots=True)
class _Bucket:
    left: float
    filled_s: float


class RateLimits:
    """One bucket per method, or per method and channel."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def take(self, method: str, channel: str) -> float:
        """Count one call; gives 0.0, or the seconds to wait when there were too many."""
        limit = _LIMITS.get(method, TIER_3)
        wait_s = self._take((method, channel if limit.per_channel else ""), limit)
        if wait_s == 0.0 and method == "chat.postMessage":
            return self._take((method, ""), _POST_PER_WORKSPACE)
        return wait_s

    def _take(self, key: tuple[str, str], limit: Limit) -> float:
        now_s, per_s = time.monotonic(), limit.per_minute / 60
        bucket = self._buckets.setdefault(key, _Bucket(limit.burst, now_s))
        bucket.left = min(limit.burst, bucket.left + (now_s - bucket.filled_s) * per_s)
        bucket.filled_s = now_s
        if bucket.left < 1:
            return (1 - bucket.left) / per_s
        bucket.left -= 1
        return 0.0
