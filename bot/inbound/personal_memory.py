"""A person's own memories: which are meant, and whether they are used in a channel.

They are off everywhere until the person says otherwise, place by place: what a task was told shows
in what it says, and who reads that differs from channel to channel.
"""

from agent_engine.memories import MemoryScope, PersonalUse
from agent_engine.memory_commands import UsePersonal
from agent_engine.types import AgentId, MemoryUse, RunSnapshot
from bot.inbound import memory_words, sentences
from bot.inbound.front_desk import Place
from bot.inbound.intake import Surroundings
from bot.inbound.words import Verb
from bot.outbound.content import Content

_HOW_IT_IS = {
    PersonalUse.OFF: sentences.PERSONAL_OFF,
    PersonalUse.TOLD: sentences.PERSONAL_THERE,
    PersonalUse.KEPT: sentences.PERSONAL_HERE,
}


def own_scope(place: Place) -> MemoryScope:
    """Return where the own memories are of whoever asks."""
    return MemoryScope.of_person(place.workspace_id, place.user_id)


def scope_at(place: Place, agent_id: AgentId) -> MemoryScope:
    """Return whose memories are meant: an agent's here, or without one those of who asks."""
    if not agent_id:
        return own_scope(place)
    return MemoryScope(
        workspace_id=place.workspace_id, channel_id=place.channel_id, agent_id=agent_id
    )


def scope_told(run: RunSnapshot, use: MemoryUse, place: Place) -> MemoryScope:
    """Return where to look for what a run was told: its requester's own for them alone."""
    is_theirs = use.is_own and run.requester == place.user_id
    return own_scope(place) if is_theirs else MemoryScope.of_channel(run.scope)


def is_conversation(place: Place) -> bool:
    """Say whether nobody is there but the person and the agent."""
    return place.channel_id.startswith("D")


async def choose(
    order: memory_words.Personal,
    here: MemoryScope,
    place: Place,
    around: Surroundings,
    keys: tuple[str, ...],
) -> Content:
    """Do what the person says about their own memories here; say how it is now."""
    use = await around.memories.personal_use(here, place.user_id)
    if order.is_on is not None:
        on = PersonalUse.KEPT if is_conversation(place) else PersonalUse.TOLD
        use = on if order.is_on else PersonalUse.OFF
        wanted = UsePersonal(scope=here, use=use, by=place.user_id)
        await around.engine.carry_out(wanted, keys=keys)
    command = around.desk.screens.command_names[Verb.MEMORY]
    other = "on" if use is PersonalUse.OFF else "off"
    return Content(
        text=_HOW_IT_IS[use] + sentences.PERSONAL_HOW.format(command=command, other=other)
    )


async def remembered(
    order: memory_words.Remember, here: MemoryScope, place: Place, around: Surroundings
) -> tuple[MemoryScope, str]:
    """Return whose a told fact becomes, and what is said of it; ``{command}`` stands in that."""
    use = await around.memories.personal_use(here, place.user_id)
    if order.is_own or use is PersonalUse.KEPT:
        is_unused = use is PersonalUse.OFF
        said = sentences.REMEMBERED_UNUSED if is_unused else sentences.REMEMBERED_FOR_YOU
        return own_scope(place), said
    return here, sentences.REMEMBERED
