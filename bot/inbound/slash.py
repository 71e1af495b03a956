"""Slash commands: ``/treadle <verb>`` always, ``/solve`` and other short ones where wanted.

What a command answers is returned and shown with its acknowledgement, to the person alone.

``/solve`` posts the problem as the root message of a thread and starts the task there. The message
is its own intent: who asked, and the key, travel in its metadata. If the process dies between the
post and the task, our own message's event, or the catch-up at the next start, starts the task;
the keys make it one task whichever comes first.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import SlackError, SlackRefusedError, SlackUnavailableError
from bot.inbound import sentences, words
from bot.inbound.facts import Facts, Us, refusal, why_unwelcome
from bot.inbound.front_desk import Place
from bot.inbound.intake import Intake, Surroundings
from bot.inbound.memory_desk import MemoryDesk
from bot.inbound.slack_events import Author, MessagePosted, Origin, SlashCommand
from bot.inbound.words import Verb
from bot.outbound.content import Content

UMBRELLA = "treadle"
SHORT_VERBS = (Verb.SOLVE, Verb.TASKS, Verb.AGENT, Verb.MEMORY)
POST_S = 2.2
"""Posting the root message has to leave time for the acknowledgement, due after 3 s."""
OPEN_S = 2.0

_NOT_HERE = frozenset({"not_in_channel", "channel_not_found", "is_archived", "restricted_action"})

logger = logging.getLogger(__name__)


def command_names(*, prefix: str = "", has_short: bool = True) -> dict[Verb, str]:
    """Return what the slash command of each verb is called.

    >>> command_names(prefix="x-")[Verb.SOLVE], command_names(has_short=False)[Verb.SOLVE]
    ('/x-solve', '/treadle solve')
    """
    short = {verb: f"/{prefix}{verb}" for verb in SHORT_VERBS} if has_short else {}
    return {verb: short.get(verb, f"/{UMBRELLA} {verb}") for verb in Verb}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A slash command, taken apart."""

    verb: Verb | None
    argument: str
    said: str
    """The command and its verb, as the person has to type them."""


def read_order(command: SlashCommand, *, names: Mapping[Verb, str]) -> Order:
    """Find out which verb a command means; None when it is unknown."""
    text = command.text.strip()
    for verb, name in names.items():
        if name == command.command:
            return Order(verb=verb, argument=text, said=name)
    word, rest = [*text.split(maxsplit=1), "", ""][:2]
    if not word:
        return Order(verb=Verb.HELP, argument="", said=command.command)
    known = next((verb for verb in Verb if verb == word.lower()), None)
    said = f"{command.command} {known}" if known else command.command
    return Order(verb=known, argument=rest.strip() if known else text, said=said)


