"""``treadle doctor``: looks at everything the bot depends on and says each fix. Changes nothing."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from agent_engine.budgets import BudgetExceededError, for_no_run
from agent_engine.clock import SystemClock
from agent_engine.errors import EngineError, ModelError, ToolError
from agent_engine.ports import ModelRequest, Role, Turn
from agent_engine.redaction import Redaction
from agent_engine.tokens import estimate_tokens
from agent_engine.types import LIBRARY_SCOPE
from bot.agents_file import model_names
from bot.embeddings import KEYWORDS_ONLY, EmbeddingSource, embedding_source, open_embedder
from bot.errors import SlackError, SlackRefusedError
from bot.manifest import missing_scopes, scope_losses
from bot.mcp_pins import peek_at_pins
from bot.model_source import ModelPlace, ModelSource, find_model
from bot.models import Models, open_models
from bot.outbound.slack_client import open_slack
from bot.outbound.web_calls import SCOPE_FIX
from bot.settings import Purpose, Settings, SettingsError, read_settings
from bot.toolbox import Records, api_access, open_toolbox, sandbox_chooser, search_provider
from storage.inspection import (
    Condition,
    count_embedded,
    exceeded_today,
    inspect_database,
    next_to_embed,
    why_not_writable,
)

PROBE_S = 20.0
CANNOT_SPEAK = "chat:write"
"""Without this scope nobody gets an answer."""
_SEARCH_FIX = "set SERPER_API_KEY, BRAVE_API_KEY, TAVILY_API_KEY or SEARXNG_URL"
_BUDGET_FIX = "raise the workspace's budget in [budgets], or wait for the next day"
_CONDITIONS = {
    Condition.MISSING: "does not exist yet; `treadle run` will make it",
    Condition.OLDER: "answers; `treadle run` will bring its tables up to date",
    Condition.CURRENT: "answers and is up to date",
}


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
        await _embeddings(settings),
        await _sandbox(settings),
        *_network(settings),
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
    return settings, [_home(settings)]


def _home(settings: Settings) -> Finding:
    home = settings.home.absolute()
    if why := why_not_writable(home):
        said = f"home is {home}, but {why}"
        fix = "set TREADLE_HOME to a folder that can be written"
        return Finding(subject="settings", level=Level.BAD, said=said, fix=fix)
    will = "" if home.is_dir() else ", which `treadle run` will make"
    return Finding(subject="settings", level=Level.GOOD, said=f"home is {home}{will}")


async def _database(settings: Settings) -> Finding:
    try:
        found = await inspect_database(settings.database_url, home=settings.home)
    except (EngineError, OSError) as error:
        fix = "set TREADLE_DATABASE_URL, or TREADLE_HOME to a folder that can be written"
        return Finding(subject="database", level=Level.BAD, said=str(error), fix=fix)
    where = f"{found.dialect} at {found.place}"
    if found.condition is Condition.NEWER:
        fix = "start the newer version, or restore a backup"
        said = f"{where} was made by a newer version of Treadle"
        return Finding(subject="database", level=Level.BAD, said=said, fix=fix)
    said = f"{where} {_CONDITIONS[found.condition]}"
    return Finding(subject="database", level=Level.GOOD, said=said)


async def _models(settings: Settings) -> Sequence[Finding]:
    """Ask every model that is used; the installation's stand in for each other."""
    async with open_models(settings) as models:
        source = models.source
        if missing := _no_model(source):
            return [missing]
        asked = {place: await _asked(models, place) for place in _used_places(settings, source)}
    own = source.places()
    works = any(asked[place].level is Level.GOOD for place in own)
    if works:
        asked = {place: _less_bad(finding) for place, finding in asked.items()}
    return [*_remarks(source), *asked.values()]


def _no_model(source: ModelSource) -> Finding | None:
    if source.is_offline:
        level, fix = (
            Level.DEGRADED,
            "set OPENAI_API_KEY, or OPENAI_BASE_URL, or start a local server",
        )
    elif not source.model:
        level = Level.BAD
        fix = "start the server, or correct OPENAI_BASE_URL, or name the model with TREADLE_MODEL"
    else:
        return None
    return Finding(subject="model", level=level, said=source.description, fix=fix)


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


async def _asked(models: Models, place: ModelPlace) -> Finding:
    turns = (Turn(role=Role.USER, text="Answer with the word: ready"),)
    request = ModelRequest(turns=turns, purpose="doctor", max_tokens=16, timeout_s=PROBE_S)
    try:
        reply = await models.client(place).complete(request)
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


