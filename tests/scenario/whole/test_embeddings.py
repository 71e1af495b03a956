"""Memories get their vectors while the bot is at work, and are found by what they mean."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from bot.agents_file import AgentsFile
from bot.doctor import Level, _embeddings
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


# -- what they cost ------------------------------------------------------------------------------

PER_TEXT = 5
"""Tokens that the server says it took for each."""
PRICE = {"prompt_usd": 1_000.0, "completion_usd": 0.0}


@asynccontextmanager
async def priced_town(tmp_path, workspace, url, **tables):
    """A bot without a language model whose embeddings cost something."""
    models = {"emb": {"base_url": url, "price": PRICE}}
    file = AgentsFile.model_validate({"models": models, **tables})
    async with open_town(tmp_path, workspace, TREADLE_EMBEDDING_MODEL="emb", file=file) as town:
        yield town


async def test_a_runs_figures_hold_what_its_vectors_took_and_the_days_hold_the_jobs_too(
    tmp_path, workspace
) -> None:
    server = OpenAIServer(direct)
    async with server.running() as url, priced_town(tmp_path, workspace, url) as town:
        ts = await town.mention(KILN)
        await town.answered(ts)
        run = await town.run(ts)
        asked = run.usage.model_calls
        assert asked >= 2, "what it looked for, and the fact that it kept"
        assert run.usage.tokens == run.usage.prompt_tokens == PER_TEXT * asked
        assert run.usage.usd == pytest.approx(run.usage.tokens / 1_000)
        assert f"{run.usage.tokens} tokens" in town.said(ts)
        await until_embedded(town)
        texts = [text for body in server.embedding_bodies for text in body["input"]]
        counted = [text for text in texts if text != "ready"]
        day = await town.tally()
        assert day.tokens == PER_TEXT * len(counted) > run.usage.tokens
        assert day.usd == pytest.approx(day.tokens / 1_000)


async def test_the_workspaces_budget_of_the_day_holds_the_job_and_the_doctor_says_so(
    tmp_path, workspace, caplog
) -> None:
    server = OpenAIServer(direct)
    budget = {"workspace_tokens_per_day": 1}
    async with server.running() as url:
        async with priced_town(tmp_path, workspace, url, budgets=budget) as town:
            await answered(town, KILN)
            await town.until(lambda: "memories_wait_for_budget" in caplog.messages)
            finding = await _embeddings(town.works.settings)
            assert finding.level is Level.DEGRADED
            assert "the others wait: half of the workspace's budget for today" in finding.said
            assert await town.works.memory.store.embedded("emb@9") == (1, 2)
        async with priced_town(tmp_path, workspace, url) as town:
            assert await until_embedded(town) == 2


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
