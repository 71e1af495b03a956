"""The plain sentences that the incoming side says to one person. Words only, no decisions."""

from agent_engine.types import UserId

EMPTY_SOLVE = "Put the problem behind the command, for example: `{command} what is 17 * 23?`"
NOTHING_TO_STOP = "There is nothing running here to stop."
STOP_WHERE = "Say that in the task's thread, or use the Stop button in the list of tasks."
STOPPED = "stopped by a person"
NO_TASK_HERE = "There is no task in this thread. Mention me with a problem to start one."
TASK_IS_GONE = "That task has been deleted: mention me with the problem, and I start it anew."
NOTHING_TO_RATE = "No task that I still have is behind that message, so there is nothing to rate."
UNKNOWN_BUTTON = "That button is from an older version and does nothing any more."
EMPTY_REPLY = "Put your answer here."
ALREADY_DECIDED = "That has been answered already."
NOTHING_TO_DECIDE = "That task has ended or is being stopped: there is nothing to decide any more."
NOT_YOURS_TO_DECIDE = "This is not yours to decide: the message says who can."
MAY_NOT_APPROVE_LIKE_THIS = "You may not approve the call with these arguments: an admin can."
NOT_KEPT = (
    "This looks like a password or a key, and such values are not kept. Leave it out: whoever runs "
    "me can configure it for the tool."
)
RULE_IS_GONE = "That rule does not hold any more."
RULE_REVOKED = "Revoked: {allowed}. Such calls are asked about again."
ADMINS_EXTEND_BUDGETS = "Only an admin can add to a budget of the day."
GOES_ON = "It goes on, with {room}."
_LEFT = (
    "Messages in Slack, the plans and results of earlier tasks, and files that were handed over "
    "are left as they are: delete such messages in Slack."
)
"""What forgetting does not reach. The audit log has no words of what was remembered."""
NO_LESSON = "That lesson is not applied any more: there is nothing to change."
LESSON_WITHOUT_TASK = (
    "That task has been deleted: `memory lessons` lists what is still applied, to be changed there."
)
EMPTY_LESSON = "Say in a sentence what I should do next time, or use Forget."
NO_MEMORY = "That is not remembered any more, or has been put differently since."
NO_SUCH_MEMORY = "Nothing that is remembered here has the number {number}."
NOTHING_REMEMBERED = "Nothing is remembered here, so there is nothing to forget."
EMPTY_MEMORY = "Say in a sentence what is right, or use Forget."
NOTHING_LEFT = "Nothing of it is remembered any more."
REMEMBERED = "Remembered."
REMEMBERED_FOR_YOU = "Remembered for you alone."
REMEMBERED_UNUSED = (
    "Remembered for you alone. It is used where you say `{command} personal on`; here you have not."
)
PERSONAL_HERE = (
    "Your own memories are used here: what you ask me to remember in these direct messages is kept "
    "for you, and the tasks that you ask for here are told of it. "
)
PERSONAL_THERE = (
    "The tasks that you ask for here are told of your own memories. *Everyone in this channel can "
    "read what comes of that, and can ask for more in your threads.* "
)
PERSONAL_OFF = "Your own memories are not used here. They are kept. "
PERSONAL_HOW = (
    "`{command} mine` lists them, `{command} remember for me …` adds one, "
    "`{command} personal {other}` changes this."
)
MEMORY_FORGOTTEN = (
    "Forgotten, with what it said before and what was derived from it: {count} in all. " + _LEFT
)
MEMORY_CORRECTED = "Corrected. What it said before is kept as its history."
MEMORY_PINNED = "Pinned: it comes first, and is never dropped to make room."
MEMORY_UNPINNED = "Unpinned."
ALL_FORGOTTEN = "Forgotten: {count}. " + _LEFT
TASKS_FORGOTTEN = (
    "Forgotten: {count}. I am deleting {messages} of mine about them from Slack. What people "
    "wrote stays there, and so do files that were exported, what tasks cost, and ratings without "
    "their words."
)
TASKS_STAY = "Not over or not all shown yet, and left: {tasks}. Stop them, then ask again."
MORE_TASKS = "{tasks} will go in the next minutes, with my messages about them."
ADMINS_FORGET_EVERYTHING = "Only an admin can have everything forgotten that is remembered here."
ADMINS_FORGET_OTHERS = (
    "Only an admin can have forgotten what comes from somebody else; `forget me` is about you."
)
MEMORIES_EXPORTED = "I am sending you {count} as a file, in our direct messages."
EXPORT_UNDERWAY = "The file comes in our direct messages."
MEMORIES_NOT_SEARCHED = "I could not look that up just now. Please try again."
ALREADY_ENDED = "That task has already ended."
STILL_RUNNING = "That task is still running."
NOT_A_MEMBER = "What is remembered in this channel is for its members."
MEMBERS_ONLY = "Only members of the channel can change its agent."
AGENT_CHANGED = "This channel has another agent by now. Close this and open it again."
FORM_NOT_OPENED = "Slack did not open the form. Please try again."
SLACK_IS_SLOW = (
    "Slack is slow at the moment. If your problem does not appear in the channel, please send it "
    "again."
)
CHANNEL_ARCHIVED = "the channel was archived"
CHANNEL_LEFT = "the bot is no longer in the channel"
CHANNEL_DELETED = "the channel was deleted"

