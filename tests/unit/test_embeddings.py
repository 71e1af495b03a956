"""Which embeddings an installation has, and what the doctor and people are told of them."""

import asyncio
import tomllib

import pytest

from agent_engine.memories import MemoryKind, MemoryScope, NewMemory
from agent_engine.memory import minilm
from agent_engine.redaction import Redaction
from agent_engine.types import AgentId, ChannelId, WorkspaceId
from bot.agents_file import AgentsFile
from bot.doctor import Level, _embeddings, _models
from bot.embeddings import embedding_source, open_embedder
from bot.model_source import find_model
from bot.settings import Settings
from storage.database import open_database
from storage.memory.indexes import indexes_of
from storage.memory.store import SqlMemoryStore
from tests.fakes.openai_server import Fails, OpenAIServer, Says, in_order

NOWHERE = "http://127.0.0.1:9/v1"
HERE = MemoryScope(
    workspace_id=WorkspaceId("T1"), channel_id=ChannelId("C1"), agent_id=AgentId("A1")
)
KEY = "sk-embedding-0123456789"


@pytest.fixture(autouse=True)
def _no_local_server(monkeypatch):
    async def none():
        return None

    monkeypatch.setattr("bot.model_source.find_local_model", none)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(minilm, "is_installed", lambda: True)


@pytest.fixture
def not_installed(monkeypatch):
    monkeypatch.setattr(minilm, "is_installed", lambda: False)


def configured(toml="", **environment) -> Settings:
    file = AgentsFile.model_validate(tomllib.loads(toml))
    return Settings.model_validate({**environment, "file": file})


async def chosen(toml="", **environment):
    settings = configured(toml, **environment)
    return embedding_source(settings, await find_model(settings))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("said", [{}, {"TREADLE_EMBEDDING_MODEL": "local"}])
async def test_the_local_model_is_used_where_it_is_installed(said) -> None:
    source = await chosen(**said)
    assert source.is_local
    assert source.remarks == ()
    assert "on this machine" in source.description


@pytest.mark.usefixtures("not_installed")
async def test_without_it_memories_are_found_by_words_and_that_is_said_with_the_fix() -> None:
    for said in ({}, {"TREADLE_EMBEDDING_MODEL": "local"}):
        source = await chosen(**said)
        assert source.is_none
        assert source.description.endswith("memories are found by their words alone")
        assert "pip install" in source.fix
        assert source.remarks
        finding = await _embeddings(configured(**said))
        assert finding.level is Level.DEGRADED
        assert (finding.said, finding.fix) == (source.description, source.fix)


@pytest.mark.usefixtures("installed")
async def test_none_is_a_choice_and_no_fault() -> None:
    source = await chosen(TREADLE_EMBEDDING_MODEL="none")
    assert source.is_none
    assert source.remarks == ()
    finding = await _embeddings(configured(TREADLE_EMBEDDING_MODEL="none"))
    assert finding.level is Level.GOOD
    assert "by their words alone" in finding.said


@pytest.mark.usefixtures("installed")
async def test_no_text_leaves_the_machine_unless_a_model_is_named() -> None:
    assert (await chosen(OPENAI_API_KEY=KEY)).place is None
    place = (await chosen(OPENAI_API_KEY=KEY, TREADLE_EMBEDDING_MODEL="emb@512")).place
    assert (place.model, place.base_url, place.api_key) == (
        "emb@512",
        "https://api.openai.com/v1",
        KEY,
    )


async def test_a_model_of_the_file_may_be_on_a_server_of_its_own_without_the_others_key() -> None:
    toml = f"[models.emb]\nbase_url = '{NOWHERE}'\nmodel = 'bge-m3'\ntimeout_s = 3\n"
    for more in ({}, {"OPENAI_API_KEY": KEY}):
        place = (await chosen(toml, TREADLE_EMBEDDING_MODEL="emb", **more)).place
        assert (place.model, place.base_url, place.timeout_s) == ("bge-m3", NOWHERE, 3)
        assert place.api_key is None


async def test_a_model_for_embeddings_is_never_asked_to_talk() -> None:
    server = OpenAIServer(in_order(Says(text="ready")))
    async with server.running() as url:
        toml = f"[models.emb]\nbase_url = '{NOWHERE}'\n[models.talks]\nbase_url = '{url}'\n"
        settings = configured(toml, TREADLE_EMBEDDING_MODEL="emb")
        [finding] = await _models(settings)
    assert finding.said.startswith(f"talks at {url}")
    alone = configured("[models.emb]\nbase_url = 'http://x/v1'", TREADLE_EMBEDDING_MODEL="emb")
    assert (await find_model(alone)).is_offline


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("[prices.emb]", "emb@512"),
        ("[prices.'emb@512']", "emb@512"),
        ("[models.v]\nmodel = 'emb@512'\n[prices.emb]", "v"),
        ("[models.v]\nmodel = 'emb'\n[prices.v]", "v"),
        ("[models.v.price]", "v"),
    ],
)
async def test_it_has_the_price_of_its_name_with_or_without_the_dimension(toml, named) -> None:
    priced = f"{toml}\nprompt_usd = 0.02\ncompletion_usd = 0\n"
    source = await chosen(priced, OPENAI_API_KEY=KEY, TREADLE_EMBEDDING_MODEL=named)
    assert source.usd(1_000_000) == pytest.approx(0.02)
    other = await chosen("", OPENAI_API_KEY=KEY, TREADLE_EMBEDDING_MODEL="other")
    assert (other.price, other.usd(1_000_000)) == (None, 0.0)