async def _embeddings(settings: Settings) -> Finding:
    """Have a vector made; where that fails, memories are still found by their words."""
    source = embedding_source(settings, await find_model(settings))
    degraded = Finding(
        subject="embeddings", level=Level.DEGRADED, said=source.description, fix=source.fix
    )
    async with open_embedder(source, Redaction(settings.secret_values).redact) as embedder:
        if embedder is None:
            return degraded if source.fix else replace(degraded, level=Level.GOOD)
        try:
            async with asyncio.timeout(PROBE_S):
                [probe] = await embedder.passages(["ready"])
        except (ModelError, TimeoutError) as error:
            why = str(error) or f"no answer within {PROBE_S:g} s"
            said = f"{source.description}: {why}; meanwhile {KEYWORDS_ONLY}"
            return replace(degraded, said=said, fix="check the key, the address and the model")
    said = f"{source.description}; {probe.dimension} numbers for a text"
    try:
        counted = await _with_vector(settings, probe.model)
        waits = await _waits(settings, source, probe.model) if counted else ""
    except (EngineError, OSError):
        counted = waits = ""  # what is wrong with the database stands in its own line
    level, fix = (Level.DEGRADED, _BUDGET_FIX) if waits else (Level.GOOD, "")
    return replace(degraded, level=level, said=f"{said}{counted}{waits}", fix=fix)


async def _with_vector(settings: Settings, model: str) -> str:
    """Say how many memories have a vector of the model; nothing while there are no tables."""
    found = await inspect_database(settings.database_url, home=settings.home)
    if found.condition is not Condition.CURRENT:
        return ""
    done, of = await count_embedded(settings.database_url, model=model)
    return f"; {done:,} of {of:,} memories have theirs"


async def _waits(settings: Settings, source: EmbeddingSource, model: str) -> str:
    """Say that the others wait, where the day's budget has no room for the next one."""
    budgets, url = settings.file.day_budgets(), settings.database_url
    if not budgets or source.place is None:
        return ""
    memory = await next_to_embed(url, model=model)
    if memory is None:
        return ""
    tokens = estimate_tokens(memory.text)
    exceeded = await exceeded_today(
        url, memory.scope.workspace_id, for_no_run(budgets), tokens=tokens, usd=source.usd(tokens)
    )
    if exceeded is None:
        return ""
    return f"; the others wait: {BudgetExceededError(exceeded, is_half=True).message}"


async def _sandbox(settings: Settings) -> Finding:
    try:
        chosen = await sandbox_chooser(settings).chosen()
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


def _network(settings: Settings) -> Sequence[Finding]:
    """Say where agents may go; nothing is called, for searches cost money."""
    found = search_provider(settings)
    search = Finding(
        subject="web search",
        level=Level.GOOD,
        said=found.name if found is not None else "none configured",
        fix="" if found is not None else _SEARCH_FIX,
    )
    access = api_access(settings)
    allowed = "no domain is allowed" if access.is_empty else f"allowed: {access.allowed_names}"
    fix = "name domains in [tools.api_call] of treadle.toml" if access.is_empty else ""
    return [search, Finding(subject="api calls", level=Level.GOOD, said=allowed, fix=fix)]


async def _mcp(settings: Settings) -> Finding:
    if not settings.file.mcp_servers:
        return Finding(subject="mcp", level=Level.GOOD, said="no server is configured")
    records = Records(pins=await peek_at_pins(settings))
    async with open_toolbox(settings, records) as toolbox, toolbox.mcp.running():
        await toolbox.mcp.settled(PROBE_S)
        states = toolbox.mcp.states()
    fixes = [
        f"look at what changed with `treadle mcp accept {name}`"
        for name, state in states.items()
        if state.changed
    ]
    if not all(state.is_connected for state in states.values()):
        fixes.append("check the server's command or url, and the variables it is given")
    return Finding(
        subject="mcp",
        level=Level.DEGRADED if fixes else Level.GOOD,
        said="; ".join(state.said for state in states.values()),
        fix="; ".join(fixes),
    )


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
    except SlackRefusedError as refused:
        fix = "copy the Bot User OAuth Token again, or reinstall the app"
        return Finding(subject="slack", level=Level.BAD, said=refused.message, fix=fix)
    except (SlackError, TimeoutError) as error:
        said = f"{settings.slack_api_url}: {str(error) or 'no answer'}"
        fix = "check the network, its proxy and SLACK_API_URL"
        return Finding(subject="slack", level=Level.BAD, said=said, fix=fix)
    if losses := scope_losses(identity.scopes):
        said = f"in the workspace {identity.workspace_name}, but {'; '.join(losses)}"
        level = Level.BAD if CANNOT_SPEAK in missing_scopes(identity.scopes) else Level.DEGRADED
        return Finding(subject="slack", level=level, said=said, fix=SCOPE_FIX)
    said = f"in the workspace {identity.workspace_name}, with all scopes"
    return Finding(subject="slack", level=Level.GOOD, said=said)
