"""The ``treadle`` command: reads arguments and settings, runs one thing, ends with a code.

Exit codes: 0 done · 1 the task or check failed · 2 wrong use or settings · 3 waiting for a person.
What a command needs is imported when it runs, so that ``--help`` and small commands start at once.
"""

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine
from enum import IntEnum
from pathlib import Path
from threading import current_thread, main_thread
from typing import Annotated, Any, NoReturn

import typer

from agent_engine.errors import EngineError
from agent_engine.redaction import Redaction
from agent_engine.types import WorkspaceId
from bot.errors import BotError
from bot.logs import configure_logs, wants_json
from bot.settings import Purpose, Settings, SettingsError, read_settings

logger = logging.getLogger(__name__)

app = typer.Typer(
    name="treadle",
    help="A Slack bot that puts AI agents to work: a channel is an agent, a thread is a task.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
database_app = typer.Typer(help="Look after the database.", no_args_is_help=True)
app.add_typer(database_app, name="db")
audit_app = typer.Typer(help="Look into the record of what agents did.", no_args_is_help=True)
app.add_typer(audit_app, name="audit")
mcp_app = typer.Typer(help="Look after MCP servers.", no_args_is_help=True)
app.add_typer(mcp_app, name="mcp")


class ExitCode(IntEnum):
    """How the command ended."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    WAITING = 3


_ENDING = (signal.SIGTERM, signal.SIGINT)
_KILLED = 128
"""What a shell adds to the number of the signal that ended a command."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


@app.command()
def run(
    role: Annotated[
        str, typer.Option(help="all, or gateway (talks to Slack) and worker (works) apart.")
    ] = "all",
) -> None:
    """Run the bot until it is stopped."""
    from bot.footprint import settle_in  # noqa: PLC0415 - imported when it runs

    settle_in()
    from bot.app import Role, run_bot  # noqa: PLC0415 - as above

    try:
        chosen = Role(role)
    except ValueError:
        _fail(f"--role is one of: {', '.join(Role)}.", ExitCode.WRONG_USE)
    purpose = Purpose.WORKER if chosen is Role.WORKER else Purpose.RUN
    settings = _with_home(_settings(purpose))
    _run(run_bot(settings, role=chosen), until_stopped=True)


@app.command()
def demo(
    ask: Annotated[
        str | None, typer.Option(help="Solve one problem, print the thread and exit.")
    ] = None,
    port: Annotated[int, typer.Option(help="Where the page is served.")] = 8430,
) -> None:
    """Start the local workspace and the bot, and watch a first problem being solved."""
    from bot.demo import run_demo  # noqa: PLC0415 - imported when it runs

    settings = _settings(Purpose.TERMINAL, log_level="WARNING")
    problem = ask or settings.demo_ask
    solved = _run(run_demo(settings, problem=problem, port=port), until_stopped=True)
    if solved is False:
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def ask(
    problem: Annotated[str, typer.Argument(help="What is to be done.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Solve one problem in the terminal, without Slack."""
    from bot.terminal import ask_agent  # noqa: PLC0415 - imported when it runs

    settings = _with_home(_settings(Purpose.TERMINAL, log_level="ERROR"))
    code = _run(ask_agent(settings, problem, as_json=as_json))
    raise typer.Exit(code)


@app.command()
def tool(
    name: Annotated[str, typer.Argument(help="The tool's name; 'list' shows all.")],
    arguments: Annotated[
        str, typer.Argument(help="Its arguments as JSON; - reads them from standard input.")
    ] = "{}",
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Approve the call where a person has to.")
    ] = False,
) -> None:
    """Run one tool exactly as an agent would, and print the observation as JSON."""
    from bot.terminal import NEEDS_APPROVAL, call_tool, list_tools  # noqa: PLC0415 - imported when it runs

    settings = _settings(Purpose.TERMINAL, log_level="ERROR")
    if name == "list":
        listed = _run(list_tools(settings))
        typer.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    text = sys.stdin.read() if arguments == "-" else arguments
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        _fail(f"the arguments are not JSON: {error}", ExitCode.WRONG_USE)
    if not isinstance(given, dict):
        _fail(
            'the arguments must be a JSON object, like \'{"path": "a.txt"}\'.', ExitCode.WRONG_USE
        )
    observation = _run(call_tool(_with_home(settings), name, given, approved=yes))
    typer.echo(json.dumps(observation, indent=2, ensure_ascii=False))
    if not observation.get("success"):
        needs_person = NEEDS_APPROVAL in observation
        raise typer.Exit(ExitCode.WAITING if needs_person else ExitCode.FAILED)


@app.command()
def doctor(*, as_json: AsJson = False) -> None:
    """Check configuration, tokens and scopes, model, database and sandbox; say each fix."""
    from bot.doctor import examine, report  # noqa: PLC0415 - imported when it runs

    configure_logs(level="ERROR", as_json=False)
    findings = _run(examine())
    typer.echo(report(findings, as_json=as_json))
    if any(finding.is_bad for finding in findings):
        raise typer.Exit(ExitCode.FAILED)


@app.command()
def manifest(
    url: Annotated[
        str | None, typer.Option(help="The bot's public https address; without it, Socket Mode.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print the app manifest, to create the Slack app from."""
    from bot import manifest as made  # noqa: PLC0415 - imported when it runs

    slack = _settings(Purpose.TERMINAL).file.slack
    try:
        body = made.with_commands(
            made.load_manifest(), prefix=slack.command_prefix, has_short=slack.short_commands
        )
        body = made.for_public_url(body, url) if url else body
    except BotError as error:
        _fail(str(error), ExitCode.WRONG_USE)
    typer.echo(json.dumps(body, indent=2) if as_json else made.as_yaml(body).rstrip())


@database_app.command("upgrade")
def upgrade_database() -> None:
    """Bring the database's tables up to date; ``run`` does this by itself."""
    from bot.upkeep import upgrade  # noqa: PLC0415 - imported when it runs

    typer.echo(_run(upgrade(_with_home(_settings(Purpose.TERMINAL)))))


@database_app.command("backup")
def backup_database(
    path: Annotated[Path, typer.Argument(help="The new file; it must not exist.")],
) -> None:
    """Write a consistent copy of a SQLite database while the bot runs."""
    from bot.upkeep import backup  # noqa: PLC0415 - imported when it runs

    typer.echo(_run(backup(_settings(Purpose.TERMINAL), path)))


@audit_app.command("verify")
def verify_audit(*, as_json: AsJson = False) -> None:
    """Check that nothing in the audit log was changed, removed or slipped in."""
    from bot.audit_cli import report, verify  # noqa: PLC0415 - imported when it runs

    settings = _with_home(_settings(Purpose.TERMINAL, log_level="ERROR"))
    verdicts = _run(verify(settings))
    typer.echo(report(verdicts, as_json=as_json))
    if any(verdict.broken_at is not None for verdict in verdicts):
        raise typer.Exit(ExitCode.FAILED)


@audit_app.command("export")
def export_audit(
    workspace: Annotated[str | None, typer.Option(help="One workspace's id; else all.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only entries behind this number.")] = 0,
) -> None:
    """Print the audit log, one JSON object a line, oldest first."""
    from bot.audit_cli import export  # noqa: PLC0415 - imported when it runs

    chosen = None if workspace is None else WorkspaceId(workspace)
    settings = _with_home(_settings(Purpose.TERMINAL, log_level="ERROR"))

    async def print_all() -> None:
        async for line in export(settings, workspace=chosen, after=after):
            typer.echo(line)

    _run(print_all())


@mcp_app.command("accept")
def accept_mcp(
    server: Annotated[str, typer.Argument(help="The server's name in [[mcp_servers]].")],
    tool: Annotated[str | None, typer.Argument(help="One tool of it; else all.")] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without being asked.")] = False,
) -> None:
    """Show what an MCP server says of its tools otherwise than before, and accept it."""
    from bot.mcp_cli import accept  # noqa: PLC0415 - imported when it runs

    settings = _with_home(_settings(Purpose.TERMINAL, log_level="ERROR"))
    raise typer.Exit(_run(accept(settings, server, tool, agreed=yes)))


def main() -> None:
    """Run the command line."""
    app()


# ------------------------------------------------------------------------------------------------


def _settings(purpose: Purpose, *, log_level: str | None = None) -> Settings:
    try:
        settings = read_settings(purpose)
    except SettingsError as error:
        _fail(str(error), ExitCode.WRONG_USE)
    level = log_level or settings.log_level.value
    configure_logs(
        level=level,
        as_json=wants_json(settings.log_format.value),
        redaction=Redaction(settings.secret_values),
    )
    return settings


def _with_home(settings: Settings) -> Settings:
    """Make the home folder, its owner's alone, or end with one sentence where that fails."""
    try:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        _fail(_no_home(settings, error.strerror or "it cannot be made"), ExitCode.WRONG_USE)
    if not os.access(settings.home, os.W_OK | os.X_OK):
        _fail(_no_home(settings, "it is read-only"), ExitCode.WRONG_USE)
    return settings


def _no_home(settings: Settings, why: str) -> str:
    return f"TREADLE_HOME: {settings.home} cannot be used ({why}): name a folder I can write to."


def _run(main: Coroutine[Any, Any, Any], *, until_stopped: bool = False) -> Any:  # noqa: ANN401 - what the command returns
    """Run to the end, or to SIGINT or SIGTERM; trouble becomes one sentence.

    What nobody expected is logged: only there are secrets taken out of a traceback.
    """
    try:
        with asyncio.Runner() as runner:
            stopped, result = runner.run(_interruptible(main))
    except KeyboardInterrupt:
        raise typer.Exit(_KILLED + signal.SIGINT) from None
    except (EngineError, BotError) as error:
        _fail(str(error), ExitCode.FAILED)
    except BaseExceptionGroup as errors:
        expected, others = errors.split((EngineError, BotError))
        if expected is None or others is not None:
            _fail_unexpectedly(errors)
        _fail(str(_first(expected)), ExitCode.FAILED)
    except BrokenPipeError:
        raise  # nobody reads on, as behind ``| head``: typer ends the command quietly
    except Exception as error:  # noqa: BLE001 - where a command ends; it is logged
        _fail_unexpectedly(error)
    if stopped is not None and not until_stopped:
        raise typer.Exit(_KILLED + stopped)
    return result


async def _interruptible(main: Coroutine[Any, Any, Any]) -> tuple[int | None, Any]:
    """Cancel the work on SIGTERM and SIGINT, so that everything is closed in order.

    Gives the signal that ended the work and what it returned; one of them is None. Handlers of the
    loop's, because the one that asyncio has for SIGINT is not heard by a loop that begins to wait.
    """
    loop, current = asyncio.get_running_loop(), asyncio.current_task()
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        if current is not None:
            current.cancel()

    # Only the main thread may listen; signals are no other's business.
    for number in _ENDING if current_thread() is main_thread() else ():
        loop.add_signal_handler(number, stop, number)
    try:
        return None, await main
    except asyncio.CancelledError:
        if stopped:
            return stopped[0], None
        raise


def _first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _fail_unexpectedly(error: BaseException) -> NoReturn:
    if not isinstance(error, Exception):
        raise error
    logger.error("command_failed", exc_info=error)
    _fail("Something went wrong on our side; the lines above say what.", ExitCode.FAILED)


def _fail(sentence: str, code: int) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(code)
