"""What our buttons, forms and messages carry, so that a click can be understood after a restart.

Typed values in, Slack's ``action_id``, ``value``, ``callback_id`` and ``private_metadata`` out, and
back. Versioned: what an older or newer bot made, or what is not ours, is read as None. What comes
back was in people's hands, so whoever acts on it checks authority as for any other command.
"""

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from agent_engine.types import AgentId, ChannelId, RunId
from bot.outbound.blocks import memory_ids

PREFIX = "treadle1"
"""The version is part of it; a change of meaning needs a new number."""
ACTION_ID_PATTERN = rf"^{PREFIX}:"
"""Matches the action_ids and callback_ids of this module, as a regular expression."""
MAX_ACTION_ID = 255
MAX_VALUE = 2_000
MAX_METADATA = 3_000

METADATA_EVENT = "treadle_post"
"""The ``event_type`` of the metadata that our messages carry."""


# -- buttons -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRun:
    """*Stop*."""

    run_id: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainRun:
    """*Run again* or, with ``keep_work``, *Continue*."""

    run_id: RunId
    keep_work: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideWait:
    """A choice under a question: the choice's words, or ``repeat`` or ``skip``."""

    run_id: RunId
    wait_id: str
    value: str
    index: int = 0
    """Keeps the action_ids of one question's buttons apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideCall:
    """*Approve* or *Always allow this here* under a question about a tool call."""

    run_id: RunId
    wait_id: str
    value: str
    """``approve`` or ``always``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeCall:
    """*Approve with changes…*: opens the form with the arguments."""

    run_id: RunId
    wait_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyCall:
    """*Deny*: opens the form that asks why."""

    run_id: RunId
    wait_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowCall:
    """*Show all*: shows the arguments whole."""

    run_id: RunId
    wait_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyOther:
    """*Other…* under a question with choices: opens a field for a reply in one's own words."""

    run_id: RunId
    wait_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeStanding:
    """*Revoke* beside a standing rule."""

    rule_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendRun:
    """*Extend*: goes on with a run that ended at a limit, with more of it."""

    run_id: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class RateAnswer:
    """Slack's feedback buttons under an answer; it rates the message it is on."""

    run_id: RunId
    rating: int
    """5 for the thumb up, 1 for the thumb down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSteps:
    """*Rate a step*: opens the form with one choice per step."""

    run_id: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class TellWhy:
    """*What went wrong?*: opens the one-field form about this message of ours."""

    channel_id: ChannelId
    message_ts: str
    choice: str
    """The choice that was low, as in ``commands.Rate``."""
    rating: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetLesson:
    """*Forget* under a lesson."""

    run_id: RunId
    """The run that it was drawn from."""
    lesson_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectLesson:
    """*Correct* under a lesson: opens the field with its words."""

    run_id: RunId
    lesson_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EditAgent:
    """*Edit*: opens the agent's form."""

    agent_id: AgentId
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """A button that is a link; Slack reports the click all the same, and nothing is to be done."""

    name: str


WaitAction = DecideWait | DecideCall | ChangeCall | DenyCall | ShowCall | ReplyOther
"""What can be done about something that a run waits for people to decide."""
AgainAction = AgainRun | ExtendRun
"""What lets an ended task go on."""
AskedAction = WaitAction | AgainAction | RevokeStanding
"""What takes a look at who may."""
LessonAction = ForgetLesson | CorrectLesson
"""What can be done about a lesson."""
MemoryAction = memory_ids.MemoryAction
"""What can be done about memories."""
PlainAction = StopRun | RateAnswer | RateSteps | TellWhy | EditAgent | OpenLink
Action = PlainAction | AskedAction | LessonAction | MemoryAction

# -- forms ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentForm:
    """The /agent modal."""

    agent_id: AgentId
    channel_id: ChannelId


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRatingForm:
    """The form that rates the steps of one run, by way of its plan message."""

    run_id: RunId
    channel_id: ChannelId
    message_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyForm:
    """The *What went wrong?* form."""

    channel_id: ChannelId
    message_ts: str
    choice: str
    rating: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeForm:
    """The arguments of a tool call, to be approved as they are left."""

    run_id: RunId
    wait_id: str
    channel_id: ChannelId
    thread_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DenyForm:
    """The form that asks why a tool call is denied."""

    run_id: RunId
    wait_id: str
    channel_id: ChannelId
    thread_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyForm:
    """A reply to a question in one's own words."""

    run_id: RunId
    wait_id: str
    channel_id: ChannelId
    thread_ts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectForm:
    """A lesson in a person's own words."""

    run_id: RunId
    lesson_id: str
    channel_id: ChannelId


CallForm = ChangeForm | DenyForm | ReplyForm
"""The forms about something that a run waits for people to decide."""
PlainForm = AgentForm | StepRatingForm | WhyForm
MemoryForm = memory_ids.CorrectMemoryForm | memory_ids.BrowseForm
"""The modals about memories."""
Form = PlainForm | CallForm | CorrectForm | MemoryForm

