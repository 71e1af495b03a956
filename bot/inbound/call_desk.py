"""Clicks and forms about what a run asks people: calls of tools, and questions.

Who may decide is looked up anew at every click and every submission, for buttons stay in Slack for
ever. It decides nothing itself: what it makes are commands.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_engine.commands import Decide, Declined, Revoked, RevokeRule
from agent_engine.redaction import redacted_value
from agent_engine.safeguards import ApprovalStore, Budget, StandingRule
from agent_engine.types import (
    APPROVE,
    DENY,
    REPEAT,
    SKIP,
    JsonObject,
    ProposedCall,
    RunSnapshot,
    Wait,
    WaitKind,
)
from bot.inbound import sentences
from bot.inbound.again_desk import AgainDesk
from bot.inbound.facts import (
    Facts,
    click_keys,
    is_admin,
    may_decide,
    may_repeat,
    refusal,
    why_unwelcome,
)
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.slack_events import Author, ButtonPressed, ViewSubmitted
from bot.outbound.blocks import approval_forms, ids
from bot.outbound.blocks.approval import ALWAYS, asked_people, named
from bot.outbound.blocks.parts import person
from bot.outbound.blocks.rules_list import rule_sentence
from bot.outbound.content import Content
from bot.ports import ToolFacts

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What this installation says about approvals and limits."""

    tools: ToolFacts
    rules: ApprovalStore
    budgets: Sequence[Budget] = ()
    requester_extends: bool = True
    """Whether who asked for a task may raise its own limits; admins always may."""