class SlashDesk:
    """Takes slash commands."""

    def __init__(self, around: Surroundings, *, intake: Intake, names: Mapping[Verb, str]) -> None:
        self._around = around
        self._intake = intake
        self._names = names
        self._memories = MemoryDesk(around)

    async def take(self, command: SlashCommand) -> Content | None:
        """Carry a command out; return what it answers, None when a form was opened."""
        order = read_order(command, names=self._names)
        logger.info("command_taken", extra={"verb": order.verb or "unknown"})
        if order.argument.lower() == "help" and order.verb is not None:
            return self._around.desk.screens.help(order.verb)
        match order.verb:
            case Verb.SOLVE:
                return await self._solve(command, order)
            case Verb.AGENT:
                return self._needless(order) or await self._agent(command)
            case Verb.TASKS | Verb.STOP | Verb.STATUS:
                # A command cannot be given in a thread: the list has the Stop buttons.
                return self._needless(order) or await self._screen(Verb.TASKS, command)
            case Verb.RULES:
                return self._needless(order) or await self._screen(Verb.RULES, command)
            case Verb.MEMORY:
                return await self._memory(command, order)
            case Verb.HELP:
                return self._help(order)
            case None:
                known = ", ".join(Verb)
                return Content(
                    text=sentences.wrong_argument(
                        command.command, _short(order.argument), known=known
                    )
                )

    def _needless(self, order: Order) -> Content | None:
        if not order.argument:
            return None
        text = sentences.wrong_argument(order.said, _short(order.argument), known="help")
        return Content(text=text)

    def _help(self, order: Order) -> Content:
        word = order.argument.lower()
        topic = next((verb for verb in Verb if verb == word), None)
        if word and topic is None:
            known = ", ".join(Verb)
            text = sentences.wrong_argument(order.said, _short(order.argument), known=known)
            return Content(text=text)
        return self._around.desk.screens.help(None if topic is Verb.HELP else topic)

    async def _screen(self, verb: Verb, command: SlashCommand) -> Content:
        return await self._around.desk.screen(verb, self._place(command))

    async def _memory(self, command: SlashCommand, order: Order) -> Content:
        facts = await self._facts(command)
        keys = (f"cmd:{command.trigger_id}",) if command.trigger_id else ()
        return await self._memories.answer(order.argument, self._place(command), facts, keys=keys)

    async def _agent(self, command: SlashCommand) -> Content | None:
        facts = await self._facts(command)
        if why_unwelcome(facts):
            return Content(text=refusal(facts))
        desk = self._around.desk
        view = await desk.agent_form(facts.agent, self._place(command))
        try:
            async with asyncio.timeout(OPEN_S):
                await self._around.talk.open_view(command.trigger_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_opened", extra={"error": repr(error)[:200]})
            return Content(text=sentences.FORM_NOT_OPENED)
        return None

    async def _solve(self, command: SlashCommand, order: Order) -> Content | None:
        problem = order.argument.strip()
        if not problem:
            return Content(text=sentences.EMPTY_SOLVE.format(command=order.said))
        facts = await self._facts(command)
        if why_unwelcome(facts):
            return Content(text=refusal(facts))
        key = words.solve_key(command.user_id, command.trigger_id)
        text = words.solve_message(command.user_id, _safe(problem))
        try:
            async with asyncio.timeout(POST_S):
                ts = await self._around.talk.post_message(
                    command.channel_id, Content(text=text), key=key
                )
        except SlackRefusedError as refused:
            return self._not_posted(refused, said=f"{order.said} {problem}")
        except (SlackUnavailableError, TimeoutError):
            return Content(text=sentences.SLACK_IS_SLOW)
        root = _root(command, facts.us, text=text, ts=ts)
        await self._intake.start_solved(root, asker=command.user_id, key=key)
        return None

    def _not_posted(self, refused: SlackRefusedError, *, said: str) -> Content:
        logger.info("problem_not_posted", extra={"error": refused.error})
        if refused.error not in _NOT_HERE:
            return Content(text=sentences.slack_refused(refused.error, needed=refused.needed))
        bot = self._around.whoami.us.user_id
        return Content(text=sentences.not_a_member(bot, said=_safe(said)))

    async def _facts(self, command: SlashCommand) -> Facts:
        author = Author(
            user_id=command.user_id, home_workspace_id=command.origin.workspace_id or None
        )
        return await self._around.facts_at(self._place(command), author)

    def _place(self, command: SlashCommand) -> Place:
        return Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=command.channel_id,
            user_id=command.user_id,
        )


def _root(command: SlashCommand, us: Us, *, text: str, ts: str) -> MessagePosted:
    """Return the message just posted as its own event would tell it."""
    return MessagePosted(
        origin=Origin(workspace_id=us.workspace_id),
        channel_id=command.channel_id,
        ts=ts,
        author=Author(user_id=us.user_id, bot_id=us.bot_id),
        text=text,
    )


def _safe(problem: str) -> str:
    """Return the problem so that posting it calls nobody and links nothing by surprise.

    With ``should_escape`` Slack sends mentions as marks; they are spelt out before escaping.
    """
    return words.escaped(words.plain(problem))


def _short(text: str) -> str:
    cut = text if len(text) <= 40 else text[:39] + "…"  # noqa: PLR2004  # fits one line
    return words.escaped(words.unescaped(cut)).replace("`", "'")
