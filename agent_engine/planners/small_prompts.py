"""The few short questions that a very small language model is asked.

Such a model follows one order at a time and copies what it sees, so a question holds the order and
the matter and nothing else. What others than the asking person wrote still stands between fences.
"""

from collections.abc import Sequence

from agent_engine.planners.prompts import FENCE_RULE, Fence, without_marks
from agent_engine.ports import ModelRequest, PlanningContext, Role, Turn
from agent_engine.tokens import shorten
from agent_engine.types import PersonMessage

PROGRAM_TOKENS = 500
ANSWER_TOKENS = 400
SHOWN_TOKENS = 1_200
"""What is shown of a file or page."""
_TURN_TOKENS = 250
_SAID_BEFORE = 4
_NOTES = 3

_EXAMPLE = {
    "python": "for number in range(1, 4):\n    print(number)",
    "javascript": "for (let number = 1; number < 4; number++) {\n  console.log(number);\n}",
    "bash": "for number in 1 2 3; do\n  echo $number\ndone",
}
_NAMES = {"python": "Python", "javascript": "JavaScript", "bash": "bash"}


def program_request(what: str, language: str, *, wrong: Sequence[tuple[str, str]]) -> ModelRequest:
    """Ask for a program; ``wrong`` are earlier ones, each with what was wrong with it."""
    name = _NAMES[language]
    turns = [
        Turn(role=Role.SYSTEM, text=f"You write short {name} programs. Reply with the code only."),
        Turn(role=Role.USER, text=f"Write a {name} program that prints the numbers 1 to 3."),
        Turn(role=Role.ASSISTANT, text=_block(_EXAMPLE[language], language)),
        Turn(role=Role.USER, text=_clean(what)),
    ]
    for code, problem in wrong:
        turns += [
            Turn(role=Role.ASSISTANT, text=_block(shorten(code, PROGRAM_TOKENS), language)),
            Turn(role=Role.USER, text=f"{_clean(problem)} Write the whole corrected program."),
        ]
    return ModelRequest(
        turns=tuple(turns), purpose="plan", temperature=0.1, max_tokens=PROGRAM_TOKENS
    )


def answer_request(goal: str, context: PlanningContext) -> ModelRequest:
    """Ask for the answer to a question that needs no tools."""
    system = [f"You are {context.agent_name}, a helpful assistant. Answer shortly and correctly."]
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


def reading_request(goal: str, texts: Sequence[str], *, agent_name: str) -> ModelRequest:
    """Ask for an answer from what was read."""
    fence = Fence()
    system = f"You are {agent_name}. Do the task with the text below it. Be short.\n{FENCE_RULE}"
    shown = "\n".join(fence.wrap("text", shorten(text, SHOWN_TOKENS)) for text in texts)
    user = f"{_clean(goal)}\n\n{shown}"
    turns = (Turn(role=Role.SYSTEM, text=system), Turn(role=Role.USER, text=user))
    return ModelRequest(turns=turns, purpose="answer", temperature=0.1, max_tokens=ANSWER_TOKENS)


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
