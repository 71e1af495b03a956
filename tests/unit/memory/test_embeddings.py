"""What all vectors keep to, how texts are grouped, and what is asked only once."""

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_engine.errors import ModelReplyError, ModelUnavailableError
from agent_engine.memory.embeddings import CachedEmbedder, batches, embedding_from
from agent_engine.redaction import RedactingEmbedder
from tests.fakes.embedders import LetterEmbedder

NAN, INFINITE = float("nan"), float("inf")


@given(st.lists(st.integers(0, 50), max_size=60), st.integers(1, 9), st.integers(1, 120))
def test_every_text_is_in_one_group_in_order_and_no_group_is_too_large(sizes, texts, size):
    groups = batches(sizes, most_texts=texts, most_size=size)
    assert [at for group in groups for at in group] == list(range(len(sizes)))
    for group in groups:
        assert 1 <= len(group) <= texts
        assert len(group) == 1 or sum(sizes[at] for at in group) <= size


@given(st.lists(st.integers(1, 9), min_size=2, max_size=30))
def test_no_two_groups_in_a_row_would_have_fitted_in_one(sizes):
    groups = batches(sizes, most_texts=4, most_size=12)
    for one, other in pairwise(groups):
        joined = [*one, other[0]]
        assert len(joined) > 4 or sum(sizes[at] for at in joined) > 12


@pytest.mark.parametrize("numbers", [[3, 4], (3.0, 4.0), np.array([3, 4], np.float32)])
def test_a_vector_is_stored_as_small_floats_of_length_one(numbers):
    embedding = embedding_from("m", numbers)
    assert (embedding.model, embedding.dimension) == ("m@2", 2)
    assert np.frombuffer(embedding.vector, "<f4") == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize(
    "numbers",
    [
        [], [0, 0], [NAN, 1], [INFINITE, 1], [[1, 2]], [[1], [1, 2]], 7, None, "junk", ["a"],
        [None], {"a": 1}, [10**400], [3e300, 4e300], [1.0] * 16_001,
    ],
)  # fmt: skip
def test_what_is_no_direction_is_an_error(numbers):
    with pytest.raises(ModelReplyError):
        embedding_from("m", numbers)


def test_a_vector_of_another_dimension_is_an_error_that_says_both():
    with pytest.raises(ModelReplyError, match="of 2 numbers, not 3"):
        embedding_from("m", [1, 2], dimension=3)


async def test_equal_texts_are_asked_for_once():
    embedder = LetterEmbedder()
    cached = CachedEmbedder(embedder)
    first = await cached.passages(["a", "b", "a"])
    again = await cached.passages(["b", "c", "a"])
    assert embedder.asked == [("a", "b"), ("c",)]
    assert first[0] == first[2] == again[2]
    assert again[0] == first[1]
    assert await cached.passages([]) == []


async def test_what_was_asked_longest_ago_is_asked_again():
    embedder = LetterEmbedder()
    cached = CachedEmbedder(embedder, most=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await cached.passages([text])
    assert embedder.asked == [("a",), ("b",), ("c",), ("b",)]


async def test_a_question_is_not_answered_with_the_vector_of_a_passage():
    embedder = LetterEmbedder()
    cached = CachedEmbedder(embedder)
    [passage] = await cached.passages(["a"])
    query = await cached.query("a")
    assert query == await cached.query("a")
    assert query != passage
    assert embedder.asked == [("a",), "a"]
    assert cached.model == embedder.model


async def test_what_is_known_already_costs_nothing():
    embedder, calls = LetterEmbedder(), []
    embedder.tokens_per_text = 3
    cached = CachedEmbedder(RedactingEmbedder(embedder, str))
    for _ in range(2):
        await cached.passages(["a", "b", "a"], settle=calls.append)
        await cached.query("a", settle=calls.append)
    await cached.passages(["b", "c"], settle=calls.append)
    assert [call.prompt_tokens for call in calls] == [6, 3, 3]


async def test_a_failure_is_not_remembered():
    embedder = LetterEmbedder()
    cached = CachedEmbedder(embedder)
    embedder.error = ModelUnavailableError("down")
    with pytest.raises(ModelUnavailableError):
        await cached.query("a")
    embedder.error = None
    async with asyncio.timeout(5):
        assert (await cached.query("a")).dimension == embedder.dimension
