"""Memories get their vectors while the bot is at work, and are found by what they mean."""

import asyncio

import pytest

from bot.agents_file import AgentsFile
from tests.fakes.openai_server import Fails, OpenAIServer, direct, letter_vectors
from tests.scenario.whole.conftest import open_town

KILN = "remember that the kiln runs on Tuesdays"
IN_OTHER_WORDS = "what do you know about the oven for pottery?"


@pytest.fixture(autouse=True)
def _no_local_server(monkeypatch):
    async def none():
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", none)


async def answered(town, text):
    ts = await town.mention(text)
    return (await town.answered(ts))[-1]


async def until_embedded(town):
    """Wait until no memory lacks a vector of the model that is in use."""
    memory = town.works.memory
    [probe] = await memory.embedder.passages(["ready"])
    async with asyncio.timeout(30):
        while True:
            done, of = await memory.store.embedded(probe.model)
            if of and done == of:
                return of
            await asyncio.sleep(0.02)


async def test_memories_get_their_vectors_from_the_server_that_is_named(
    tmp_path, workspace
) -> None:
    server = OpenAIServer(direct)
    async with server.running() as url:
        file = AgentsFile.model_validate({"models": {"emb": {"base_url": url}}})
        facts = {"TREADLE_EMBEDDING_MODEL": "emb", "file": file}
        async with open_town(tmp_path, workspace, **facts) as town:
            await answered(town, KILN)
            assert await until_embedded(town) == 2
    sent = [text for body in server.embedding_bodies for text in body["input"]]
    assert any("kiln" in text for text in sent)
    assert server.bodies == []


async def test_what_cannot_be_embedded_is_remembered_all_the_same(tmp_path, workspace) -> None:
    server = OpenAIServer(direct)
    server.embeds = lambda _body, _index: Fails(status=401, message="wrong key")
    async with server.running() as url:
        file = AgentsFile.model_validate({"models": {"emb": {"base_url": url}}})
        facts = {"TREADLE_EMBEDDING_MODEL": "emb", "file": file}
        async with open_town(tmp_path, workspace, **facts) as town:
            await answered(town, KILN)
            said = await answered(town, "what do you know about the kiln?")
            assert "the kiln runs on Tuesdays" in said
            assert await town.works.memory.store.embedded("emb@9") == (0, 3)
        server.embeds = letter_vectors
        async with open_town(tmp_path, workspace, **facts) as town:
            assert await until_embedded(town) == 3


@pytest.mark.needs_embeddings
async def test_the_local_model_finds_what_was_said_in_other_words(tmp_path, workspace) -> None:
    async with open_town(tmp_path, workspace, TREADLE_EMBEDDING_MODEL="local") as town:
        await answered(town, KILN)
        await until_embedded(town)
        assert "the kiln runs on Tuesdays" in await answered(town, IN_OTHER_WORDS)


async def test_without_a_model_it_is_found_by_its_words_alone(tmp_path, workspace) -> None:
    async with open_town(tmp_path, workspace) as town:
        await answered(town, KILN)
        assert town.works.memory.embedder is None
        assert "Tuesday" not in await answered(town, IN_OTHER_WORDS)
