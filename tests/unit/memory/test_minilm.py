"""The embedding model of this machine, where it is installed."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from agent_engine.errors import ModelRefusedError, ModelUnavailableError
from agent_engine.memory import minilm
from agent_engine.memory.minilm import DIMENSION, MiniLM

pytestmark = pytest.mark.needs_embeddings

DEPLOY, FROZEN, CAKE = (
    "When may we deploy?",
    "Releases are frozen on Fridays.",
    "My grandmother's cake needs six eggs.",
)


@pytest.fixture
async def model():
    opened = MiniLM()
    yield opened
    await opened.aclose()


def cosine(one, other):
    return float(np.dot(np.frombuffer(one.vector, "<f4"), np.frombuffer(other.vector, "<f4")))


async def test_what_means_the_same_is_nearer_than_what_does_not(model):
    frozen, cake = await model.passages([FROZEN, CAKE])
    asked = await model.query(DEPLOY)
    assert cosine(asked, frozen) > cosine(asked, cake) + 0.1
    assert {e.model for e in (frozen, cake, asked)} == {model.model}
    assert cosine(frozen, frozen) == pytest.approx(1.0, abs=1e-5)


async def test_a_text_has_its_vector_whatever_it_is_embedded_with(model):
    texts = [f"{CAKE} {'more ' * (7 * n % 60)}{n}" for n in range(20)]
    together = await model.passages(texts)
    for text, embedding in zip(texts, together, strict=True):
        assert cosine(await model.query(text), embedding) > 0.99


async def test_any_text_has_a_vector(model):
    for text in ("", " ", "\x00", "会議", "x" * 50_000, "\ud800", "🦩" * 900):
        assert (await model.query(text)).dimension == DIMENSION


async def test_a_question_does_not_wait_for_all_passages(model):
    await model.query("loaded")
    ended = []

    async def ask(name, work):
        await work
        ended.append(name)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(ask("passages", model.passages([f"{CAKE} {n}" for n in range(64)])))
        group.create_task(ask("query", model.query(DEPLOY)))
    assert ended == ["query", "passages"]


async def test_other_weights_are_refused(model, monkeypatch, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"other")
    other = SimpleNamespace(model_path=lambda: tmp_path / "model.onnx")
    monkeypatch.setattr(minilm, "import_module", lambda _name: other)
    with pytest.raises(ModelRefusedError, match="not the one"):
        await model.query("x")


async def test_a_model_that_cannot_be_loaded_is_tried_again(model, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(minilm, "_WEIGHTS", "no_such_package")
        with pytest.raises(ModelUnavailableError, match="cannot be loaded"):
            await model.query("x")
    assert (await model.query("x")).dimension == DIMENSION
