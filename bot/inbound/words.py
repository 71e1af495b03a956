"""Slack's way of writing text, taken apart: mentions, links, escapes, verbs. Pure.

It only reads and rewrites words; whether they are for the bot is decided in ``routing``.
"""

import re
from enum import StrEnum

from agent_engine.types import UserId
from bot.inbound.memory_words import is_order

SOLVE_KEY_PREFIX = "solve:"
"""Marks the root messages that ``/solve`` posts, in the key of their metadata."""

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>")
_SOLVE_MESSAGE = re.compile(r"<@[UW][A-Z0-9]+(?:\|[^>]*)?> asks:\n")
_MARK = re.compile(r"<([^<>]*)>")


class Verb(StrEnum):
    """What can be asked of the bot itself, as ``@treadle <verb>`` or ``/treadle <verb>``."""

    HELP = "help"
    SOLVE = "solve"
    TASKS = "tasks"
    AGENT = "agent"
    STOP = "stop"
    STATUS = "status"
    RULES = "rules"
    MEMORY = "memory"


MENTION_VERBS = frozenset(set(Verb) - {Verb.SOLVE})
"""The verbs that a mention knows; to solve something one just says it."""


VERB_HELP = {
    Verb.SOLVE: "<problem> posts the problem here and starts a task in its thread.",
    Verb.TASKS: "lists the running and recent tasks of this channel, with Stop buttons.",
    Verb.AGENT: "shows and changes the agent of this channel.",
    Verb.STATUS: "says how the tasks here stand; in a thread, mention me with `status`.",
    Verb.STOP: "lists what can be stopped; in a thread, mention me with `stop`.",
    Verb.RULES: "lists what is always allowed in this channel without asking, and revokes it.",
    Verb.MEMORY: "shows what I remember here, and corrects and forgets it.",
    Verb.HELP: "says what I can do; every command also takes `help`.",
}
"""What each verb does, to be read behind its command."""
MEMORY_HELP = (
    "search <words>|finds what fits",
    "show <number>|shows one with its history and where it comes from",
    "remember <fact>|remembers what you say",
    "forget <words or number>|shows what would go, and asks before it goes",
    "forget everything here|the same for all of this channel; for admins",
    "forget me|the same for all that comes from you, in every channel",
    "export|sends you all of it as a file",
    "remember for me <fact>|keeps it for you alone, wherever you let it be used",
    "mine|lists what is kept for you alone; `export mine` sends it to you",
    "personal on|lets your own memories be used in this channel; the same for off",
    "facts|lists facts only; the same for lessons, notes, episodes, examples",
)
"""What can stand behind ``memory``, each with what it does."""


def mentioned(text: str) -> tuple[UserId, ...]:
    """Return who is mentioned, in order.

    >>> mentioned("<@U2|bob> and <@U1>")
    ('U2', 'U1')
    """
    return tuple(UserId(user) for user in _MENTION.findall(text))


def without_mention(text: str, user: UserId) -> str:
    r"""Return the text without any mention of this person, and without the gaps that leaves.

    The rest stays as it is: it may be code, in which every blank counts.

    >>> without_mention("hey <@UB>, what is  <@UB|treadle> 2+2?", "UB")
    'hey, what is 2+2?'
    >>> without_mention("<@UB> run: def f():\n        return  1", "UB")
    'run: def f():\n        return  1'
    """
    mark = re.compile(rf"([ \t]*)<@{re.escape(user)}(?:\|[^>]*)?>([ \t]*)(?=(.?))")
    kept = mark.sub(_gap, text)
    return kept.strip().lstrip(",:;").strip() if kept != text else text.strip()


def _gap(found: re.Match[str]) -> str:
    """One blank where a mention stood between words, none before a punctuation mark."""
    before, after, following = found.groups()
    stood_between = before or after
    return " " if stood_between and following not in ("", *",.;:!?\n") else ""


def plain(text: str) -> str:
    """Return Slack's marked-up text as people read it; mentions of people stay as marks.

    >>> plain("see <https://a.example/?x=1&amp;y|the page> in <#C1|general> &lt;now&gt; <@U1>")
    'see the page (https://a.example/?x=1&y) in #general <now> <@U1>'
    """
    return unescaped(_MARK.sub(_spelt_out, text))


def unescaped(text: str) -> str:
    """Return the text with Slack's three escapes undone."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def escaped(text: str) -> str:
    """Return the text with nothing in it that Slack would take for a mark."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def mention_verb(text: str) -> Verb | None:
    """Return the verb that this text, mention taken out, consists of; None for a problem.

    >>> mention_verb("Stop!"), mention_verb("help me to stop smoking")
    (<Verb.STOP: 'stop'>, None)
    >>> mention_verb("memory forget 12"), mention_verb("memory leaks in our app: find them")
    (<Verb.MEMORY: 'memory'>, None)
    """
    word = text.strip().rstrip(".!?").strip().lower()
    if verb := next((verb for verb in MENTION_VERBS if verb == word), None):
        return verb
    argument = memory_argument(text)
    is_ours = argument is not None and (argument.lower() == "help" or is_order(argument))
    return Verb.MEMORY if is_ours else None


def memory_argument(text: str) -> str | None:
    """Return what stands behind the verb *memory*; None when the text does not begin with it.

    >>> memory_argument("Memory search kiln"), memory_argument("memoryless")
    ('search kiln', None)
    """
    verb, argument = [*text.strip().split(maxsplit=1), "", ""][:2]
    return argument.strip() if verb.lower().rstrip(".!?") == Verb.MEMORY else None


def solve_key(user: UserId, trigger_id: str) -> str:
    """Return the key of the root message that ``/solve`` posts for a person."""
    return f"{SOLVE_KEY_PREFIX}{user}:{trigger_id}"


def asker_of(key: str) -> UserId | None:
    """Return for whom a root message with this key was posted; None for other messages."""
    if not key.startswith(SOLVE_KEY_PREFIX):
        return None
    user = key.removeprefix(SOLVE_KEY_PREFIX).split(":", 1)[0]
    return UserId(user) if user else None


def solve_message(user: UserId, problem: str) -> str:
    """Return the root message that ``/solve`` posts: the problem, attributed to its asker."""
    return f"<@{user}> asks:\n{problem}"


def is_solve_message(text: str) -> bool:
    """Say whether a message of ours reads like one that ``/solve`` posted."""
    return _SOLVE_MESSAGE.match(text) is not None


def solve_problem(message: str) -> str:
    """Return the problem in a root message that ``/solve`` posted."""
    return message.partition("\n")[2].strip()


# ------------------------------------------------------------------------------------------------


def _spelt_out(found: re.Match[str]) -> str:
    target, _, label = found.group(1).partition("|")
    match target[:1]:
        case "@":
            return found.group(0)
        case "#":
            return f"#{label}" if label else target
        case "!":
            return label or f"@{target[1:].split('^', 1)[0]}"
        case _:
            address = target.removeprefix("mailto:")
            return address if label in ("", address, target) else f"{label} ({address})"
