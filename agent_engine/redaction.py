"""Takes secrets out of texts, before a model, a log line, a record or a person gets to see them.

Knows the values that were configured, in any encoding (``tools.secrets``), and what well-known
kinds of credentials look like. It decides nothing about where it is applied, and it must see a text
before it is cut or split: half a secret is not recognised.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from agent_engine.excerpts import is_no_text
from agent_engine.long_texts import in_turn, replaced
from agent_engine.memories import Embedding
from agent_engine.memory.embeddings import Embedder, Settle, uncounted
from agent_engine.models.around import AroundModel
from agent_engine.ports import ModelClient, ModelReply, ModelRequest, Turn
from agent_engine.tools.secrets import Secrets

_MAX_DEPTH: Final = 40
_TOO_DEEP: Final = "[redacted: nested too deep]"


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one kind of credential looks like."""

    name: str
    hints: tuple[str, ...]
    """Where none of these is in a text, the kind cannot be; looking for them is much faster."""
    pattern: re.Pattern[str]
    """The first group, where there is one, is left as it is; all is, where ``none`` took part."""


def _kind(name: str, *hints: str, pattern: str) -> _Kind:
    return _Kind(name, hints, re.compile(pattern))


# A kind that is close to ordinary words (sk-…, Bearer …) needs a digit in it, or its usual
# surroundings. What must not stand before is looked at behind the first letters: a pattern that
# begins with plain letters is searched for many times faster.
_KINDS: Final = (
    _kind(
        "private key",
        "PRIVATE KEY-----",
        pattern=r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
        r"[^-]*+(?:-(?!----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)[^-]*+)*+"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----)?",  # without it: to the end
    ),
    _kind(
        "Slack token",
        "xox",
        pattern=r"xox(?<![A-Za-z0-9]xox)(?:e\.xox[a-z]-[A-Za-z0-9-]{4,}"
        r"|[abcdeprs]-(?=[A-Za-z%/+-]{0,40}[0-9])[A-Za-z0-9%/+=-]{4,})",
    ),
    _kind("Slack token", "xapp-", pattern=r"xapp-(?<![A-Za-z0-9]xapp-)[0-9]-[A-Za-z0-9-]{4,}"),
    _kind(
        "Slack webhook",
        "hooks.slack.com/",
        pattern=r"(hooks\.slack\.com/)(?:services|triggers|workflows)/[A-Za-z0-9/_-]{16,}",
    ),
    _kind(
        "API key",
        "sk-",
        pattern=r"sk-(?<![A-Za-z0-9_-]sk-)"
        r"(?:(?:proj|svcacct|admin|ant|or)-[A-Za-z0-9_-]{8,}"
        r"|(?=[A-Za-z_-]{0,60}[0-9])[A-Za-z0-9_-]{20,})",
    ),
    _kind(
        "Stripe key",
        *("k_live_", "k_test_"),
        pattern=r"[sr]k_(?<![A-Za-z0-9][sr]k_)(?:live|test)_[A-Za-z0-9]{10,}",
    ),
    _kind(
        "AWS key",
        *("AKIA", "ASIA"),
        pattern=r"A[KS]IA(?<![A-Za-z0-9]A[KS]IA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    ),
    _kind(
        "AWS key",
        *("ccess_key", "CCESS_KEY", "ccessKey"),
        pattern=r"((?i:access_?key)[\"'\\\s:=]{1,8})[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])",
    ),
    _kind(
        "GitHub token",
        *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        pattern=r"gh[pousr]_(?<![A-Za-z0-9]gh[pousr]_)[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}",
    ),
    _kind("GitLab token", "glpat-", pattern=r"glpat-[A-Za-z0-9_-]{20,}"),
    _kind("Google key", "AIza", pattern=r"AIza(?<![A-Za-z0-9]AIza)[A-Za-z0-9_-]{35}"),
    _kind("Google key", "ya29.", pattern=r"ya29\.[A-Za-z0-9_-]{20,}"),
    _kind("Google key", "GOCSPX-", pattern=r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    _kind(
        "JWT",
        "eyJ",
        # Where nothing follows, the run is passed over: none of its other places begins one.
        pattern=r"eyJ(?<![A-Za-z0-9]eyJ)[A-Za-z0-9_-]{8,}+"
        r"(?:\.eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}|(?P<none>))",
    ),
    _kind(
        "login",
        "://",
        pattern=r"(://)[^/\s:@\"'<>\\\[\]]{0,200}:[^/\s@\"'<>\\\[\]]{1,200}(?=@)",
    ),
    _kind(
        "authorization",
        *("uthorization", "UTHORIZATION"),
        pattern=r"((?i:authorization)[\"'\\\s:=]{1,8}(?i:bearer|basic|token) {1,4})"
        r"[^\s\"',;\\\[\]]{8,}",
    ),
    _kind(
        "authorization",
        "earer ",
        pattern=r"(earer {1,4})(?=[A-Za-z._~+/=-]{0,60}[0-9])[A-Za-z0-9._~+/=-]{16,}",
    ),
)

_REACH: Final = 512
"""So many characters from a place on decide whether a kind begins there: a login takes 405."""

_OPEN_KEY: Final = re.compile(r"-----[A-Z0-9 ]{0,60}-{0,5}\Z|(?<!-)-{1,4}\Z")
"""What may become the first line of a private key."""

Redact = Callable[[str], str]


class Redaction:
    """Takes configured secrets and well-known kinds of credentials out of texts.

    Args:
        values: what was configured: keys, tokens, passwords.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._secrets = Secrets(values)

    def redact(self, text: str) -> str:
        """Return the text with every secret in it blotted out; safe to call twice.

        >>> Redaction().redact("use xoxb-123-456-abc for it")
        'use [redacted: Slack token] for it'
        >>> Redaction(["hunter2hunter2"]).redact("it is hunter2hunter2")
        'it is [secret]'
        """
        cleaned = self._secrets.redact(text)
        for kind in _KINDS:
            if any(hint in cleaned for hint in kind.hints):
                mark = partial(_marked, kind.name)
                cleaned = replaced(kind.pattern, mark, cleaned, reach=_REACH)
        return cleaned

    def redact_value(self, value: Any) -> Any:  # noqa: ANN401 - any JSON in, the same shape out
        """Return JSON with every text in it redacted; as ``redacted_value``."""
        return redacted_value(value, self.redact)

    def redact_growing(self, text: str) -> str:
        """Return as much of a text that still grows as can be shown without half a secret."""
        cleaned = _OPEN_KEY.sub("", self.redact(text))
        return cleaned[: len(cleaned) - self._secrets.could_begin(cleaned)]

    def redact_file(self, content: bytes) -> bytes:
        """Return a text file redacted, in its own encoding.

        In any other file configured secrets are overwritten, so that all else stays in its place;
        in what is compressed or encrypted nothing is found.
        """
        encoding = _encoding_of(content)
        if encoding is None:
            return self._secrets.mask_bytes(content)
        text = content.decode(encoding)
        cleaned = self.redact(text)
        return content if cleaned == text else cleaned.encode(encoding)


def redacted_value(value: Any, redact: Redact) -> Any:  # noqa: ANN401 - as above
    """Return JSON with every text in it redacted, names of members included.

    What is no JSON comes back as its text; bytes as they are.
    """
    return _redacted(value, redact, 0)


class RedactingModel(AroundModel):
    """A language model that is told no secrets."""

    def __init__(self, model: ModelClient, redact: Redact) -> None:
        super().__init__(model)
        self._redact = redact

    async def complete(self, request: ModelRequest) -> ModelReply:
        """Ask with every turn redacted, and what its images are called."""
        chars = sum(len(turn.text) for turn in request.turns)
        turns = await in_turn(chars, lambda: tuple(map(self._clean, request.turns)))
        return await self._model.complete(replace(request, turns=turns))

    def _clean(self, turn: Turn) -> Turn:
        images = tuple(replace(image, name=self._redact(image.name)) for image in turn.images)
        return replace(turn, text=self._redact(turn.text), images=images)


_ANY_BYTES: Final = "latin-1"
"""Takes any bytes and gives them back; letters of ASCII mean the same in it as in most others."""
_WIDE: Final = {b"\xff\xfe\0\0": "utf-32-le", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def _encoding_of(content: bytes) -> str | None:
    """Return an encoding in which the text can be read and written; None for what is no text."""
    for mark, encoding in _WIDE.items():
        if content.startswith(mark) and _decodes(content, encoding):
            return encoding
    if b"\0" not in content and _decodes(content, "utf-8"):
        return "utf-8"
    return None if is_no_text(content) else _ANY_BYTES


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


class RedactingEmbedder:
    """A model for embeddings that is told no secrets."""

    def __init__(self, embedder: Embedder, redact: Redact) -> None:
        self._embedder = embedder
        self._redact = redact

    @property
    def model(self) -> str:
        """The model and its dimension."""
        return self._embedder.model

    async def passages(
        self, texts: Sequence[str], *, settle: Settle = uncounted
    ) -> Sequence[Embedding]:
        """Ask with every text redacted."""
        cleaned = await in_turn(sum(map(len, texts)), lambda: list(map(self._redact, texts)))
        return await self._embedder.passages(cleaned, settle=settle)

    async def query(self, text: str, *, settle: Settle = uncounted) -> Embedding:
        """Ask with the text redacted."""
        return await self._embedder.query(self._redact(text), settle=settle)


def _marked(kind: str, found: re.Match[str]) -> str:
    if found.lastgroup == "none":
        return found[0]
    kept = (found[1] or "") if found.re.groups else ""
    return f"{kept}[redacted: {kind}]"


def _redacted(value: Any, redact: Redact, depth: int) -> Any:  # noqa: ANN401 - as above
    if isinstance(value, str):
        return redact(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth > _MAX_DEPTH:
        return _TOO_DEEP
    if isinstance(value, Mapping):
        return {
            redact(k) if isinstance(k, str) else k: _redacted(v, redact, depth + 1)
            for k, v in value.items()
        }
    if isinstance(value, bytes | bytearray):
        return value
    if isinstance(value, Sequence):
        return [_redacted(item, redact, depth + 1) for item in value]
    return redact(str(value))
