"""Clicks and forms about what a run asks people: approvals, replies in one's own words, more room.

Who may decide is looked up anew at every click and every submission, for buttons stay in Slack for
ever. It decides nothing itself: what it makes are commands.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_engine.commands import (
    BudgetExtended,
    Command,
    Decide,
    Declined,
    ExtendBudget,
    Repeated,
    Revoked,
    RevokeRule,
    RunAgain,
    Started,
)
from agent_engine.safeguards import ApprovalStore, Budget, BudgetOf, StandingRule
from agent_engine.types import APPROVE, DENY, JsonObject, ProposedCall, RunSnapshot, Wait
from bot.errors import SlackError
from bot.inbound import sentences
from bot.inbound.facts import Facts, is_admin, may_decide, may_extend, refusal, why_unwelcome
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.slack_events import Author, ButtonPressed, ViewSubmitted
from bot.outbound.blocks import approval_forms, ids
from bot.outbound.blocks.approval import ALWAYS, deciders
from bot.outbound.blocks.extend import budget_words, day_budget, extended, new_cap
from bot.outbound.blocks.parts import person
from bot.outbound.blocks.rules_list import rule_sentence
from bot.outbound.content import Content
from bot.outbound.text import money
from bot.ports import ToolFacts

OPEN_S = 2.0
"""The trigger that opens a modal lives for three seconds."""

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

    async def press(self, event: ButtonPressed, action: ids.AskedAction, place: Place) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        facts = await self._facts(place, home=event.home_workspace_id)
        if why_unwelcome(facts):
            await self._tell(place, refusal(facts))
            return
        match action:
            case ids.RevokeStanding(rule_id=rule_id):
                await self._revoke(rule_id, event, place, facts)
            case ids.ExtendRun():
                await self._extend(action, event, place, facts)
            case _:
                await self._press_call(action, event, place, facts)

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
                reply = approval_forms.read_plain(event.values, approval_forms.REPLY)
                command = Decide(run_id=run.run_id, wait_id=wait.id, value=reply, by=event.user_id)
                return await self._decided(command, event, place)
            case ids.DenyForm():
                return await self._deny(event, place, facts, run, wait)
            case ids.ChangeForm():
                return await self._approve_changed(event, place, facts, run, wait)

    async def is_about_call(self, action: ids.DecideWait, place: Place) -> bool:
        """Say whether a plain choice is about a tool call: those are decided here alone."""
        run = await self._around.run(action.run_id, place)
        waits = run.waits if run is not None else ()
        return any(wait.id == action.wait_id and wait.call is not None for wait in waits)

    # -- calls -----------------------------------------------------------------------------------

    async def _press_call(
        self, action: ids.CallAction, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        run = await self._around.run(action.run_id, place)
        wait = open_wait(run, action.wait_id)
        if isinstance(wait, str) or run is None:
            await self._tell(place, str(wait))
            return
        match action, wait.call:
            case ids.ReplyOther(), None:
                form = ids.ReplyForm(**_whose(action, place))
                await self._open(event, place, approval_forms.reply_modal(form, wait.question))
            case ids.ShowCall(), ProposedCall() as call:
                await self._open(event, place, approval_forms.whole_modal(call))
            case _, ProposedCall() as call if not may_decide(facts, call):
                await self._tell(place, sentences.may_not_decide(deciders(call)))
            case ids.DecideCall(value=value), ProposedCall():
                decide = Decide(
                    run_id=run.run_id,
                    wait_id=wait.id,
                    value=APPROVE,
                    by=event.user_id,
                    always=value == ALWAYS,
                )
                await self._carry_out(decide, event, place)
            case ids.ChangeCall(), ProposedCall() as call:
                schema = self._house.tools.schema(call.tool)
                changing = ids.ChangeForm(**_whose(action, place))
                await self._open(event, place, approval_forms.change_modal(changing, call, schema))
            case ids.DenyCall(), ProposedCall() as call:
                denying = ids.DenyForm(**_whose(action, place))
                await self._open(event, place, approval_forms.deny_modal(denying, call))
            case _:
                await self._tell(place, sentences.UNKNOWN_BUTTON)

    async def _deny(
        self, event: ViewSubmitted, place: Place, facts: Facts, run: RunSnapshot, wait: Wait
    ) -> Mapping[str, str]:
        if wait.call is None or not may_decide(facts, wait.call):
            return await self._wrong(event, place, _not_theirs(wait.call))
        remark = approval_forms.read_plain(event.values, approval_forms.REMARK)
        command = Decide(
            run_id=run.run_id, wait_id=wait.id, value=DENY, by=event.user_id, remark=remark
        )
        return await self._decided(command, event, place)

    async def _approve_changed(
        self, event: ViewSubmitted, place: Place, facts: Facts, run: RunSnapshot, wait: Wait
    ) -> Mapping[str, str]:
        call = wait.call
        if call is None or not may_decide(facts, call):
            return await self._wrong(event, place, _not_theirs(call))
        schema = self._house.tools.schema(call.tool)
        changes = approval_forms.read_changes(event.values, call, schema)
        if changes.errors:
            return changes.errors
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

    # -- rules and limits ------------------------------------------------------------------------

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
        outcome = await self._around.engine.carry_out(command, keys=_keys(event))
        if isinstance(outcome, Revoked):
            allowed = rule_sentence(rule).split("\n", 1)[0]
            await self._tell(place, sentences.RULE_REVOKED.format(allowed=allowed))
        elif isinstance(outcome, Declined):
            await self._tell(place, sentences.RULE_IS_GONE)

    async def _extend(
        self, action: ids.ExtendRun, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        run = await self._around.run(action.run_id, place)
        if run is None or run.end is None:
            await self._tell(place, sentences.STILL_RUNNING if run else sentences.UNKNOWN_BUTTON)
        elif (of := day_budget(run)) is not None:
            await self._extend_budget(of, run, event, place, facts)
        elif (limits := extended(run)) is None:
            await self._tell(place, sentences.UNKNOWN_BUTTON)
        elif not may_extend(facts, run, requester_extends=self._house.requester_extends):
            asker = run.requester if self._house.requester_extends else None
            await self._tell(place, sentences.may_not_extend(asker))
        else:
            again = RunAgain(
                run_id=run.run_id, by=run.requester or event.user_id, keep_work=True, limits=limits
            )
            await self._go_on(again, event, place, room=f"up to {new_cap(run)}")

    async def _extend_budget(
        self, of: BudgetOf, run: RunSnapshot, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        budget = next((budget for budget in self._house.budgets if budget.of is of), None)
        whose = _budget_owner(of, run)
        if not is_admin(facts):
            await self._tell(place, sentences.ADMINS_EXTEND_BUDGETS)
        elif budget is None or whose is None:
            await self._tell(place, sentences.UNKNOWN_BUTTON)
        else:
            more = ExtendBudget(
                workspace_id=run.scope.workspace_id,
                of=of,
                id=whose,
                by=event.user_id,
                tokens=budget.tokens,
                usd=budget.usd,
            )
            # Once for the run, however many admins press.
            outcome = await self._around.engine.carry_out(more, keys=[f"extend:{run.run_id}"])
            if isinstance(outcome, BudgetExtended | Repeated):
                again = RunAgain(
                    run_id=run.run_id, by=run.requester or event.user_id, keep_work=True
                )
                room = f"{_amount(budget)} more in {budget_words(of)}"
                await self._go_on(again, event, place, room=room)

    async def _go_on(
        self, again: RunAgain, event: ButtonPressed, place: Place, *, room: str
    ) -> None:
        outcome = await self._around.engine.carry_out(again, keys=_keys(event))
        match outcome:
            case Started():
                logger.info("run_extended", extra={"run_id": again.run_id, "by": event.user_id})
                await self._tell(place, sentences.GOES_ON.format(room=room))
            case Declined(why=why):
                await self._tell(place, sentences.declined(why) or sentences.UNKNOWN_BUTTON)
            case _:
                pass

    # -- small things ----------------------------------------------------------------------------

    async def _carry_out(self, command: Command, event: ButtonPressed, place: Place) -> None:
        outcome = await self._around.engine.carry_out(command, keys=_keys(event))
        if isinstance(outcome, Declined):
            await self._tell(place, sentences.declined(outcome.why) or sentences.ALREADY_DECIDED)

    async def _decided(
        self, command: Decide, event: ViewSubmitted, place: Place
    ) -> Mapping[str, str]:
        outcome = await self._around.engine.carry_out(command, keys=[f"view:{event.view_id}"])
        if isinstance(outcome, Declined):
            return await self._wrong(event, place, sentences.ALREADY_DECIDED)
        return {}

    async def _wrong(self, event: ViewSubmitted, place: Place, sentence: str) -> Mapping[str, str]:
        """Show a sentence in the modal: beside a field, or where it has none in the thread."""
        first = next(iter(event.values), None)
        if first is not None:
            return {first: sentence}
        await self._tell(place, sentence)
        return {}

    async def _open(self, event: ButtonPressed, place: Place, view: JsonObject) -> None:
        try:
            async with asyncio.timeout(OPEN_S):
                await self._around.talk.open_view(event.trigger_id, view)
        except (SlackError, TimeoutError) as error:
            logger.warning("form_not_opened", extra={"error": repr(error)[:200]})
            await self._tell(place, sentences.FORM_NOT_OPENED)

    async def _tell(self, place: Place, sentence: str) -> None:
        await self._around.desk.tell(place, Content(text=sentence))

    async def _facts(self, place: Place, *, home: str | None) -> Facts:
        author = Author(user_id=place.user_id, home_workspace_id=home)
        return await self._around.facts_at(place, author)


def open_wait(run: RunSnapshot | None, wait_id: str) -> Wait | str:
    """Return the wait when it can still be decided, else a sentence that says why not."""
    if run is None:
        return sentences.UNKNOWN_BUTTON
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


def _whose(action: ids.CallAction, place: Place) -> dict[str, Any]:
    return {
        "run_id": action.run_id,
        "wait_id": action.wait_id,
        "channel_id": place.channel_id,
        "thread_ts": place.thread_ts or "",
    }


def _not_theirs(call: ProposedCall | None) -> str:
    if call is None:
        return sentences.UNKNOWN_BUTTON
    return sentences.NOT_YOURS_TO_DECIDE


def _budget_owner(of: BudgetOf, run: RunSnapshot) -> str | None:
    match of:
        case BudgetOf.PERSON:
            return run.requester
        case BudgetOf.CHANNEL:
            return run.scope.channel_id
        case BudgetOf.WORKSPACE:
            return run.scope.workspace_id


def _amount(budget: Budget) -> str:
    tokens = f"{budget.tokens:,} tokens" if budget.tokens else ""
    usd = money(budget.usd) if budget.usd else ""
    return " and ".join(part for part in (tokens, usd) if part)


def _keys(event: ButtonPressed) -> tuple[str, ...]:
    return (f"act:{event.trigger_id}",) if event.trigger_id else ()
