"""What reactions, buttons and stops mean: typed event and facts in, a command or a reply out. Pure.

Nothing here waits, stores or calls Slack. Sentences for people are in ``sentences``.
"""

from agent_engine.commands import Cancel, CancelChannel, CancelThread, Rate, Unrate
from agent_engine.types import ChannelId, Thread, WorkspaceId
from bot.inbound import sentences
from bot.inbound.facts import (
    Do,
    Facts,
    Ignored,
    Open,
    Reply,
    Route,
    Us,
    click_keys,
    delivery_keys,
    may_stop,
    refusal,
    why_unwelcome,
)
from bot.inbound.moments import sent_at
from bot.inbound.slack_events import (
    ButtonPressed,
    ReactionAdded,
    ReactionRemoved,
    SessionStopped,
)
from bot.outbound.blocks import ids

RATINGS = {"+1": 5, "-1": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5}
STOPS = frozenset({"x", "octagonal_sign", "no_entry"})
FEEDBACK_BUTTON = "button"
"""The choice under which a click on the feedback buttons is stored."""


def glance_reaction(event: ReactionAdded | ReactionRemoved, us: Us) -> Ignored | None:
    """Sort out, without any facts, the reactions that mean nothing here."""
    if event.user_id == us.user_id:
        return Ignored(reason="own")
    if event.name in RATINGS:
        return None
    if event.name in STOPS and isinstance(event, ReactionAdded):
        return None
    return Ignored(reason="meaningless_reaction")


def route_reaction(event: ReactionAdded | ReactionRemoved, facts: Facts) -> Route:
    """Say what a reaction to one of our messages means: a rating, its withdrawal, or a stop."""
    if ignored := glance_reaction(event, facts.us):
        return ignored
    if unwelcome := why_unwelcome(facts):
        return Ignored(reason=unwelcome)
    if facts.post is None:
        return _without_task(event, facts)
    if event.name in STOPS:
        if facts.run is None or facts.run.status.is_final:
            # A cross under an answer is an opinion, not a question that wants a reply.
            return Ignored(reason="already_ended")
        return _stop_run(facts, keys=delivery_keys(event.origin))
    if isinstance(event, ReactionRemoved):
        return Do(command=_unrate(event), keys=delivery_keys(event.origin))
    rate = Rate(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        message_ts=event.ts,
        by=event.user_id,
        choice=event.name,
        rating=RATINGS[event.name],
        at=sent_at(event.event_ts),
    )
    return Do(command=rate, keys=delivery_keys(event.origin))


def route_stop(event: SessionStopped, facts: Facts) -> Route:
    """Say what Slack's own stop button means."""
    return stop_thread(_session_thread(event), facts, keys=delivery_keys(event.origin))


def route_button(event: ButtonPressed, action: ids.PlainAction, facts: Facts) -> Route:
    """Say what a click on one of our buttons means, but for those of ``CallDesk``."""
    if not isinstance(action, ids.OpenLink) and why_unwelcome(facts):
        return Reply(text=refusal(facts))
    keys = click_keys(event)
    match action:
        case ids.StopRun():
            return _stop_run(facts, keys=keys)
        case ids.RateAnswer(rating=rating):
            return _rate_by_button(event, rating=rating, keys=keys)
        case ids.OpenLink():
            return Ignored(reason="link")
        case ids.RateSteps() | ids.TellWhy() | ids.EditAgent():
            return _open(event, action)


def lost_channel(*, workspace_id: WorkspaceId, channel_id: ChannelId, reason: str) -> Do:
    """Return the command that ends the runs of a channel we can no longer speak in."""
    cancel = CancelChannel(workspace_id=workspace_id, channel_id=channel_id, reason=reason)
    return Do(command=cancel)


def stop_thread(thread: Thread, facts: Facts, *, keys: tuple[str, ...]) -> Route:
    """Stop what runs in a thread, if the person may."""
    if refused := _not_stoppable(facts):
        return refused
    by = facts.person.user_id
    return Do(command=CancelThread(thread=thread, reason=sentences.STOPPED, by=by), keys=keys)


# ------------------------------------------------------------------------------------------------


def _without_task(event: ReactionAdded | ReactionRemoved, facts: Facts) -> Route:
    """Say so to whoever rates a message of ours whose task was deleted."""
    rates = isinstance(event, ReactionAdded) and event.name in RATINGS
    # The message that ``/solve`` posts is the root of its task and is not rated.
    if not rates or event.author_id != facts.us.user_id or facts.latest_run is not None:
        return Ignored(reason="not_ours")
    return Reply(text=sentences.NOTHING_TO_RATE)


def _stop_run(facts: Facts, *, keys: tuple[str, ...]) -> Route:
    if (refused := _not_stoppable(facts)) or facts.run is None:
        return refused or Reply(text=sentences.NOTHING_TO_STOP)
    by = facts.person.user_id
    cancel = Cancel(run_id=facts.run.run_id, reason=sentences.STOPPED, by=by)
    return Do(command=cancel, keys=keys)


def _not_stoppable(facts: Facts) -> Reply | None:
    if facts.run is None or facts.run.status.is_final:
        return Reply(text=sentences.NOTHING_TO_STOP)
    if not may_stop(facts):
        return Reply(text=sentences.may_not_stop(facts.run.requester))
    return None


def _unrate(event: ReactionRemoved) -> Unrate:
    return Unrate(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        message_ts=event.ts,
        by=event.user_id,
        choice=event.name,
        at=sent_at(event.event_ts),
    )


def _rate_by_button(event: ButtonPressed, *, rating: int, keys: tuple[str, ...]) -> Route:
    if event.channel_id is None or event.message_ts is None:
        return Ignored(reason="no_message")
    rate = Rate(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        message_ts=event.message_ts,
        by=event.user_id,
        choice=FEEDBACK_BUTTON,
        rating=rating,
        at=sent_at(event.action_ts),
    )
    return Do(command=rate, keys=keys)


def _open(event: ButtonPressed, action: ids.RateSteps | ids.TellWhy | ids.EditAgent) -> Route:
    match action:
        case ids.RateSteps(run_id=run_id):
            if event.channel_id is None or event.message_ts is None:
                return Ignored(reason="no_message")
            steps = ids.StepRatingForm(
                run_id=run_id, channel_id=event.channel_id, message_ts=event.message_ts
            )
            return Open(form=steps)
        case ids.TellWhy(channel_id=channel, message_ts=ts, choice=choice, rating=rating):
            form = ids.WhyForm(channel_id=channel, message_ts=ts, choice=choice, rating=rating)
            return Open(form=form)
        case ids.EditAgent(agent_id=agent_id, channel_id=channel):
            return Open(form=ids.AgentForm(agent_id=agent_id, channel_id=channel))


def _session_thread(event: SessionStopped) -> Thread:
    return Thread(
        workspace_id=event.origin.workspace_id,
        channel_id=event.channel_id,
        thread_ts=event.thread_ts,
    )
