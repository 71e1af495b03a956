"""Embeddings by a server: what is asked, what is read, what is learnt, and what is an error."""

import asyncio
import json
import logging
from contextlib import asynccontextmanager

import numpy as np
import pytest

from agent_engine.breaker import CircuitBreaker
from agent_engine.errors import (
    ModelError,
    ModelRefusedError,
    ModelReplyError,
    ModelUnavailableError,
)
from agent_engine.models.openai_embeddings import PATIENCE, ServerEmbedder
from agent_engine.models.replies import ModelTimeoutError
from agent_engine.models.retry import Retries
from agent_engine.ports import Price
from agent_engine.tokens import estimate_tokens
from tests.fakes.openai_server import (
    Drops,
    Embeds,
    Fails,
    Hangs,
    OpenAIServer,
    Raw,
    direct,
    letter_vectors,
)

BUSY = Fails(status=429, headers={"Retry-After": "7"})


class Time:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def playing(*replies):
    """Play these, the last one again and again; None stands for proper vectors."""

    def script(body, index):
        return replies[min(index, len(replies) - 1)] or letter_vectors(body, index)

    return script


@asynccontextmanager
async def connected(script=letter_vectors, model="letters", **options):
    server, time = OpenAIServer(direct), Time()
    server.embeds = script
    breaker = CircuitBreaker(lambda: time.now)
    retries = Retries(PATIENCE, breaker=breaker, sleep=time.sleep, uniform=lambda _low, high: high)
    async with asyncio.timeout(10), server.running() as url:
        embedder = ServerEmbedder(model, base_url=url, retries=retries, **options)
        embedder.time = time
        yield embedder, server
        await embedder.aclose()


def numbers(embedding):
    return np.frombuffer(embedding.vector, "<f4").tolist()


def inputs(server):
    return [body["input"] for body in server.embedding_bodies]


async def test_each_text_has_its_vector_and_the_model_its_dimension() -> None:
    async with connected() as (embedder, server):
        assert embedder.model == "letters"
        one, two = await embedder.passages(["a", "bb"])
        assert embedder.model == one.model == two.model == "letters@9"
        assert numbers(one) == pytest.approx([0.5**0.5, 0.5**0.5, *[0.0] * 7])
        assert numbers(two)[2] == pytest.approx(2 / 5**0.5)
        assert await embedder.query("a") == one
        assert await embedder.passages([]) == []
    assert inputs(server) == [["a", "bb"], ["a"]]
    assert server.embedding_bodies[0]["model"] == "letters"


async def test_vectors_are_put_to_their_texts_by_their_index() -> None:
    mixed = Embeds(vectors=[[0, 1], [1, 0]], indexes=[1, 0])
    async with connected(playing(mixed)) as (embedder, _):
        found = await embedder.passages(["first", "second"])
    assert [numbers(one) for one in found] == [[1, 0], [0, 1]]


async def test_a_dimension_behind_the_name_is_asked_for_and_kept_to() -> None:
    async with connected(model="letters@4") as (embedder, server):
        assert embedder.model == "letters@4"
        assert (await embedder.query("a")).dimension == 4
        assert server.embedding_bodies[0]["dimensions"] == 4
        server.embeds = playing(Embeds(vectors=[[1, 2, 3]]))
        with pytest.raises(ModelReplyError, match="3 numbers, not 4"):
            await embedder.query("a")


async def test_a_server_that_changes_the_dimension_under_the_same_name_is_not_believed() -> None:
    async with connected(playing(Embeds(vectors=[[1, 2]]), Embeds(vectors=[[1, 2, 3]]))) as (e, _):
        await e.query("a")
        with pytest.raises(ModelReplyError, match="3 numbers, not 2"):
            await e.query("a")


@pytest.mark.parametrize(
    ("model", "passage", "query"),
    [
        ("intfloat/multilingual-e5-small", {"input": ["passage: x"]}, {"input": ["query: x"]}),
        (
            "nomic-embed-text:v1.5",
            {"input": ["search_document: x"]},
            {"input": ["search_query: x"]},
        ),
        (
            "voyage-3.5",
            {"input": ["x"], "input_type": "document"},
            {"input": ["x"], "input_type": "query"},
        ),
        ("text-embedding-3-small", {"input": ["x"]}, {"input": ["x"]}),
    ],
)
async def test_models_are_told_of_questions_and_passages_in_their_own_way(
    model, passage, query
) -> None:
    async with connected(model=model) as (embedder, server):
        await embedder.passages(["x"])
        await embedder.query("x")
    told = [
        {k: v for k, v in body.items() if k not in ("model", "encoding_format")}
        for body in server.embedding_bodies
    ]
    assert told == [passage, query]


