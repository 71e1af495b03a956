"""The sentence for a file that could not be handed over; said once in the thread. Pure."""

from agent_engine.places import NewPost, PostKind
from bot.errors import SlackRefusedError
from bot.outbound.blocks.notice import sentence_content
from bot.outbound.content import body_hash
from bot.outbound.desired import Wanted, WantedFile
from bot.outbound.pacing import Urgency
from bot.outbound.web_calls import NOT_OFFERED

NO_SCOPE = (
    "I made files but may not upload them: this app lacks the scope files:write. An admin can add "
    "it by installing the app again."
)


def not_there(wanted: WantedFile, *, most_mb: float) -> Wanted:
    """Say that the file is gone from the task's folder or too large."""
    why = f"it is gone from the task's folder, or larger than {most_mb:g} MB"
    return _said(wanted, f"{wanted.post.key}:why", f"I could not hand over {wanted.name}: {why}.")


def refused(wanted: WantedFile, refusal: SlackRefusedError) -> Wanted:
    """Say why Slack does not take the file; for a missing scope once per run, not per file."""
    if refusal.error in NOT_OFFERED:
        return _said(wanted, f"run:{wanted.run.run_id}:files-refused", NO_SCOPE)
    sentence = f"I could not hand over {wanted.name}: Slack refused it ({refusal.error})."
    return _said(wanted, f"{wanted.post.key}:why", sentence)


def _said(wanted: WantedFile, key: str, sentence: str) -> Wanted:
    content = sentence_content(sentence)
    post = NewPost(
        key=key,
        thread=wanted.post.thread,
        kind=PostKind.NOTICE,
        run_id=wanted.post.run_id,
        task_id=wanted.post.task_id,
    )
    return Wanted(
        post=post,
        content=content,
        resent=content,
        body_hash=body_hash(content.text, content.blocks),
        urgency=Urgency.NOTICE,
    )
