import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from agent_engine.breaker import BreakerState
from agent_engine.tools.http.exchange import HttpError, HttpRequest, HttpResponse
from agent_engine.tools.http.patience import Patience, PatientExchange, retry_after_s
from agent_engine.tools.http.urls import read_url
from tests.fakes.web import Slept

HERE = read_url("https://good.example/")
DOWN = HttpError("the connection failed", is_passing=True)
WRONG = HttpError("the url is malformed")


def answered(status=200, **headers):
    shown = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return HttpResponse(status=status, reason="", headers=shown, body=b"", destination=HERE)


class Line:
    """Says one thing after the other, the last one for ever."""

    def __init__(self, *says):
        self.says = list(says)
        self.asked = 0

    async def __call__(self, _request, _extra, *, deadline):
        del deadline
        self.asked += 1
        said = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if isinstance(said, Exception):
            raise said
        return said


class Patient:
    """A patient exchange whose time stands still until it is moved."""

    def __init__(self, **patience):
        self.now = 0.0
        self.slept = Slept()
        self.exchange = PatientExchange(
            Patience(**patience),
            sleep=self.slept,
            uniform=lambda _low, high: high,
            monotonic_s=lambda: self.now,
        )

    async def send(self, line, *, is_repeatable=True, method="GET", within_s=30.0):
        request = HttpRequest(method=method, destination=HERE, is_repeatable=is_repeatable)
        deadline = asyncio.get_running_loop().time() + within_s
        return await self.exchange(line, request, {}, deadline=deadline)

    @property
    def state(self):
        return self.exchange.breaker(HERE.origin).state


@pytest.mark.parametrize("passing", [DOWN, answered(429), answered(502), answered(503)])
async def test_what_passes_is_tried_again_with_growing_delays(passing):
    patient, line = Patient(), Line(passing, passing, answered())
    assert (await patient.send(line)).status == 200
    assert patient.slept.waits == [0.5, 1.0]


@pytest.mark.parametrize("passing", [DOWN, answered(429), answered(503)])
async def test_what_must_not_happen_twice_is_sent_once(passing):
    patient, line = Patient(), Line(passing)
    with suppress(HttpError):
        await patient.send(line, is_repeatable=False, method="POST")
    assert line.asked == 1


@pytest.mark.parametrize("lasting", [WRONG, answered(400), answered(404), answered(500)])
async def test_what_does_not_pass_is_not_tried_again(lasting):
    patient, line = Patient(), Line(lasting)
    with suppress(HttpError):
        await patient.send(line)
    assert line.asked == 1


async def test_the_last_attempt_decides():
    patient, line = Patient(attempts=3), Line(answered(503))
    assert (await patient.send(line)).status == 503
    assert line.asked == 3
    with pytest.raises(HttpError, match="connection failed"):
        await Patient(attempts=2).send(Line(DOWN))


async def test_a_server_gets_the_pause_it_asks_for_within_bounds():
    patient = Patient()
    await patient.send(Line(answered(429, Retry_After="3"), answered()))
    assert patient.slept.waits == [3.0]
    line = Line(answered(429, Retry_After="3600"))
    assert (await patient.send(line)).status == 429
    assert line.asked == 1


async def test_no_pause_goes_beyond_the_end_of_the_call():
    patient, line = Patient(), Line(answered(503, Retry_After="5"))
    assert (await patient.send(line, within_s=4.0)).status == 503
    assert patient.slept.waits == []


async def test_a_server_that_fails_in_a_row_is_left_alone_and_then_tried_once():
    patient = Patient(attempts=1, failures_to_open=2, open_s=30.0)
    line = Line(DOWN, DOWN, DOWN, answered())
    for _ in range(2):
        with pytest.raises(HttpError, match="connection failed"):
            await patient.send(line)
    with pytest.raises(HttpError, match=r"good\.example failed several times .* for 30 s"):
        await patient.send(line)
    assert line.asked == 2

    patient.now = 31.0
    with pytest.raises(HttpError, match="connection failed"):
        await patient.send(line)
    assert (line.asked, patient.state) == (3, BreakerState.OPEN)

    patient.now = 62.0
    assert (await patient.send(line)).status == 200
    assert patient.state is BreakerState.CLOSED


@pytest.mark.parametrize("answer", [answered(404), answered(429), answered(500), WRONG])
async def test_an_answer_of_any_kind_opens_no_breaker(answer):
    patient = Patient(attempts=1, failures_to_open=1)
    with suppress(HttpError):
        await patient.send(Line(answer))
    assert patient.state is BreakerState.CLOSED


async def test_one_servers_trouble_is_not_anothers():
    patient = Patient(attempts=1, failures_to_open=1)
    with pytest.raises(HttpError):
        await patient.send(Line(DOWN))
    assert patient.state is BreakerState.OPEN
    other = read_url("https://other.example/").origin
    assert patient.exchange.breaker(other).state is BreakerState.CLOSED


async def test_a_cancelled_probe_lets_the_next_one_try():
    patient = Patient(attempts=1, failures_to_open=1, open_s=30.0)
    with pytest.raises(HttpError):
        await patient.send(Line(DOWN))
    patient.now = 31.0
    started = asyncio.Event()

    async def hangs(_request, _extra, *, deadline):
        del deadline
        started.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(patient.send(hangs))
        await started.wait()
        task.cancel()
    assert (await patient.send(Line(answered()))).status == 200


def test_breakers_do_not_pile_up():
    patient = Patient()
    for number in range(1_500):
        patient.exchange.breaker(("https", f"h{number}.example", 443))
    assert len(patient.exchange._breakers) == 1_000


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("5", 5.0),
        ("Sun, 22 Nov 2026 12:01:00 GMT", 60.0),
        ("Sun, 22 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2026 12:01:00 -0000", 60.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("\u0665", None),
        ("9" * 400, float("inf")),
        ("Sun, 22 Nov 2026 12:01:00 +" + "9" * 30, None),
    ],
)
def test_a_wish_for_a_pause_is_read_in_both_forms(said, seconds):
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert retry_after_s(answered(429, Retry_After=said), now=now) == seconds
