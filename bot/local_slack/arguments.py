"""Arguments of a Web API call, however they were sent: merged once, read by type.

slack_sdk sends the same method as a query string, a form or JSON, so a value may be text or JSON.
"""

import json
from typing import Any

from aiohttp import web

from bot.local_slack.errors import RefusedError
from bot.local_slack.records import Json


class Arguments:
    """The merged arguments of one call; a missing one is None, a malformed one is refused."""

    def __init__(self, values: Json) -> None:
        self._values = values

    def as_json(self) -> Json:
        """Give all arguments as they came."""
        return dict(self._values)

    def has(self, name: str) -> bool:
        """True if the argument was sent, even if empty."""
        return self._values.get(name) is not None

    def text(self, name: str) -> str | None:
        """Give a text argument, or None where it is missing or empty."""
        value = self._values.get(name)
        return str(value) if value not in (None, "") else None

    def need(self, name: str, *, error: str = "invalid_arguments") -> str:
        """Give a text argument that must be there."""
        value = self.text(name)
        if value is None:
            messages = [f"[ERROR] missing required field: {name}"]
            raise RefusedError(error, {"response_metadata": {"messages": messages}})
        return value

    def is_set(self, name: str) -> bool:
        """Read a flag: true, "true", 1 or "1"."""
        return str(self._values.get(name, "")).lower() in ("true", "1")

    def number(self, name: str, *, default: int) -> int:
        """Read a whole number."""
        value = self.text(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError as error:
            raise RefusedError("invalid_arguments") from error

    def ids(self, name: str) -> list[str]:
        """Read a list of ids: comma-joined text, a JSON list, or a list."""
        value = self._values.get(name)
        if isinstance(value, str) and value.startswith("["):
            value = self._parsed(name, value)
        if isinstance(value, list):
            return [str(v) for v in value]
        return [part.strip() for part in str(value or "").split(",") if part.strip()]

    def objects(self, name: str, *, error: str) -> list[Json] | None:
        """Read a list of objects, given as JSON or as JSON text."""
        value = self._parsed(name, self._values.get(name))
        if value is None or value == "":
            return None
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise RefusedError(error)
        return value

    def object(self, name: str, *, error: str) -> Json | None:
        """Read one object, given as JSON or as JSON text."""
        value = self._parsed(name, self._values.get(name))
        if value is None or value == "":
            return None
        if not isinstance(value, dict):
            raise RefusedError(error)
        return value

    def _parsed(self, name: str, value: Any) -> Any:  # noqa: ANN401 - any JSON
        if not isinstance(value, str) or not value:
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            raise RefusedError("invalid_arguments", {"argument": name}) from error


async def read_arguments(request: web.Request) -> Arguments:
    """Merge query string, JSON body and form body, in this order."""
    values: Json = dict(request.query)
    if request.content_type == "application/json":
        values |= _body_object(await request.text())
    elif request.method == "POST":
        form = await request.post()
        values |= {name: value for name, value in form.items() if isinstance(value, str)}
    return Arguments(values)


def _body_object(text: str) -> Json:
    if not text.strip():
        return {}
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise RefusedError("invalid_json") from error
    if not isinstance(parsed, dict):
        raise RefusedError("json_not_object")
    return parsed
