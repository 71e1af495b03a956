"""How log lines look and what they carry: structlog over the standard library's logging.

Called once by the command line. Everything else uses ``logging.getLogger(__name__)`` with constant
event names and ``extra``; tokens that slip in anyway are blotted out here.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from agent_engine.redaction import Redaction

_TALKATIVE = (
    *("alembic", "slack_bolt", "slack_sdk", "aiohttp.access", "httpx", "openai", "asyncio"),
    *("httpx2", "httpcore2"),
)
"""Libraries that write payloads or a line per request; only their warnings are wanted."""
_QUOTING = ("mcp", "client")
"""The MCP library, whose warnings quote what servers sent; the engine has words of its own."""


@contextmanager
def log_context(**facts: str) -> Iterator[None]:
    """Let every log line inside carry these: delivery_id, task_id, run_id, step, agent."""
    with structlog.contextvars.bound_contextvars(**{k: v for k, v in facts.items() if v}):
        yield


def configure_logs(
    *,
    level: str,
    as_json: bool,
    stream: TextIO | None = None,
    redaction: Redaction | None = None,
) -> None:
    """Send all log lines to one stream (standard error by default), as JSON or for people.

    What ``redaction`` takes out is in none of them; None for one that knows the usual kinds.
    """
    target = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(target)
    formatter = _formatter(redaction or Redaction(), as_json=as_json, colors=target.isatty())
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in _QUOTING:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def wants_json(log_format: str, stream: TextIO | None = None) -> bool:
    """Say whether lines should be JSON: as set, or where nobody watches a terminal."""
    if log_format == "auto":
        return not (sys.stderr if stream is None else stream).isatty()
    return log_format == "json"


# ------------------------------------------------------------------------------------------------


def _formatter(redaction: Redaction, *, as_json: bool, colors: bool) -> logging.Formatter:
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = _render_json if as_json else _console(colors=colors)
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        _Redacting(redaction),
        render,
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


def _console(*, colors: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=colors)


class _Redacting:
    """Takes secrets out of everything a line holds, tracebacks included."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction

    def __call__(
        self, _logger: WrappedLogger, _method: str, event: EventDict
    ) -> MutableMapping[str, Any]:
        return {key: self._redaction.redact_value(value) for key, value in event.items()}


_render_json = structlog.processors.JSONRenderer(sort_keys=False, default=str)
