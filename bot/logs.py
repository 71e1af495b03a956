"""How log lines look and what they carry: structlog over the standard library's logging.

Called once by the command line. Everything else uses ``logging.getLogger(__name__)`` with constant
event names and ``extra``; tokens that slip in anyway are blotted out here.
"""

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

BLOTTED = "[secret]"
_SECRETS = re.compile(
    r"xox[a-z]-[A-Za-z0-9-]{4,}"  # Slack's bot, user and refresh tokens
    r"|xapp-[A-Za-z0-9-]{4,}"
    r"|xoxe\.[A-Za-z0-9.-]{4,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}"  # model providers' keys
    r"|(?<=Bearer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user:password in an address
)
_MAX_DEPTH = 6
_TALKATIVE = (
    *("alembic", "slack_bolt", "slack_sdk", "aiohttp.access", "httpx", "openai", "asyncio"),
    *("mcp", "client", "httpx2", "httpcore2"),
)
"""Libraries that write payloads or a line per request; only their warnings are wanted."""


@contextmanager
def log_context(**facts: str) -> Iterator[None]:
    """Let every log line inside carry these: delivery_id, task_id, run_id, step, agent."""
    with structlog.contextvars.bound_contextvars(**{k: v for k, v in facts.items() if v}):
        yield


def configure_logs(*, level: str, as_json: bool, stream: TextIO | None = None) -> None:
    """Send all log lines to one stream (standard error by default), as JSON or for people."""
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    handler.setFormatter(_formatter(as_json=as_json, colors=target.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def wants_json(log_format: str, stream: TextIO | None = None) -> bool:
    """Say whether lines should be JSON: as set, or where nobody watches a terminal."""
    if log_format == "auto":
        return not (sys.stderr if stream is None else stream).isatty()
    return log_format == "json"


def blot(value: object, depth: int = 0) -> object:
    """Return the value with every secret in its texts blotted out.

    >>> blot({"error": "invalid_auth for xoxb-123-abc"})
    {'error': 'invalid_auth for [secret]'}
    """
    if isinstance(value, str):
        return _SECRETS.sub(BLOTTED, value)
    if depth > _MAX_DEPTH or isinstance(value, int | float | bool | None):
        return value
    if isinstance(value, Mapping):
        return {key: blot(item, depth + 1) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [blot(item, depth + 1) for item in value]
    return _SECRETS.sub(BLOTTED, str(value))


# ------------------------------------------------------------------------------------------------


def _formatter(*, as_json: bool, colors: bool) -> logging.Formatter:
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.processors.format_exc_info, _blot_secrets, _render_json]
        if as_json
        else [structlog.processors.format_exc_info, _blot_secrets, _console(colors=colors)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _console(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=colors)


def _blot_secrets(
    _logger: WrappedLogger, _method: str, event: EventDict
) -> MutableMapping[str, Any]:
    return {key: blot(value) for key, value in event.items()}


_render_json = structlog.processors.JSONRenderer(sort_keys=False, default=str)
