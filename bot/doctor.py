"""``treadle doctor``: looks at everything the bot depends on and says each fix. Changes nothing."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from agent_engine.clock import SystemClock
from agent_engine.errors import EngineError, ModelError, ToolError
from agent_engine.ports import ModelRequest, Role, Turn
from agent_engine.types import LIBRARY_SCOPE
from bot.agents_file import model_names
from bot.equipment import Outfitter, make_mcp_tools, make_sandbox_chooser
from bot.errors import SlackError
from bot.manifest import missing_scopes
from bot.model_source import ModelPlace, ModelSource, find_model
from bot.outbound.slack_client import open_slack
from bot.settings import Purpose, Settings, SettingsError, read_settings
from storage.database import open_database

PROBE_S = 20.0


class Level(StrEnum):
    """How a finding is."""

    GOOD = "good"
    DEGRADED = "degraded"
    """It works, with less than it could."""
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    said: str
    fix: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether the bot cannot do its work like this."""
        return self.level is Level.BAD


async def examine() -> Sequence[Finding]:
    """Look at settings, database, model, sandbox and Slack, each for itself."""
    settings, findings = _settings()
    if settings is None:
        return findings
    return [
        *findings,
        await _database(settings),
        *await _models(settings),
        await _sandbox(settings),
        await _mcp(settings),
        await _slack(settings),
    ]


def report(findings: Sequence[Finding], *, as_json: bool) -> str:
    """Return the findings as text, a line each, or as JSON."""
    if as_json:
        return json.dumps([asdict(finding) for finding in findings], indent=2)
    marks = {Level.GOOD: "✓", Level.DEGRADED: "!", Level.BAD: "✗"}
    lines = []
    for finding in findings:
        fix = f"  →  {finding.fix}" if finding.fix else ""
        lines.append(f"{marks[finding.level]} {finding.subject}: {finding.said}{fix}")
    return "\n".join(lines)


def _settings() -> tuple[Settings | None, list[Finding]]:
    try:
        settings = read_settings(Purpose.TERMINAL)
    except SettingsError as error:
        bad = [Finding(subject="settings", level=Level.BAD, said=p) for p in error.problems]
        return None, bad
    said = f"home is {settings.home.absolute()}"
    return settings, [Finding(subject="settings", level=Level.GOOD, said=said)]


