"""The few short questions that a very small language model is asked, and what it said to them.

Such a model follows one order at a time and copies what it sees, so a question holds the order and
the matter and nothing else. What others than the asking person wrote still stands between fences.
"""

import re
from collections.abc import Sequence

from agent_engine.planners.prompts import FENCE_RULE, Fence, without_marks
from agent_engine.planners.reply_parsing import without_thinking
from agent_engine.ports import ModelReply, ModelRequest, PlanningContext, Role, Turn
from agent_engine.tokens import shorten
from agent_engine.types import PersonMessage

PROGRAM_TOKENS = 500
ANSWER_TOKENS = 400
SHOWN_TOKENS = 1_200
"""What is shown of a file or page."""
_TURN_TOKENS = 250
_SAID_BEFORE = 4
_NOTES = 3

_SYSTEM = "You are a helpful assistant."
"""What these models were trained with: with more, or with none, they answer worse (measured)."""
_NAMES = {"python": "Python", "javascript": "JavaScript", "bash": "bash"}


def program_request(what: str, language: str, *, wrong: Sequence[tuple[str, str]]) -> ModelRequest:
    """Ask for a program; ``wrong`` are earlier ones, each with what was wrong with it."""
    order = f"Reply with one {_NAMES[language]} code block that runs without input."
    turns = [
        Turn(role=Role.SYSTEM, text=_SYSTEM),
        Turn(role=Role.USER, text=f"{_clean(what)}.\n{order}"),
    ]
    for code, problem in wrong:
        turns += [
            Turn(role=Role.ASSISTANT, text=_block(shorten(code, PROGRAM_TOKENS), language)),
            Turn(role=Role.USER, text=f"{_clean(problem)} {order}"),
        ]
    return ModelRequest(
        turns=tuple(turns), purpose="plan", temperature=0.1, max_tokens=PROGRAM_TOKENS
    )


def answer_request(goal: str, context: PlanningContext) -> ModelRequest:
    """Ask for the answer to a question that needs no tools."""
    system = [_SYSTEM]
    if context.instructions.strip():
        system.append(shorten(context.instructions.strip(), SHOWN_TOKENS))
    notes = [*context.lessons[-_NOTES:], *context.memories[-_NOTES:]]
    if notes:
        system += [FENCE_RULE, Fence().wrap("notes", shorten("\n".join(notes), _TURN_TOKENS))]
    turns = [Turn(role=Role.SYSTEM, text="\n".join(system))]
    turns += _said_before(goal, context.conversation)
    if context.earlier_answers:
        turns += [Turn(role=Role.ASSISTANT, text=_clean(context.earlier_answers[-1]))]
    turns.append(Turn(role=Role.USER, text=_clean(goal)))
    return ModelRequest(
        turns=_speaking_in_turn(turns), purpose="plan", temperature=0.1, max_tokens=ANSWER_TOKENS
    )


def reading_request(goal: str, texts: Sequence[str]) -> ModelRequest:
    """Ask for an answer from what was read."""
    fence = Fence()
    system = f"{_SYSTEM} Do the task with the text below it. Be short.\n{FENCE_RULE}"
    shown = "\n".join(fence.wrap("text", shorten(text, SHOWN_TOKENS)) for text in texts)
    user = f"{_clean(goal)}\n\n{shown}"
    turns = (Turn(role=Role.SYSTEM, text=system), Turn(role=Role.USER, text=user))
    return ModelRequest(turns=turns, purpose="answer", temperature=0.1, max_tokens=ANSWER_TOKENS)


_LEAKED = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|end_of_text|end|user|assistant)\|>"
    r"|</?s>|<(?:end|start)_of_turn>"
)


def spoken(reply: ModelReply) -> str:
    """Return what the model said, without thoughts and up to a mark of another speaker's turn.

    A server with the wrong chat template lets such marks, and all that follows them, through.
    """
    return _LEAKED.split(without_thinking(reply.text), maxsplit=1)[0].strip()


def only_repeats(said: str, goal: str) -> bool:
    """Say whether a reply is nothing but what was asked, once or several times."""
    words, asked = _words(said), _words(goal)
    times = len(words) // len(asked) if asked else 0
    return bool(words) and words == asked * times


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _said_before(goal: str, conversation: Sequence[PersonMessage]) -> list[Turn]:
    said = [message.text for message in conversation if message.text != goal]
    return [Turn(role=Role.USER, text=_clean(text)) for text in said[-_SAID_BEFORE:]]


def _speaking_in_turn(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Return the turns without an assistant's that no person's comes before."""
    first = next(index for index, turn in enumerate(turns) if turn.role is Role.USER)
    return (turns[0], *(turn for turn in turns[first:]))


def _clean(text: str) -> str:
    return without_marks(shorten(text, _TURN_TOKENS))


def _block(code: str, language: str) -> str:
    return f"```{language}\n{code}\n```"
