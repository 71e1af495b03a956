"""What a thread should show, from the runs in it and what was posted so far. Pure.

The rules of the house about who gets which message when are all here; calling Slack, comparing and
storing is ``reconciler`` and ``posting``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from agent_engine.places import NewPost, Post, PostKind, PostState
from agent_engine.types import (
    AgentProfile,
    EndReason,
    RunId,
    RunSnapshot,
    TaskStatus,
    Thread,
    Wait,
    WaitKind,
)
from bot.agents_file import DEFAULT_AGENT, DEFAULT_NAME
from bot.outbound.asked import approvals, proposed, reminders, whole_calls
from bot.outbound.blocks.answer import ANSWER_FILE, AnswerMessages, answer_messages, resent
from bot.outbound.blocks.ending import is_unhappy, needs_notice
from bot.outbound.blocks.lesson import lesson_content, lessons_told
from bot.outbound.blocks.notice import end_content
from bot.outbound.blocks.plan import has_real_steps, plan_content, plan_hash, waits_for_people
from bot.outbound.blocks.question import closed_content, question_content
from bot.outbound.content import Content, Persona, body_hash
from bot.outbound.pacing import Urgency
from bot.outbound.slack_values import SessionStatus
from bot.outbound.text import headline, one_line

MAX_TITLE = 200
MAX_NAME = 80

_TAKEN_IN_WITHIN = timedelta(minutes=1)
"""Between a person's message and the run it started; older ones started earlier runs."""
_CLOCKS_APART = timedelta(seconds=5)
"""How far Slack's clock may be ahead of ours."""
_QUESTIONS = frozenset({WaitKind.QUESTION, WaitKind.REPEAT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A message as it should be shown."""

    post: NewPost
    content: Content
    resent: Content | None = None
    """What to post when the first one may have been lost; None: then it is left out."""
    body_hash: str
    urgency: Urgency
    patient: bool = True
    """Whether it is worth waiting for; False for a plan that will soon look different again."""
    is_last: bool = True
    """Whether it is to look like this for good, so that no distance to the last edit is kept."""
    only_if_free: bool = False
    """Post it, before all others, only if that costs no waiting; else never."""
    only_if_left: bool = False
    """Bring it up to date where a crash may have left it in Slack; never post it anew."""
    asked_at_s: float = 0.0
    """When people asked for it, in seconds since 1970: who asked first is served first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedFile:
    """A file that should be in the thread."""

    post: NewPost
    run: RunSnapshot
    name: str
    path: str | None
    """In the task folder; None when ``text`` is the content."""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """All that a thread should show."""

    messages: tuple[Wanted, ...]
    """In the order in which they are to be sent."""
    files: tuple[WantedFile, ...]
    session: SessionStatus | None
    """None to leave the session's status as it is."""
    title: str
    asked_at_s: float
    """When people asked for what is under way, or was last."""
    is_answered: bool
    """Whether that has ended with an answer."""


def desired(  # noqa: PLR0913  # the rows, and what is known of this Slack
    runs: Sequence[RunSnapshot],
    posts: Mapping[str, Post],
    *,
    shown_status: str | None,
    early_plan: bool = False,
    takes_files: bool = True,
    scales: Mapping[RunId, float] | None = None,
    remind_before: datetime | None = None,
) -> Desired:
    """Say what the thread of these runs should show.

    Args:
        runs: the thread's runs, oldest first.
        posts: what was intended and posted for them, by key.
        shown_status: the session status that Slack shows; None when never set.
        early_plan: this Slack shows no session status, so a plan message is the first sign.
        takes_files: whether this Slack lets us upload; if not, answers say where their files are.
        scales: below 1 for runs whose messages this Slack found too long.
        remind_before: people are reminded of what they were asked before this; None: never.
    """
    scales = scales or {}
    found: list[Wanted] = []
    files: list[WantedFile] = []
    for run in runs:
        if run.thread is not None:
            scale = scales.get(run.run_id, 1.0)
            view = _RunView(
                run,
                run.thread,
                posts,
                _answer(run, scale, takes_files=takes_files),
                scale,
                early_plan,
                remind_before,
            )
            asked_at_s = _asked_at(run).timestamp()
            found += (replace(wanted, asked_at_s=asked_at_s) for wanted in view.messages())
            files += view.files()
    found.sort(key=lambda wanted: (not wanted.only_if_free, wanted.urgency))
    return Desired(
        messages=tuple(found),
        files=tuple(files),
        session=_session(runs, shown_status),
        title=headline(runs[-1].task.description, MAX_TITLE) if runs else "",
        asked_at_s=_asked_at(runs[-1]).timestamp() if runs else 0.0,
        is_answered=bool(runs) and _is_answered(runs[-1]),
    )


def plan_key(run_id: RunId) -> str:
    """Return the key of a run's plan message."""
    return f"run:{run_id}:plan"


def answer_key(run_id: RunId, part: int) -> str:
    """Return the key of one part of a run's answer."""
    return f"run:{run_id}:answer:{part}"


def persona_of(agent: AgentProfile) -> Persona | None:
    """Return the name and icon of an agent's messages; None for those of the bot itself."""
    name = one_line(agent.name, MAX_NAME)
    if not name or agent.id == DEFAULT_AGENT or (name, agent.icon_emoji) == (DEFAULT_NAME, None):
        return None
    return Persona(name=name, icon_emoji=agent.icon_emoji)


# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _RunView:
    run: RunSnapshot
    thread: Thread
    posts: Mapping[str, Post]
    answer: AnswerMessages
    scale: float
    early_plan: bool
    remind_before: datetime | None

    def messages(self) -> Iterator[Wanted]:
        persona = persona_of(self.run.agent)
        for wanted in self._kinds():
            content = replace(wanted.content, persona=persona)
            resent = wanted.resent and replace(wanted.resent, persona=persona)
            yield replace(wanted, content=content, resent=resent)

    def _kinds(self) -> Iterator[Wanted]:
        yield from self._answers()
        yield from self._questions()
        yield from self._asked()
        yield from self._end()
        yield from self._lessons()
        yield from self._plan()

    def files(self) -> Iterator[WantedFile]:
        run, whole = self.run, self.answer.whole
        for wait, said in whole_calls(run):
            post = self._post(f"approval-file:{wait.id}", PostKind.NOTICE, step=wait.step)
            name = f"call-of-step-{wait.step}.txt"
            yield WantedFile(post=post, run=run, name=name, path=None, text=said)
        if run.answer is None or run.end is None:
            return
        if whole is not None:
            post = self._post("answer-file", PostKind.NOTICE)
            yield WantedFile(post=post, run=run, name=ANSWER_FILE, path=None, text=whole)
        for number, path in enumerate(run.answer.files):
            post = self._post(f"file:{number}", PostKind.NOTICE)
            name = one_line(path.rsplit("/", 1)[-1], 120) or "file"
            yield WantedFile(post=post, run=run, name=name, path=path)

    # -- the kinds of messages -------------------------------------------------------------------

    def _answers(self) -> Iterator[Wanted]:
        for part, content in enumerate(self.answer.contents):
            yield Wanted(
                post=self._post(f"answer:{part}", PostKind.ANSWER),
                content=content,
                resent=resent(content),
                body_hash=body_hash(content.text, content.blocks),
                urgency=Urgency.ANSWER,
            )

    def _questions(self) -> Iterator[Wanted]:
        open_ids: set[str] = set()
        for wait in self.run.waits:
            if wait.kind in _QUESTIONS:
                open_ids.add(wait.id)
                yield from self._question(wait)
        prefix = f"run:{self.run.run_id}:question:"
        for key, post in self.posts.items():
            if key.startswith(prefix) and key.removeprefix(prefix) not in open_ids:
                yield from self._closed_question(key.removeprefix(prefix), post)

    def _question(self, wait: Wait) -> Iterator[Wanted]:
        is_open = wait.resolution is None and self.run.end is None
        if not is_open and not self._may_be_shown(f"question:{wait.id}"):
            return
        content = question_content(self.run, wait)
        yield Wanted(
            post=self._post(f"question:{wait.id}", PostKind.QUESTION, step=wait.step),
            content=content,
            resent=question_content(self.run, wait, resent=True),
            body_hash=body_hash(content.text, content.blocks),
            urgency=Urgency.QUESTION if is_open else Urgency.PLAN,
            only_if_left=not is_open and not self._is_posted(f"question:{wait.id}"),
        )

    def _closed_question(self, wait_id: str, post: Post) -> Iterator[Wanted]:
        if post.state is PostState.ABANDONED:
            return
        step = next((s for s in self.run.steps if s.number == post.step), None)
        content = closed_content(self.run, step)
        yield Wanted(
            post=self._post(f"question:{wait_id}", PostKind.QUESTION, step=post.step),
            content=content,
            body_hash=body_hash(content.text, content.blocks),
            urgency=Urgency.PLAN,
            only_if_left=post.state is PostState.INTENDED,
        )

    def _asked(self) -> Iterator[Wanted]:
        """Say what is up to people: calls to approve, facts to keep; and remind them."""
        reminding = reminders(self.run, self.posts, before=self.remind_before)
        mine = (*approvals(self.run, self.posts), *proposed(self.run, self.posts))
        for asked in (*mine, *reminding):
            content = asked.content
            yield Wanted(
                post=self._post(asked.name, asked.kind, step=asked.step),
                content=content,
                resent=asked.again,
                body_hash=body_hash(content.text, content.blocks),
                urgency=asked.urgency,
                only_if_left=asked.only_if_left,
            )

    def _plan(self) -> Iterator[Wanted]:
        run = self.run
        is_new = not self._is_known("plan")
        if self._is_abandoned("plan"):
            return
        if is_new and not self._is_plan_worth_posting():
            return
        is_late = self._has_last_words and not self._is_posted("plan")
        must_say = is_late and bool(lessons_told(run))
        calm = Urgency.PLAN if run.end is None else Urgency.NOTICE
        yield Wanted(
            post=self._post("plan", PostKind.PLAN),
            content=plan_content(run, scale=self.scale),
            body_hash=plan_hash(run, scale=self.scale),
            urgency=Urgency.REPLY if must_say else calm,
            patient=run.end is not None,
            is_last=run.end is not None,
            only_if_free=is_late and not must_say,
        )

    @property
    def _has_last_words(self) -> bool:
        """Whether another message tells how the run ended."""
        return self.run.end is not None and (self.run.answer is not None or needs_notice(self.run))

    def _is_plan_worth_posting(self) -> bool:
        run = self.run
        if self._has_last_words:
            is_told = self._is_known("answer:0") or self._is_known("end")
            return has_real_steps(run.plan) and (not is_told or bool(lessons_told(run)))
        if run.end is not None:
            return has_real_steps(run.plan)
        return has_real_steps(run.plan) or run.queue_place is not None or self.early_plan

    def _end(self) -> Iterator[Wanted]:
        """Say an unhappy end where neither an answer nor the plan message says it."""
        run = self.run
        if not is_unhappy(run) or run.answer is not None:
            return
        has_plan = not self._is_abandoned("plan") and (
            self._is_known("plan") or has_real_steps(run.plan)
        )
        if has_plan and not needs_notice(run):
            return
        content = end_content(run)
        yield Wanted(
            post=self._post("end", PostKind.NOTICE),
            content=content,
            resent=content,
            body_hash=body_hash(content.text, content.blocks),
            urgency=Urgency.NOTICE,
        )

    def _lessons(self) -> Iterator[Wanted]:
        """Tell what was learned; one that is gone before it was told is not spoken of."""
        for lesson in self.run.lessons:
            name = f"lesson:{lesson.id}"
            is_told = bool(lesson.text) and not lesson.is_retired
            if not is_told and not self._may_be_shown(name):
                continue
            content = lesson_content(self.run.run_id, lesson)
            yield Wanted(
                post=self._post(name, PostKind.LESSON),
                content=content,
                body_hash=body_hash(content.text, content.blocks),
                urgency=Urgency.NOTICE,
                only_if_left=not is_told and not self._is_posted(name),
            )

    # --------------------------------------------------------------------------------------------

    def _post(self, name: str, kind: PostKind, *, step: int | None = None) -> NewPost:
        return NewPost(
            key=f"run:{self.run.run_id}:{name}",
            thread=self.thread,
            kind=kind,
            run_id=self.run.run_id,
            task_id=self.run.task.id,
            step=step,
        )

    def _found(self, name: str) -> Post | None:
        return self.posts.get(f"run:{self.run.run_id}:{name}")

    def _is_known(self, name: str) -> bool:
        return self._found(name) is not None

    def _is_posted(self, name: str) -> bool:
        post = self._found(name)
        return post is not None and post.state is PostState.POSTED

    def _may_be_shown(self, name: str) -> bool:
        """Whether Slack shows it, or may, for a crash came before that was noted."""
        return self._is_known(name) and not self._is_abandoned(name)

    def _is_abandoned(self, name: str) -> bool:
        post = self._found(name)
        return post is not None and post.state is PostState.ABANDONED


def _is_answered(run: RunSnapshot) -> bool:
    return run.end is not None and run.end.reason is EndReason.ANSWERED


def _asked_at(run: RunSnapshot) -> datetime:
    """Say when people asked for this run: the time of the message that started it.

    Intake may store messages of the same second in another order than they were written.
    """
    around = (run.created_at - _TAKEN_IN_WITHIN, run.created_at + _CLOCKS_APART)
    said = [m.sent_at for m in run.messages if m.steers and around[0] <= m.sent_at <= around[1]]
    return max(said, default=run.created_at)


def _answer(run: RunSnapshot, scale: float, *, takes_files: bool) -> AnswerMessages:
    """Render the run's answer, which is costly, once; nothing before the run has ended."""
    if run.answer is None or run.end is None:
        return AnswerMessages(contents=())
    return answer_messages(run, run.answer, scale=scale, takes_files=takes_files)


def _session(runs: Sequence[RunSnapshot], shown: str | None) -> SessionStatus | None:
    under_way = [run for run in runs if run.end is None]
    if not under_way:
        quiet = {None, SessionStatus.ACTIVE, SessionStatus.CLOSED}
        return None if shown in quiet else SessionStatus.ACTIVE
    sleeping = [run.status is TaskStatus.WAITING and waits_for_people(run) for run in under_way]
    wanted = SessionStatus.SUSPENDED if all(sleeping) else SessionStatus.PROCESSING
    return None if shown == wanted else wanted