async def _database(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        async with open_database(settings.database_url) as database:
            said = f"{database.dialect} answers and is up to date"
            return Finding(subject="database", level=Level.GOOD, said=said)
    except (EngineError, OSError) as error:
        fix = "set TREADLE_DATABASE_URL, or TREADLE_HOME to a folder that can be written"
        return Finding(subject="database", level=Level.BAD, said=str(error), fix=fix)


async def _models(settings: Settings) -> Sequence[Finding]:
    """Ask every model that is used; the installation's stand in for each other."""
    source = await find_model(settings)
    if source.is_offline:
        fix = "set OPENAI_API_KEY, or OPENAI_BASE_URL, or start a local server"
        offline = source.description
        return [Finding(subject="model", level=Level.DEGRADED, said=offline, fix=fix)]
    if not source.model:
        fix = "start the server, or correct OPENAI_BASE_URL, or name the model with TREADLE_MODEL"
        return [Finding(subject="model", level=Level.BAD, said=source.description, fix=fix)]
    async with AsyncExitStack() as stack:
        outfitter = Outfitter(settings, source, stack)
        asked = {p: await _asked(outfitter, p) for p in _used_places(settings, source)}
    own = source.places()
    works = any(asked[place].level is Level.GOOD for place in own)
    if works:
        asked = {place: _less_bad(finding) for place, finding in asked.items()}
    return [*_remarks(source), *asked.values()]


def _used_places(settings: Settings, source: ModelSource) -> Sequence[ModelPlace]:
    """Return the installation's models, the file's and those that the file's agents name."""
    profiles = settings.file.profiles(LIBRARY_SCOPE.workspace_id)
    chosen = (model_names(profile.model) for profile in profiles)
    places = [
        *source.places(),
        *source.named.values(),
        *(place for names in chosen if names for place in source.places(names)),
    ]
    return tuple(dict.fromkeys(places))


async def _asked(outfitter: Outfitter, place: ModelPlace) -> Finding:
    turns = (Turn(role=Role.USER, text="Answer with the word: ready"),)
    request = ModelRequest(turns=turns, purpose="doctor", max_tokens=16, timeout_s=PROBE_S)
    try:
        reply = await outfitter.model(place).complete(request)
    except ModelError as error:
        fix = "check the key, the address and the model's name"
        said = f"{place.description}: {error.message}"
        return Finding(subject="model", level=Level.BAD, said=said, fix=fix)
    small = "; it is small, so rules plan for it and it is asked little" if place.small else ""
    said = f"{place.description}; answered in {reply.duration_s:.1f} s{small}"
    return Finding(subject="model", level=Level.GOOD, said=said)


def _less_bad(finding: Finding) -> Finding:
    """A model that does not answer leaves the bot at work while another of its models does."""
    return replace(finding, level=Level.DEGRADED) if finding.is_bad else finding


def _remarks(source: ModelSource) -> Sequence[Finding]:
    if not source.is_guess:
        return ()
    said = f"{source.model} is {source.remark}"
    fix = "name the one you want with TREADLE_MODEL"
    return [Finding(subject="model", level=Level.DEGRADED, said=said, fix=fix)]


async def _sandbox(settings: Settings) -> Finding:
    try:
        chosen = await make_sandbox_chooser(settings).chosen()
    except ToolError as error:
        return Finding(
            subject="sandbox",
            level=Level.DEGRADED,
            said=error.message,
            fix="until then code execution is refused",
        )
    languages = ", ".join(sorted(chosen.languages))
    said = "; ".join([f"{chosen.driver.name} holds; languages: {languages}", *chosen.remarks])
    return Finding(subject="sandbox", level=Level.GOOD, said=said)


async def _mcp(settings: Settings) -> Finding:
    tools = make_mcp_tools(settings)
    async with tools.running():
        await tools.settled(PROBE_S)
        states = tools.states()
    said = "; ".join(state.said for state in states.values()) or "no server is configured"
    if all(state.is_connected for state in states.values()):
        return Finding(subject="mcp", level=Level.GOOD, said=said)
    fix = "check the server's command or url, and the variables it is given"
    return Finding(subject="mcp", level=Level.DEGRADED, said=said, fix=fix)


async def _slack(settings: Settings) -> Finding:
    if settings.slack_bot_token is None:
        fix = "set SLACK_BOT_TOKEN and SLACK_APP_TOKEN; `treadle demo` needs neither"
        said = "no token is set"
        return Finding(subject="slack", level=Level.DEGRADED, said=said, fix=fix)
    token = settings.slack_bot_token.get_secret_value()
    try:
        async with (
            asyncio.timeout(PROBE_S),
            open_slack(token=token, clock=SystemClock(), base_url=settings.slack_api_url) as slack,
        ):
            identity = await slack.auth_test()
    except (SlackError, TimeoutError) as error:
        fix = "copy the Bot User OAuth Token again, or reinstall the app"
        return Finding(subject="slack", level=Level.BAD, said=str(error) or "no answer", fix=fix)
    missing = missing_scopes(identity.scopes)
    if missing:
        said = f"in {identity.workspace_name}, but without the scopes {', '.join(missing)}"
        fix = "update the app from `treadle manifest` and reinstall it"
        return Finding(subject="slack", level=Level.DEGRADED, said=said, fix=fix)
    said = f"in the workspace {identity.workspace_name}, with all scopes"
    return Finding(subject="slack", level=Level.GOOD, said=said)
