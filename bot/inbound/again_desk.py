"""Clicks that let an ended task go on: run again, continue, extend.

Whoever presses, the new run is for whom the ended one was for: nobody gets the rights of others by
it, and nobody lends their own to a problem that others worded. Who may is looked up at every click.
"""

import logging
from collections.abc import Sequence

from agent_engine.commands import (
    BudgetExtended,
    Declined,
    ExtendBudget,
    Repeated,
    RunAgain,
    Started,
)
from agent_engine.safeguards import Budget, BudgetOf
from agent_engine.types import RunSnapshot, now_utc
from bot.inbound import sentences
from bot.inbound.facts import Facts, click_keys, is_admin, may_extend, owns
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.slack_events import ButtonPressed
from bot.outbound.blocks import ids
from bot.outbound.blocks.extend import budget_words, day_budget, extended, is_over, new_cap
from bot.outbound.content import Content
from bot.outbound.text import money

logger = logging.getLogger(__name__)


class AgainDesk:
    """Takes what people want of tasks that have ended."""

    def __init__(
        self, around: Surroundings, *, budgets: Sequence[Budget], requester_extends: bool
    ) -> None:
        self._around = around
        self._budgets = budgets
        self._requester_extends = requester_extends

    async def press(
        self, action: ids.AgainAction, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        """Take a click. Raises StorageError when its command could not be stored."""
        run = await self._around.run(action.run_id, place)
        if run is None or run.end is None:
            await self._tell(place, sentences.STILL_RUNNING if run else sentences.TASK_IS_GONE)
            return
        of = day_budget(run)
        match action:
            case ids.AgainRun(keep_work=keep_work):
                await self._run_again(run, event, place, facts, keep_work=keep_work)
            case ids.ExtendRun() if of is None:
                await self._extend(run, event, place, facts)
            case ids.ExtendRun() if is_over(run, now=now_utc()):
                await self._run_again(run, event, place, facts, keep_work=True)
            case ids.ExtendRun():
                await self._extend_budget(of, run, event, place, facts)

    async def _run_again(
        self,
        run: RunSnapshot,
        event: ButtonPressed,
        place: Place,
        facts: Facts,
        *,
        keep_work: bool,
    ) -> None:
        if not owns(facts, run):
            await self._tell(place, sentences.may_not_run_again(run.requester))
            return
        again = RunAgain(run_id=run.run_id, by=event.user_id, keep_work=keep_work)
        await self._go_on(again, event, place)

    async def _extend(
        self, run: RunSnapshot, event: ButtonPressed, place: Place, facts: Facts
    ) -> None:
        if (limits := extended(run)) is None:
            await self._tell(place, sentences.UNKNOWN_BUTTON)
        elif not may_extend(facts, run, requester_extends=self._requester_extends):
            asker = run.requester if self._requester_extends else None
            await self._tell(place, sentences.may_not_extend(asker))
        else:
            again = RunAgain(run_id=run.run_id, by=event.user_id, keep_work=True, limits=limits)
            await self._go_on(again, event, place, room=f"up to {new_cap(run)}")

    async def _extend_budget(
        self,
        of: BudgetOf,
        run: RunSnapshot,
        event: ButtonPressed,
        place: Place,
        facts: Facts,
    ) -> None:
        budget = next((budget for budget in self._budgets if budget.of is of), None)
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
                again = RunAgain(run_id=run.run_id, by=event.user_id, keep_work=True)
                room = f"{_amount(budget)} more in {budget_words(of)}"
                await self._go_on(again, event, place, room=room)

    async def _go_on(
        self, again: RunAgain, event: ButtonPressed, place: Place, *, room: str = ""
    ) -> None:
        outcome = await self._around.engine.carry_out(again, keys=click_keys(event))
        match outcome:
            case Started():
                facts = {"run_id": again.run_id, "by": again.by, "keeps_work": again.keep_work}
                logger.info("run_wanted_again", extra=facts)
                if room:
                    await self._tell(place, sentences.GOES_ON.format(room=room))
            case Declined(why=why):
                await self._tell(place, sentences.declined(why) or sentences.UNKNOWN_BUTTON)
            case _:
                pass

    async def _tell(self, place: Place, sentence: str) -> None:
        await self._around.desk.tell(place, Content(text=sentence))


# ------------------------------------------------------------------------------------------------


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