_ACTIONS: dict[str, type[Any]] = {
    "stop": StopRun,
    "again": AgainRun,
    "decide": DecideWait,
    "call": DecideCall,
    "change": ChangeCall,
    "deny": DenyCall,
    "show": ShowCall,
    "other": ReplyOther,
    "revoke": RevokeStanding,
    "extend": ExtendRun,
    "rate": RateAnswer,
    "steps": RateSteps,
    "why": TellWhy,
    "forget": ForgetLesson,
    "correct": CorrectLesson,
    "agent": EditAgent,
    "link": OpenLink,
    **memory_ids.ACTIONS,
}
_FORMS: dict[str, type[Any]] = {
    "agent": AgentForm,
    "steps": StepRatingForm,
    "why": WhyForm,
    "change": ChangeForm,
    "deny": DenyForm,
    "other": ReplyForm,
    "correct": CorrectForm,
    "memory": memory_ids.CorrectMemoryForm,
    "memories": memory_ids.BrowseForm,
}
_WORDS = {kind: word for table in (_ACTIONS, _FORMS) for word, kind in table.items()}

# -- encoding and decoding -----------------------------------------------------------------------


def action_id(action: Action) -> str:
    """Return the action_id: the kind, and enough to be unique in one message or view."""
    return f"{PREFIX}:{_WORDS[type(action)]}:{_apart(action)}"[:MAX_ACTION_ID]


def value(action: Action) -> str:
    """Return the value: all of the action. Raises ValueError when it does not fit a button."""
    text = _dumped(action)
    if len(text) > MAX_VALUE:
        raise ValueError(f"the value of a button has at most {MAX_VALUE} characters")
    return text


def fits(action: Action) -> bool:
    """Say whether the action fits a button's value."""
    return len(_dumped(action)) <= MAX_VALUE


def read_action(action_id: str, value: str) -> Action | None:
    """Return what was clicked; None when it is not ours or of another version. Never raises."""
    found: Action | None = _read(action_id, value, _ACTIONS)
    return found


def callback_id(form: Form) -> str:
    """Return the callback_id of a modal, which names the kind of form."""
    return f"{PREFIX}:{_WORDS[type(form)]}"


def private_metadata(form: Form) -> str:
    """Return the private_metadata of a modal. Raises ValueError when it does not fit."""
    text = _dumped(form)
    if len(text) > MAX_METADATA:
        raise ValueError(f"the metadata of a modal has at most {MAX_METADATA} characters")
    return text


def read_form(callback_id: str, private_metadata: str) -> Form | None:
    """Return which form was submitted; None when it is not ours. Never raises."""
    found: Form | None = _read(callback_id, private_metadata, _FORMS)
    return found


def metadata(key: str) -> dict[str, Any]:
    """Return the message metadata that carries a post's key."""
    return {"event_type": METADATA_EVENT, "event_payload": {"key": key}}


def read_metadata(metadata: object) -> str | None:
    """Return the key of the post that a message's metadata names; None when there is none."""
    if not isinstance(metadata, dict) or metadata.get("event_type") != METADATA_EVENT:
        return None
    payload = metadata.get("event_payload")
    key = payload.get("key") if isinstance(payload, dict) else None
    return key if isinstance(key, str) else None


# ------------------------------------------------------------------------------------------------


def _apart(action: Action) -> str:
    if isinstance(action, LessonAction):
        return action.lesson_id
    if isinstance(action, MemoryAction):
        return memory_ids.apart(action)
    return _asked_apart(action) if isinstance(action, AskedAction) else _plain_apart(action)


def _asked_apart(action: AskedAction) -> str:
    match action:
        case DecideWait(run_id=run_id, index=index):
            return f"{run_id}:{index}"
        case DecideCall(wait_id=wait_id, value=value):
            return f"{wait_id}:{value}"
        case ChangeCall() | DenyCall() | ShowCall() | ReplyOther():
            return action.wait_id
        case RevokeStanding(rule_id=rule_id):
            return rule_id
        case AgainRun(run_id=run_id, keep_work=keep_work):
            return f"{run_id}:{'continue' if keep_work else 'again'}"
        case ExtendRun():
            return action.run_id


def _plain_apart(action: PlainAction) -> str:
    match action:
        case RateAnswer(run_id=run_id, rating=rating):
            return f"{run_id}:{rating}"
        case StopRun() | RateSteps():
            return action.run_id
        case TellWhy(message_ts=ts):
            return ts
        case EditAgent(agent_id=agent_id, channel_id=channel_id):
            return f"{channel_id}:{agent_id}"
        case OpenLink(name=name):
            return name


def _dumped(item: Action | Form) -> str:
    return json.dumps(asdict(item), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _read(name: str, text: str, kinds: dict[str, type[Any]]) -> Any:  # noqa: ANN401  # of either union
    prefix, _, rest = name.partition(":")
    kind = kinds.get(rest.partition(":")[0])
    if prefix != PREFIX or kind is None:
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not _fields_match(kind, found):
        return None
    return kind(**found)


def _fields_match(kind: type[Any], found: dict[str, Any]) -> bool:
    wanted = {field.name: field.type for field in fields(kind)}
    return found.keys() == wanted.keys() and all(
        type(found[name]) is _plain_type(of) for name, of in wanted.items()
    )


def _plain_type(annotation: object) -> type:
    return annotation if annotation in (int, bool) else str
