"""Short messages: an unhappy end, and single sentences. Pure."""

from agent_engine.types import RunSnapshot
from bot.outbound.blocks import wording
from bot.outbound.blocks.ending import again_buttons, end_sentence
from bot.outbound.blocks.parts import actions, quiet, section
from bot.outbound.content import Content
from bot.outbound.text import escape, one_line


def end_content(run: RunSnapshot) -> Content:
    """Say how a run ended, and offer to run it again."""
    sentence = end_sentence(run)
    buttons = again_buttons(run)
    blocks = (section(sentence), quiet(wording.used(run.usage)))
    return Content(text=sentence, blocks=(*blocks, actions(buttons)) if buttons else blocks)


def sentence_content(sentence: str) -> Content:
    """Say one sentence of ours; any text, shown literally."""
    return Content(text=escape(one_line(sentence, 2_000)) or "-")