@pytest.mark.parametrize(
    "failures", [[Fails(status=500)], [BUSY], [Drops()], [Fails(status=503), BUSY]]
)
async def test_what_passes_is_tried_again(failures) -> None:
    async with connected(playing(*failures, None)) as (embedder, server):
        assert (await embedder.query("a")).dimension == 9
        assert len(server.embedding_bodies) == len(failures) + 1
        assert (max(embedder.time.slept) >= 7) == (BUSY in failures)


async def test_a_limit_of_the_rate_is_no_hint_about_sizes() -> None:
    limit = Fails(status=429, message="limit of 9 tokens per batch and minute reached")
    async with connected(playing(limit, None)) as (embedder, server):
        await embedder.passages(["a", "b", "c"])
    assert inputs(server) == [["a", "b", "c"]] * 2


async def test_a_server_that_stays_down_is_left_alone_for_a_while() -> None:
    async with connected(playing(Fails(status=500))) as (embedder, server):
        for _ in range(4):
            with pytest.raises(ModelUnavailableError):
                await embedder.query("a")
        assert len(server.embedding_bodies) == 5


async def test_a_server_that_hangs_is_given_up_after_the_time_limit() -> None:
    async with connected(playing(Hangs()), timeout_s=0.05) as (embedder, server):
        with pytest.raises(ModelTimeoutError):
            await embedder.query("a")
        assert len(server.embedding_bodies) == 2


@pytest.mark.parametrize(
    "junk",
    [
        Raw(body="<html>"),
        Raw(body="[]"),
        Raw(body="{}"),
        Raw(body='{"data": {"embedding": [1]}}'),
        Raw(body='{"data": ["x"]}'),
        Raw(body='{"data": [{"index": "0", "embedding": [1, 2]}]}'),
        Embeds(vectors=[]),
        Embeds(vectors=[[1], [2]]),
        Embeds(vectors=[[1]], indexes=[3]),
        Embeds(vectors=[[]]),
        Embeds(vectors=[[0, 0]]),
        Embeds(vectors=[[None, 1]]),
        Embeds(vectors=[[1, "x"]]),
        Embeds(vectors=["%%%"]),
        Embeds(vectors=["AAAA"]),
        Embeds(vectors=[{"a": 1}]),
        Embeds(vectors=[None]),
    ],
)
async def test_a_reply_that_is_no_vector_is_an_error_and_not_asked_for_again(junk) -> None:
    async with connected(playing(junk)) as (embedder, server):
        with pytest.raises(ModelReplyError):
            await embedder.query("a")
        assert len(server.embedding_bodies) == 1
        assert embedder.model == "letters"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_refusal_is_told_once_with_its_status(status) -> None:
    async with connected(playing(Fails(status=status, message="no such model"))) as (e, server):
        with pytest.raises(ModelRefusedError, match="no such model") as refused:
            await e.passages(["a", "b"])
        assert refused.value.status == status
        assert len(server.embedding_bodies) == 1


async def test_a_server_that_takes_few_texts_at_once_gets_as_many_as_it_takes() -> None:
    def three_at_most(body, index):
        if len(body["input"]) > 3:
            return Fails(status=422, message="batch size 8 > maximum allowed batch size 3")
        return letter_vectors(body, index)

    texts = [chr(ord("a") + n) * n for n in range(8)]
    async with connected(three_at_most) as (embedder, server):
        found = await embedder.passages(texts)
        assert [list(map(len, found)) for found in inputs(server)][:2] == [
            list(range(8)),
            list(range(4)),
        ]
        assert [len(batch) for batch in inputs(server)] == [8, 4, 2, 2, 2, 2]
        again = await embedder.passages(texts)
        assert len(inputs(server)) == 10
    assert found == again


@pytest.mark.parametrize("status", [400, 500])
async def test_a_server_that_takes_short_texts_only_gets_shorter_ones(status) -> None:
    def short_only(body, index):
        longest = max(map(estimate_tokens, body["input"]))
        if longest > 500:
            said = f"the input ({longest} tokens) is larger than the context size (512 tokens)"
            return Fails(status=status, message=said)
        return letter_vectors(body, index)

    texts = ["short", "long word " * 400, "also short"]
    async with connected(short_only) as (embedder, server):
        found = await embedder.passages(texts)
        assert len(found) == 3
        asked = len(inputs(server))
        await embedder.passages(texts)
        assert inputs(server)[asked:] == [inputs(server)[-1]]
        assert embedder.time.slept == []


async def test_a_text_that_is_refused_however_short_does_not_shorten_the_others() -> None:
    def refuses(body, index):
        if any("poison" in text for text in body["input"]):
            return Fails(status=400, message="too long")
        return letter_vectors(body, index)

    async with connected(refuses) as (embedder, server):
        with pytest.raises(ModelRefusedError):
            await embedder.passages(["poison " * 500])
        await embedder.passages(["word " * 1000])
    assert inputs(server)[-1] == ["word " * 1000]


