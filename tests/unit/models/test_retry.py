import asyncio

import pytest

from agent_engine.breaker import BreakerState, CircuitBreaker
from agent_engine.errors import ModelRefusedError, ModelReplyError, ModelUnavailableError
from agent_engine.models.replies import ModelBusyError, ModelTimeoutError
from agent_engine.models.retry import RetryingModel, RetryPolicy
from agent_engine.models.scripted import ScriptedModel
from tests.fakes.models import request


class Time:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def retrying(*steps, **policy):
    time = Time()
    model = RetryingModel(
        ScriptedModel(*steps),
        RetryPolicy(**policy),
        breaker=CircuitBreaker(time.monotonic),
        sleep=time.sleep,
        uniform=lambda _low, high: high,
    )
    return model, time


DOWN = ModelUnavailableError("down")


async def test_a_transient_failure_is_retried_with_growing_delays():
    model, time = retrying(DOWN, DOWN, DOWN, "at last")
    assert (await model.complete(request())).text == "at last"
    assert time.slept == [0.5, 1.0, 2.0]


async def test_the_delay_has_full_jitter():
    asked = []

    def uniform(low, high):
        asked.append((low, high))
        return low

    model = RetryingModel(ScriptedModel(DOWN, "ok"), sleep=asyncio.sleep, uniform=uniform)
    await model.complete(request())
    assert asked == [(0.0, 0.5)]


async def test_attempts_end_with_the_last_error():
    model, time = retrying(DOWN, DOWN, attempts=2)
    with pytest.raises(ModelUnavailableError, match="down"):
        await model.complete(request())
    assert len(time.slept) == 1


async def test_attempts_depend_on_the_purpose():
    model, time = retrying(DOWN, DOWN, "unused")
    with pytest.raises(ModelUnavailableError):
        await model.complete(request(purpose="judge"))
    assert len(time.slept) == 1


@pytest.mark.parametrize("error", [ModelRefusedError("no"), ModelReplyError("junk")])
async def test_what_is_not_transient_is_not_retried(error):
    model, time = retrying(error)
    with pytest.raises(type(error)):
        await model.complete(request())
    assert time.slept == []


async def test_the_longer_of_backoff_and_retry_after_is_waited():
    busy = ModelBusyError(retry_after_s=7.0)
    quick = ModelBusyError(retry_after_s=0.1)
    model, time = retrying(busy, quick, "ok")
    await model.complete(request())
    assert time.slept == [7.0, 1.0]


async def test_a_retry_after_that_is_too_long_is_not_waited_for():
    model, time = retrying(ModelBusyError(retry_after_s=3_600.0), "unused")
    with pytest.raises(ModelBusyError) as caught:
        await model.complete(request())
    assert caught.value.retry_after_s == 3_600.0
    assert time.slept == []


async def test_a_dead_server_fails_fast_and_is_tried_again_later():
    model, time = retrying(*[DOWN] * 5, "back", attempts=1)
    for _ in range(5):
        with pytest.raises(ModelUnavailableError, match="down"):
            await model.complete(request())
    assert model.breaker.state is BreakerState.OPEN
    with pytest.raises(ModelUnavailableError, match="left alone") as caught:
        await model.complete(request())
    assert caught.value.retry_after_s == 15.0
    time.now += 15.0
    assert model.breaker.state is BreakerState.HALF_OPEN
    assert (await model.complete(request())).text == "back"
    assert model.breaker.state is BreakerState.CLOSED


async def test_an_open_breaker_is_not_retried():
    model, time = retrying(*[DOWN] * 5, attempts=5)
    with pytest.raises(ModelUnavailableError):
        await model.complete(request())
    slept = len(time.slept)
    with pytest.raises(ModelUnavailableError, match="left alone"):
        await model.complete(request())
    assert len(time.slept) == slept


async def test_a_busy_server_does_not_open_the_breaker():
    model, _ = retrying(*[ModelBusyError(retry_after_s=1.0)] * 8, "ok", attempts=9)
    assert (await model.complete(request())).text == "ok"


async def test_a_failed_trial_opens_the_breaker_again():
    model, time = retrying(*[DOWN] * 6, attempts=1)
    for _ in range(5):
        with pytest.raises(ModelUnavailableError):
            await model.complete(request())
    time.now += 15.0
    with pytest.raises(ModelUnavailableError, match="down"):
        await model.complete(request())
    assert model.breaker.state is BreakerState.OPEN


def test_only_one_call_tries_a_half_open_breaker_and_an_abandoned_try_frees_it():
    time = Time()
    breaker = CircuitBreaker(time.monotonic, failures_to_open=1)
    breaker.failed()
    time.now += 15.0
    assert breaker.blocked_s() is None
    assert breaker.blocked_s() is not None
    breaker.abandoned()
    assert breaker.blocked_s() is None


async def test_a_cancelled_call_leaves_the_breaker_usable():
    time = Time()
    breaker = CircuitBreaker(time.monotonic, failures_to_open=1)
    breaker.failed()
    time.now += 15.0

    async def never(_request):
        await asyncio.Event().wait()

    model = RetryingModel(ScriptedModel(never, "ok"), breaker=breaker)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await model.complete(request())
    assert (await model.complete(request())).text == "ok"


async def test_name_and_dialect_are_the_models():
    inner = ScriptedModel(name="inner")
    model = RetryingModel(inner)
    assert model.name == "inner"
    assert model.dialect is inner.dialect


async def test_a_model_that_takes_too_long_is_asked_once_more_and_no_oftener():
    model, time = retrying(ModelTimeoutError("slow"), ModelTimeoutError("slow"))
    with pytest.raises(ModelTimeoutError):
        await model.complete(request())
    assert len(time.slept) == 1
