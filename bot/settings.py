"""The installation's settings: read once from the environment and ``treadle.toml``, then frozen.

The only file that reads the environment. A wrong or missing value stops the start with all problems
listed, each with its fix. Parts are handed the values they need, never ``Settings`` itself.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from agent_engine.errors import ToolError
from agent_engine.tools.http.urls import read_url
from bot.agents_file import AgentsFile, model_names, read_agents_file
from bot.tables.table import ended, is_web_address, variables_in

DEFAULT_SLACK_API_URL = "https://slack.com/api/"
DEFAULT_CONFIG = "treadle.toml"
DEFAULT_HTTP_PORT = 3000
LOCAL_EMBEDDINGS, NO_EMBEDDINGS = "local", "none"
"""What ``TREADLE_EMBEDDING_MODEL`` can say besides a model's name."""


class Purpose(StrEnum):
    """What the settings are read for; it decides what must be there."""

    RUN = "run"
    """The bot in Slack, or the local workspace."""
    WORKER = "worker"
    """A worker that never talks to Slack."""
    TERMINAL = "terminal"
    """One task or tool in the terminal."""


class Transport(StrEnum):
    """How Slack's events reach the bot."""

    SOCKET = "socket"
    HTTP = "http"


class LogFormat(StrEnum):
    """How log lines look."""

    AUTO = "auto"
    """Coloured on a terminal, JSON elsewhere."""
    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least that is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class SettingsError(Exception):
    """The settings cannot be used.

    Attributes:
        problems: one sentence each, with the fix in it.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"Treadle cannot start with these settings:\n{listed}")


class Settings(BaseModel):
    """Everything that can be set, with its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    slack_bot_token: SecretStr | None = Field(None, alias="SLACK_BOT_TOKEN")
    slack_app_token: SecretStr | None = Field(None, alias="SLACK_APP_TOKEN")
    """For Socket Mode."""
    slack_signing_secret: SecretStr | None = Field(None, alias="SLACK_SIGNING_SECRET")
    """For HTTP; used when there is no app token."""
    slack_api_url: str = Field(DEFAULT_SLACK_API_URL, alias="SLACK_API_URL")
    http_host: str = Field("127.0.0.1", alias="TREADLE_HTTP_HOST")
    http_port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        DEFAULT_HTTP_PORT, alias="TREADLE_HTTP_PORT"
    )
    openai_api_key: SecretStr | None = Field(None, alias="OPENAI_API_KEY")
    openai_base_url: str | None = Field(None, alias="OPENAI_BASE_URL")
    model: str | None = Field(None, alias="TREADLE_MODEL")
    """One name, or several separated by commas: the next is asked while one is unavailable."""
    embedding_model: str | None = Field(None, alias="TREADLE_EMBEDDING_MODEL")
    """A model's name, ``local`` or ``none``; None for the local one where it is installed."""
    home: Path = Field(Path(".treadle"), alias="TREADLE_HOME")
    database_url_or_none: SecretStr | None = Field(None, alias="TREADLE_DATABASE_URL")
    config_path: Path | None = Field(None, alias="TREADLE_CONFIG")
    """None for ``treadle.toml`` in the working directory, where there is one."""
    log_format: LogFormat = Field(LogFormat.AUTO, alias="TREADLE_LOG_FORMAT")
    log_level: LogLevel = Field(LogLevel.INFO, alias="TREADLE_LOG_LEVEL")
    serper_api_key: SecretStr | None = Field(None, alias="SERPER_API_KEY")
    brave_api_key: SecretStr | None = Field(None, alias="BRAVE_API_KEY")
    tavily_api_key: SecretStr | None = Field(None, alias="TAVILY_API_KEY")
    searxng_url: str | None = Field(None, alias="SEARXNG_URL")
    """Where a SearXNG of one's own is; it may be on a private network."""
    demo_ask: str | None = Field(None, alias="TREADLE_DEMO_ASK")
    """The problem that ``make demo ASK=…`` solves before it exits."""
    file: AgentsFile = AgentsFile()
    """What ``treadle.toml`` says."""
    variables: Mapping[str, SecretStr] = Field(default_factory=dict)
    """Of the environment, what the file names: keys and what MCP servers are given."""

    @field_validator("searxng_url")
    @classmethod
    def _can_be_called(cls, url: str | None) -> str | None:
        try:
            if url is not None:
                read_url(url)
        except ToolError as error:
            raise ValueError(f"give the address of a SearXNG: {error.message}") from error
        return url

    @field_validator("slack_api_url", "openai_base_url", "searxng_url")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None and not is_web_address(url):
            raise ValueError('give an address that starts with "https://" or "http://"')
        return url

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @property
    def models(self) -> tuple[str, ...]:
        """The names that ``TREADLE_MODEL`` gives, the preferred one first; empty for none."""
        return model_names(self.model)

    @property
    def transport(self) -> Transport:
        """Socket Mode where there is an app token, else HTTP."""
        return Transport.SOCKET if self.slack_app_token else Transport.HTTP

    @property
    def database_url(self) -> str:
        """Where the tables are: a SQLite file in the home folder unless set. May hold a secret."""
        if self.database_url_or_none:
            return self.database_url_or_none.get_secret_value()
        return f"sqlite:///{self.home.absolute() / 'treadle.db'}"

    @property
    def search_providers(self) -> Mapping[str, str]:
        """Keys and addresses by search provider; empty where there is none. May hold secrets."""
        keys = {
            "serper": self.serper_api_key,
            "brave": self.brave_api_key,
            "tavily": self.tavily_api_key,
        }
        told = {name: key.get_secret_value() if key else "" for name, key in keys.items()}
        return {**told, "searxng": self.searxng_url or ""}

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret there is, for taking them out of what is shown."""
        found = [getattr(self, name) for name in type(self).model_fields]
        held = [value for value in found if isinstance(value, SecretStr)]
        # What MCP servers are given may be ordinary words; it is taken out of their own results.
        named = {v.name for v in variables_in(self.file) if v.is_secret}
        held += [self.variables[name] for name in sorted(named) if name in self.variables]
        values = [secret.get_secret_value() for secret in held]
        # Of the database's address, the password alone is secret.
        address = self.database_url_or_none.get_secret_value() if self.database_url_or_none else ""
        password = urlsplit(address).password or ""
        return tuple(value for value in (*values, password) if value and value != address)

    @property
    def talks_to_slack_itself(self) -> bool:
        """Whether the address is Slack's own and not that of another Slack-speaking server."""
        host = urlsplit(self.slack_api_url).hostname or ""
        return host == "slack.com" or host.endswith(".slack.com")

    def without_slack(self) -> Self:
        """Return the same settings with nothing that leads to a Slack workspace."""
        nothing = {"slack_bot_token": None, "slack_app_token": None, "slack_signing_secret": None}
        return self.model_copy(update=nothing)