async def test_a_server_without_base64_is_asked_for_plain_numbers() -> None:
    def plain_only(body, index):
        if "encoding_format" in body:
            return Fails(status=400, message="unknown field: encoding_format")
        return letter_vectors(body, index)

    async with connected(plain_only) as (embedder, server):
        plain = await embedder.query("abc")
        await embedder.query("d")
        server.embeds = letter_vectors
        assert ["encoding_format" in body for body in server.embedding_bodies] == [
            True,
            False,
            False,
        ]
    async with connected() as (embedder, _):
        assert await embedder.query("abc") == plain


async def test_many_texts_are_asked_for_in_requests_of_a_bounded_size() -> None:
    async with connected() as (embedder, server):
        found = await embedder.passages([f"text {n}" for n in range(2_500)])
        assert len(found) == 2_500
        assert list(map(len, inputs(server))) == [2_048, 452]
        await embedder.passages(["word " * 40_000] * 60)
    assert list(map(len, inputs(server)[2:])) == [37, 23]
    assert all(estimate_tokens(text) <= 8_000 for batch in inputs(server) for text in batch)


async def test_tokens_are_accounted_for_and_no_text_is_logged(caplog) -> None:
    caplog.set_level(logging.INFO)
    async with connected(playing(None, Embeds(vectors=[[1] * 9], usage=False))) as (embedder, _):
        await embedder.passages(["secret one", "secret two"])
        await embedder.query("secret three")
    first, second = [r for r in caplog.records if r.message == "texts_embedded"]
    assert (first.texts, first.tokens, first.estimated) == (2, 10, False)
    assert (second.tokens, second.estimated) == (estimate_tokens("secret three"), True)
    assert "secret" not in json.dumps([vars(r) for r in caplog.records], default=str)


async def test_each_request_is_settled_with_its_tokens_and_what_they_cost() -> None:
    told = Embeds(vectors=[[1] * 9], usage=False)
    calls = []
    price = Price(prompt_usd=0.2, completion_usd=100.0)
    async with connected(playing(None, told), model="letters@9", price=price) as (embedder, _):
        await embedder.passages(["one", "two"], settle=calls.append)
        await embedder.query("three", settle=calls.append)
    first, second = calls
    assert (first.model, first.purpose) == ("letters", "embedding")
    assert (first.prompt_tokens, first.completion_tokens, first.estimated) == (10, 0, False)
    assert first.usd == pytest.approx(10 * 0.2 / 1_000_000)
    assert (second.prompt_tokens, second.estimated) == (estimate_tokens("three"), True)


@pytest.mark.parametrize(
    ("usage", "tokens", "estimated"),
    [
        ({"prompt_tokens": 7, "total_tokens": 9}, 7, False),
        ({"total_tokens": 9}, 9, False),
        ({"prompt_tokens": None, "total_tokens": 9}, 9, False),
        ({"prompt_tokens": 0, "total_tokens": 0}, 1, True),
        ({"prompt_tokens": "7"}, 1, True),
        ({"prompt_tokens": -7}, 1, True),
        ([], 1, True),
    ],
)
async def test_what_the_server_says_of_tokens_is_taken_and_else_they_are_estimated(
    usage, tokens, estimated
) -> None:
    body = {"data": [{"index": 0, "embedding": [1, 2]}], "usage": usage}
    calls = []
    async with connected(playing(Raw(body=json.dumps(body)))) as (embedder, _):
        await embedder.query("a", settle=calls.append)
    assert [(c.prompt_tokens, c.estimated, c.usd) for c in calls] == [(tokens, estimated, None)]


async def test_what_was_answered_is_settled_though_the_rest_fails() -> None:
    calls = []
    async with connected(playing(None, Fails(status=401))) as (embedder, _):
        with pytest.raises(ModelRefusedError):
            await embedder.passages([f"text {n}" for n in range(2_500)], settle=calls.append)
    assert [call.prompt_tokens for call in calls] == [5 * 2_048]


async def test_vectors_that_are_junk_are_settled_and_calls_that_failed_are_not() -> None:
    calls = []
    script = playing(Fails(status=500), Embeds(vectors=[[0, 0]]))
    async with connected(script) as (embedder, _):
        with pytest.raises(ModelReplyError):
            await embedder.query("a", settle=calls.append)
    assert [call.prompt_tokens for call in calls] == [5]


async def test_half_a_character_can_be_sent() -> None:
    async with connected() as (embedder, server):
        await embedder.query("ü \ud800")
    assert inputs(server) == [["ü ?"]]


async def test_a_server_that_is_not_there_is_said_to_be_unreachable() -> None:
    retries = Retries(PATIENCE, sleep=Time().sleep)
    embedder = ServerEmbedder("m", base_url="http://127.0.0.1:9/v1", retries=retries)
    with pytest.raises(ModelError, match=r"127\.0\.0\.1:9 cannot be reached"):
        await embedder.query("a")
    await embedder.aclose()