class CallDesk:
    """Takes what people decide."""

    def __init__(self, around: Surroundings, house: House) -> None:
        self._around = around
        self._house = house
        self._again = AgainDesk(
            around, budgets=house.budgets, requester_extends=house.requester_extends
        )

    async def press(self, event: ButtonPressed, action: ids.AskedAction, place: Place) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            await self._tell(place, refusal(facts))
            return
        match action:
            case ids.RevokeStanding(rule_id=rule_id):
                await self._revoke(rule_id, event, place, facts)
            case ids.AgainRun() | ids.ExtendRun():
                await self._again.press(action, event, place, facts)
            case _:
                await self._press_wait(action, event, place, facts)

    async def submit(self, form: ids.CallForm, event: ViewSubmitted) -> Mapping[str, str]:
        """Take a submitted form; return what is wrong, by block id, empty when all is well."""
        place = Place(
            workspace_id=self._around.whoami.us.workspace_id,
            channel_id=form.channel_id,
            user_id=event.user_id,
            thread_ts=form.thread_ts or None,
        )
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            return await self._wrong(event, place, refusal(facts))
        run = await self._around.run(form.run_id, place)
        wait = open_wait(run, form.wait_id)
        if isinstance(wait, str) or run is None:
            return await self._wrong(event, place, str(wait))
        match form:
            case ids.ReplyForm():
                return await self._reply(event, place, run, wait)
            case ids.DenyForm():
                return await self._deny(event, place, facts, run, wait)
            case ids.ChangeForm():
                return await self._approve_changed(event, place, facts, run, wait)

    # -- what runs wait for ----------------------------------------------------------------------

    async def _press_wait(
        self, action: ids.WaitAction, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        run = await self._around.run(action.run_id, place)
        wait = open_wait(run, action.wait_id)
        if isinstance(wait, str) or run is None:
            await self._tell(place, str(wait))
            return
        match wait.kind, action, wait.call:
            case _, ids.ShowCall(), ProposedCall() as call:
                await self._open(event, place, approval_forms.whole_modal(call))
            case WaitKind.APPROVAL, _, ProposedCall() as call:
                await self._press_call(action, event, place, facts, call)
            case WaitKind.REPEAT, ids.DecideWait(), _ if not may_repeat(facts, run, wait):
                await self._tell(place, sentences.may_not_decide(named(asked_people(run, wait))))
            case WaitKind.REPEAT, ids.DecideWait(value=value), _ if value in (REPEAT, SKIP):
                await self._decide(action, value, event, place)
            case WaitKind.QUESTION, ids.DecideWait(value=value), _ if value in wait.choices:
                await self._decide(action, value, event, place)
            case WaitKind.QUESTION, ids.ReplyOther(), _:
                form = ids.ReplyForm(**_whose(action, place))
                await self._open(event, place, approval_forms.reply_modal(form, wait.question))
            case _:
                await self._tell(place, sentences.UNKNOWN_BUTTON)

    async def _press_call(
        self,
        action: ids.WaitAction,
        event: ButtonPressed,
        place: Place,
        facts: Facts,
        call: ProposedCall,
    ) -> None:
        if not may_decide(facts, call):
            await self._tell(place, sentences.may_not_decide(named(call.approvers)))
            return
        match action:
            case ids.DecideCall(value=value):
                await self._decide(action, APPROVE, event, place, always=value == ALWAYS)
            case ids.ChangeCall():
                schema = self._house.tools.schema(call.tool)
                changing = ids.ChangeForm(**_whose(action, place))
                view = approval_forms.change_modal(
                    changing, call, schema, hidden=self._hidden(call)
                )
                await self._open(event, place, view)
            case ids.DenyCall():
                denying = ids.DenyForm(**_whose(action, place))
                await self._open(event, place, approval_forms.deny_modal(denying, call))
            case _:
                await self._tell(place, sentences.UNKNOWN_BUTTON)

    async def _decide(
        self,
        action: ids.WaitAction,
        value: str,
        event: ButtonPressed,
        place: Place,
        *,
        always: bool = False,
    ) -> None:
        command = Decide(
            run_id=action.run_id,
            wait_id=action.wait_id,
            value=value,
            by=event.user_id,
            always=always,
        )
        outcome = await self._around.engine.carry_out(command, keys=click_keys(event))
        if isinstance(outcome, Declined):
            await self._tell(place, sentences.declined(outcome.why) or sentences.ALREADY_DECIDED)

    async def _reply(
        self, event: ViewSubmitted, place: Place, run: RunSnapshot, wait: Wait
    ) -> Mapping[str, str]:
        if wait.kind is not WaitKind.QUESTION:
            return await self._wrong(event, place, sentences.UNKNOWN_BUTTON)
        reply = approval_forms.read_plain(event.values, approval_forms.REPLY)
        if not reply:
            return {approval_forms.REPLY: sentences.EMPTY_REPLY}
        command = Decide(
            run_id=run.run_id,
            wait_id=wait.id,
            value=self._around.redact(reply),
            by=event.user_id,
        )
        return await self._decided(command, event, place)

    async def _deny(
        self, event: ViewSubmitted, place: Place, facts: Facts, run: RunSnapshot, wait: Wait
    ) -> Mapping[str, str]:
        if refused := _not_theirs(facts, wait):
            return await self._wrong(event, place, refused)
        remark = approval_forms.read_plain(event.values, approval_forms.REMARK)
        command = Decide(
            run_id=run.run_id,
            wait_id=wait.id,
            value=DENY,
            by=event.user_id,
            remark=self._around.redact(remark),
        )
        return await self._decided(command, event, place)

    async def _approve_changed(
        self, event: ViewSubmitted, place: Place, facts: Facts, run: RunSnapshot, wait: Wait
    ) -> Mapping[str, str]:
        call = wait.call
        if call is None or (refused := _not_theirs(facts, wait)):
            return await self._wrong(event, place, refused if call else sentences.UNKNOWN_BUTTON)
        schema = self._house.tools.schema(call.tool)
        changes = approval_forms.read_changes(event.values, call, schema)
        if errors := changes.errors or self._secrets(call, changes.arguments):
            return errors
        if changes.arguments is not None and (
            problem := self._problem(call, changes.arguments, facts, run)
        ):
            return {approval_forms.field_of(call, problem): problem}
        command = Decide(
            run_id=run.run_id,
            wait_id=wait.id,
            value=APPROVE,
            by=event.user_id,
            arguments=changes.arguments,
        )
        return await self._decided(command, event, place)

    def _secrets(self, call: ProposedCall, changed: JsonObject | None) -> Mapping[str, str]:
        """Say, by field, what people typed that nobody may store.

        Taking it out would make another call than the one that is being approved.
        """
        return {
            approval_forms.field_name(number): sentences.NOT_KEPT
            for number, (name, value) in enumerate((changed or {}).items())
            if value != call.arguments.get(name) and self._is_secret(value)
        }

    def _hidden(self, call: ProposedCall) -> frozenset[str]:
        """Return the arguments that Slack is not shown as they are, so that none can be edited."""
        return frozenset(name for name, value in call.arguments.items() if self._is_secret(value))

    def _is_secret(self, value: object) -> bool:
        return bool(redacted_value(value, self._around.redact) != value)

    def _problem(
        self, call: ProposedCall, arguments: JsonObject, facts: Facts, run: RunSnapshot
    ) -> str | None:
        """Say why this person may not approve the call like this; None when they may."""
        tools = self._house.tools
        if problem := tools.problem(call.tool, arguments, requester=run.requester):
            return problem
        approvers = tools.approvers(call.tool, arguments, requester=run.requester)
        if is_admin(facts) or approvers is None or facts.person.user_id in approvers:
            return None
        return sentences.MAY_NOT_APPROVE_LIKE_THIS

    # -- rules -----------------------------------------------------------------------------------

    async def _revoke(self, rule_id: str, event: ButtonPressed, place: Place, facts: Facts) -> None:
        rules = await self._house.rules.rules(place.workspace_id, channel_id=None)
        rule = next((rule for rule in rules if rule.id == rule_id), None)
        if rule is None:
            await self._tell(place, sentences.RULE_IS_GONE)
        elif not (is_admin(facts) or rule.created_by == event.user_id):
            await self._tell(place, sentences.may_not_revoke(rule.created_by))
        else:
            await self._revoke_rule(rule, event, place)

    async def _revoke_rule(self, rule: StandingRule, event: ButtonPressed, place: Place) -> None:
        command = RevokeRule(workspace_id=place.workspace_id, rule_id=rule.id, by=event.user_id)
        outcome = await self._around.engine.carry_out(command, keys=click_keys(event))
        if isinstance(outcome, Revoked):
            allowed = rule_sentence(rule).split("\n", 1)[0]
            await self._tell(place, sentences.RULE_REVOKED.format(allowed=allowed))
        elif isinstance(outcome, Declined):
            await self._tell(place, sentences.RULE_IS_GONE)

    # -- small things ----------------------------------------------------------------------------

    async def _decided(
        self, command: Decide, event: ViewSubmitted, place: Place
    ) -> Mapping[str, str]:
        outcome = await self._around.engine.carry_out(command, keys=[f"view:{event.view_id}"])
        if isinstance(outcome, Declined):
            sentence = sentences.declined(outcome.why) or sentences.ALREADY_DECIDED
            return await self._wrong(event, place, sentence)
        return {}

    async def _wrong(self, event: ViewSubmitted, place: Place, sentence: str) -> Mapping[str, str]:
        """Show a sentence in the modal: beside a field, or where it has none in the thread."""
        first = next(iter(event.values), None)
        if first is not None:
            return {first: sentence}
        await self._tell(place, sentence)
        return {}

    async def _open(self, event: ButtonPressed, place: Place, view: JsonObject) -> None:
        await self._around.desk.open(event.trigger_id, view, place)

    async def _tell(self, place: Place, sentence: str) -> None:
        await self._around.desk.tell(place, Content(text=sentence))

    async def _facts(self, place: Place, *, home: str | None) -> Facts:
        author = Author(user_id=place.user_id, home_workspace_id=home)
        return await self._around.facts_at(place, author)


def open_wait(run: RunSnapshot | None, wait_id: str) -> Wait | str:
    """Return the wait when it can still be decided, else a sentence that says why not."""
    if run is None:
        return sentences.TASK_IS_GONE
    if run.end is not None or run.cancel is not None:
        return sentences.NOTHING_TO_DECIDE
    wait = next((wait for wait in run.waits if wait.id == wait_id), None)
    if wait is None:
        return sentences.ALREADY_DECIDED
    if wait.resolution is not None:
        did = {APPROVE: "approved", DENY: "denied"}.get(wait.resolution.value, "answered")
        return sentences.already_decided(person(wait.resolution.by), did)
    return wait


# ------------------------------------------------------------------------------------------------


def _whose(action: ids.WaitAction, place: Place) -> dict[str, Any]:
    return {
        "run_id": action.run_id,
        "wait_id": action.wait_id,
        "channel_id": place.channel_id,
        "thread_ts": place.thread_ts or "",
    }


def _not_theirs(facts: Facts, wait: Wait) -> str:
    """Say why the person does not decide about this call; empty when they do."""
    if wait.call is None or wait.kind is not WaitKind.APPROVAL:
        return sentences.UNKNOWN_BUTTON
    return "" if may_decide(facts, wait.call) else sentences.NOT_YOURS_TO_DECIDE