async def test_a_named_model_without_a_server_is_said_with_the_fix() -> None:
    source = await chosen(TREADLE_EMBEDDING_MODEL="emb")
    assert source.is_none
    assert "no server is known for emb" in source.description
    assert "OPENAI_BASE_URL" in source.fix


async def test_texts_go_to_the_server_without_secrets_and_equal_ones_once() -> None:
    server = OpenAIServer(in_order(Says(text="")))
    async with server.running() as url:
        source = await chosen(OPENAI_BASE_URL=url, TREADLE_EMBEDDING_MODEL="letters")
        async with asyncio.timeout(20), open_embedder(source, Redaction([KEY]).redact) as embedder:
            await embedder.query(f"the key is {KEY}")
            await embedder.query(f"the key is {KEY}")
            await embedder.passages([f"it is {KEY}"])
            assert embedder.model == "letters@9"
    assert [body["input"] for body in server.embedding_bodies] == [
        ["the key is [secret]"],
        ["it is [secret]"],
    ]


async def test_nothing_is_opened_where_there_is_nothing() -> None:
    source = await chosen(TREADLE_EMBEDDING_MODEL="none")
    async with open_embedder(source, str) as embedder:
        assert embedder is None


async def test_the_doctor_says_the_dimension_and_how_many_memories_have_a_vector(tmp_path) -> None:
    server = OpenAIServer(in_order(Says(text="")))
    async with server.running() as url:
        facts = {"OPENAI_BASE_URL": url, "TREADLE_EMBEDDING_MODEL": "letters"}
        settings = configured(**facts, TREADLE_HOME=tmp_path)
        before = await _embeddings(settings)
        async with open_database(settings.database_url) as database:
            store = SqlMemoryStore(database, indexes_of(database))
            for n in range(3):
                await store.keep(HERE, NewMemory(kind=MemoryKind.NOTE, text=f"note {n}"))
            source = embedding_source(settings, await find_model(settings))
            async with open_embedder(source, str) as embedder:
                [vector] = await embedder.passages(["note 0"])
            [first, *_] = await store.unembedded("letters@9", limit=9)
            await store.embed({first.id: vector})
            while_open = await _embeddings(settings)
        after = await _embeddings(settings)
    assert before.said == f"letters at {url}; 9 numbers for a text"
    assert while_open == after
    assert after.said.endswith("; 1 of 3 memories have theirs")
    assert after.level is Level.GOOD


async def test_the_doctor_says_that_the_job_waits_for_the_budget_of_the_day(tmp_path) -> None:
    server = OpenAIServer(in_order(Says(text="")))
    async with server.running() as url:
        facts = {
            "OPENAI_BASE_URL": url,
            "TREADLE_EMBEDDING_MODEL": "letters",
            "TREADLE_HOME": tmp_path,
        }
        scarce, ample = (
            configured(f"[budgets]\nworkspace_tokens_per_day = {cap}", **facts) for cap in (5, 50)
        )
        async with open_database(scarce.database_url) as database:
            store = SqlMemoryStore(database, indexes_of(database))
            await store.keep(HERE, NewMemory(kind=MemoryKind.NOTE, text="x" * 30))
        waits, works = await _embeddings(scarce), await _embeddings(ample)
    assert "; 0 of 1 memories have theirs; the others wait: half of the workspace's" in waits.said
    assert (waits.level, works.level) == (Level.DEGRADED, Level.GOOD)
    assert "[budgets]" in waits.fix
    assert "wait" not in works.said


async def test_a_server_that_makes_none_is_degraded_and_says_what_goes_on() -> None:
    server = OpenAIServer(in_order(Says(text="")))
    server.embeds = lambda _body, _index: Fails(status=404, message="unknown model")
    async with server.running() as url:
        finding = await _embeddings(
            configured(OPENAI_BASE_URL=url, TREADLE_EMBEDDING_MODEL="letters")
        )
    assert finding.level is Level.DEGRADED
    assert "unknown model" in finding.said
    assert finding.said.endswith("meanwhile memories are found by their words alone")
    assert "model" in finding.fix
