"""Makes what Slack makes up: ids, timestamps, tokens. Holds no workspace state."""

import random
import string
import time
import uuid

_ALPHABET = string.ascii_uppercase + string.digits
_US_PER_S = 1_000_000


class Mint:
    """Fresh ids of Slack's looks, and message timestamps that only grow."""

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(seed)  # noqa: S311 - ids of a simulation guard nothing
        self._last_us = 0

    def id(self, prefix: str) -> str:
        """Make an id such as `C0A1B2C3D4E`."""
        return prefix + "0" + "".join(self._random.choices(_ALPHABET, k=9))

    def ts(self) -> str:
        """Make the next timestamp: wall clock, strictly later than any before."""
        self._last_us = max(int(time.time() * _US_PER_S), self._last_us + 100)
        return f"{self._last_us // _US_PER_S}.{self._last_us % _US_PER_S:06d}"

    def token(self, prefix: str) -> str:
        """Make a secret such as `xoxb-…`."""
        return f"{prefix}-" + self.hex(32)

    def hex(self, length: int) -> str:
        """Make a string of hexadecimal digits."""
        return "".join(self._random.choices("0123456789abcdef", k=length))

    def uuid(self) -> str:
        """Make a UUID, as envelopes and client messages carry."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def chance(self, probability: float) -> bool:
        """Decide by lot; 0 never, 1 always."""
        return self._random.random() < probability