def read_settings(
    purpose: Purpose,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """Read the settings for a purpose.

    Args:
        purpose: decides which values must be there.
        environment: the process's own when None.
        folder: where ``treadle.toml`` is looked for; the working directory when None.

    Raises:
        SettingsError: with every problem found.
    """
    env = os.environ if environment is None else environment
    given = {name: value for name, value in env.items() if value.strip() and name in _NAMES}
    settings, problems = _from_environment(given)
    path = settings.config_path or (folder or Path()) / DEFAULT_CONFIG
    file, file_problems = read_agents_file(path, must_exist=settings.config_path is not None)
    variables, variable_problems = _named_variables(file, env)
    problems = [
        *_misspelt(env),
        *problems,
        *_missing(settings, purpose, given),
        *_malformed(settings),
        *file_problems,
        *variable_problems,
        *_search_problems(file, given),
    ]
    if problems:
        raise SettingsError(problems)
    return settings.model_copy(update={"file": file, "variables": variables})


# ------------------------------------------------------------------------------------------------

_NAMES = frozenset(
    field.alias for field in Settings.model_fields.values() if field.alias is not None
)
_FIXES = {
    "TREADLE_HTTP_PORT": "give a port number from 0 to 65535",
    "TREADLE_LOG_FORMAT": "use auto, json or console",
    "TREADLE_LOG_LEVEL": "use DEBUG, INFO, WARNING or ERROR",
}
_PREFIXES = {
    "SLACK_BOT_TOKEN": ("xoxb-", "copy the Bot User OAuth Token of the app's OAuth page"),
    "SLACK_APP_TOKEN": (
        "xapp-",
        "make an app-level token with the scope connections:write on the app's Basic Information",
    ),
}
_DATABASES = ("sqlite:", "postgresql:", "postgresql+psycopg:")


def _from_environment(given: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """Return what can be read, and what is wrong with the rest."""
    try:
        return Settings.model_validate(given), []
    except ValidationError as error:
        wrong = {str(detail["loc"][0]): detail["msg"] for detail in error.errors()}
    rest = {name: value for name, value in given.items() if name not in wrong}
    problems = [_problem(name, message) for name, message in wrong.items()]
    return Settings.model_validate(rest), problems


def _problem(name: str, message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{name}: {_FIXES.get(name) or reason[:1].lower() + reason[1:]}."


def _misspelt(environment: Mapping[str, str]) -> list[str]:
    unknown = sorted(n for n in environment if n.startswith("TREADLE_") and n not in _NAMES)
    close = ((n, difflib.get_close_matches(n, sorted(_NAMES), n=1, cutoff=0.85)) for n in unknown)
    return [f"{name} is not a setting: did you mean {best[0]}?" for name, best in close if best]


def _missing(settings: Settings, purpose: Purpose, given: Mapping[str, str]) -> list[str]:
    if purpose is not Purpose.RUN:
        return []
    problems = []
    if "SLACK_BOT_TOKEN" not in given:
        fix = _PREFIXES["SLACK_BOT_TOKEN"][1]
        problems.append(f"SLACK_BOT_TOKEN is missing: {fix} (it starts with xoxb-).")
    if settings.slack_app_token is None and settings.slack_signing_secret is None:
        problems.append(
            "SLACK_APP_TOKEN is missing: set it for Socket Mode (it starts with xapp-), or set "
            "SLACK_SIGNING_SECRET to receive events over HTTP."
        )
    return problems


def _named_variables(
    file: AgentsFile, environment: Mapping[str, str]
) -> tuple[Mapping[str, SecretStr], list[str]]:
    """Read the variables that the file names; return them and what is wrong with them."""
    found: dict[str, SecretStr] = {}
    problems = []
    for variable in variables_in(file):
        value = environment.get(variable.name, "").strip()
        if value:
            found[variable.name] = SecretStr(value)
        if problem := variable.problem(value):
            problems.append(ended(problem))
    return found, list(dict.fromkeys(problems))


def _search_problems(file: AgentsFile, given: Mapping[str, str]) -> list[str]:
    wanted = file.tools.web_search.provider
    name = "SEARXNG_URL" if wanted == "searxng" else f"{wanted}_API_KEY".upper()
    if wanted is None or name in given:
        return []
    return [f"{name} is missing: set it, or name another tools.web_search.provider."]


def _malformed(settings: Settings) -> list[str]:
    tokens = {
        "SLACK_BOT_TOKEN": settings.slack_bot_token,
        "SLACK_APP_TOKEN": settings.slack_app_token,
    }
    problems = []
    for name, token in tokens.items():
        prefix, fix = _PREFIXES[name]
        if token is not None and not token.get_secret_value().startswith(prefix):
            problems.append(f"{name} does not start with {prefix}: {fix}.")
    if not settings.database_url.startswith(_DATABASES):
        problems.append(
            "TREADLE_DATABASE_URL: give sqlite:///path/to/file.db or "
            "postgresql://user:password@host/database."
        )
    if settings.home.exists() and not settings.home.is_dir():
        problems.append(f"TREADLE_HOME: {settings.home} is a file: name a folder.")
    return problems