PROMPTS_TITLE = "What shall I work on?"
PROMPTS = (
    {"title": "Compute something", "message": "What is 15% of 1,240, plus 17 * 23?"},
    {
        "title": "Write and run a script",
        "message": "Write a Python script that prints the first 15 Fibonacci numbers, run it, "
        "and save the output to fib.txt.",
    },
    {"title": "Work through a problem", "message": "Help me plan this step by step: "},
    {"title": "What can you do?", "message": "help"},
)

OFFLINE_PROMPTS = (
    {"title": "Compute something", "message": "What is 15% of 1,240, plus 17 * 23?"},
    {
        "title": "Compute and save",
        "message": "calculate 17 * 23 then save the result to answer.txt",
    },
    {
        "title": "Run a script",
        "message": "run this\n```python\nprint(sum(range(101)))\n```",
    },
    {"title": "What can you do?", "message": "help"},
)
"""All of it can be done without a language model."""

_REFUSALS = {
    "bot": "I take no tasks from other bots here.",
    "external": "I only work for people of this workspace here. Its members can ask me for you.",
    "guest": "I take no tasks from guests here. A member of the channel can ask me for you.",
}
_DECLINED = {
    "not_waiting": ALREADY_DECIDED,
    "already_ended": ALREADY_ENDED,
    "still_running": STILL_RUNNING,
    "no_task": TASK_IS_GONE,
    "not_ours": TASK_IS_GONE,
}


def empty_mention(bot: UserId) -> str:
    """Say how to put a problem to the bot."""
    return (
        "Tell me what to do in the same message, for example: "
        f"<@{bot}> compare the last two quarters in sales.csv. "
        f"<@{bot}> help says what else I understand."
    )


def refusal(why: str, *, agent_name: str) -> str:
    """Say why somebody may not ask this agent."""
    return _REFUSALS.get(why, f"{agent_name} may not work for you here.")


def declined(why: str) -> str | None:
    """Say why a click changed nothing; None where nothing needs to be said."""
    return _DECLINED.get(why)


def may_not_stop(requester: UserId | None) -> str:
    """Say who may stop the task."""
    who = f"<@{requester}>" if requester else "the person who asked"
    return f"Only {who} or an admin can stop this task. You can steer it by replying in its thread."


def may_not_decide(deciders: str) -> str:
    """Say who may decide about a tool call."""
    return f"Only {deciders} can decide this."


def already_decided(by: str, did: str) -> str:
    """Say who was faster."""
    return f"{by[:1].upper()}{by[1:]} has {did} that already."


def may_not_revoke(maker: UserId) -> str:
    """Say who may take a standing rule back."""
    return f"Only <@{maker}>, who made this rule, or an admin can revoke it."


def may_not_run_again(requester: UserId | None) -> str:
    """Say who may have an ended task run once more, and what others can do."""
    who = f"<@{requester}> or an admin" if requester else "an admin"
    return (
        f"Only {who} can let this task run again, for it works with their rights. Reply in its "
        "thread, or mention me with the problem, and I work on it for you."
    )


def may_not_change_lesson(rater: UserId) -> str:
    """Say who may forget and correct a lesson."""
    return f"Only <@{rater}>, whoever asked for the task, or an admin can change this lesson."


def may_not_change_memory(person: UserId | None) -> str:
    """Say who may change a memory."""
    who = f"<@{person}>, whom it comes from, or an admin" if person else "an admin"
    return f"Only {who} can change that."


def may_not_extend(requester: UserId | None) -> str:
    """Say who may raise a task's limits."""
    who = f"<@{requester}> or an admin" if requester else "an admin"
    return f"Only {who} can extend this task."


def not_a_member(bot: UserId, *, said: str) -> str:
    """Say how to get the bot to where a command was given, with the text, so it is not lost."""
    return (
        f"I am not in this channel: `/invite` <@{bot}> and try again, or write to <@{bot}> "
        f"directly. This is what you wrote:\n{said}"
    )


def slack_refused(error: str, *, needed: str = "") -> str:
    """Say that Slack did not take our message; ``needed`` is the scope that the app lacks."""
    if error == "missing_scope":
        scope = f" `{needed}`" if needed else ""
        return (
            f"I may not write here, for the app lacks the scope{scope}: whoever installed me has "
            "to add it and install the app again."
        )
    return f"Slack did not let me post here ({error})."


def wrong_argument(command: str, argument: str, *, known: str) -> str:
    """Say what a command understands."""
    return f"`{command}` does not know “{argument}”. It understands: {known}."
