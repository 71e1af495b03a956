"""Who of those that wait may start: a table of cases."""

import pytest

from storage.slots import Claim, SlotCaps, fitting


def claim(run_id: str, agent: str = "A", *, cap: int = 1, channel: str = "C", by: str = "U"):
    return Claim(run_id=run_id, agent_id=agent, agent_cap=cap, channel_id=channel, requester=by)


FREE = SlotCaps(per_person=0, per_channel=0)


@pytest.mark.parametrize(
    ("holders", "queue", "caps", "expected"),
    [
        pytest.param([], [], FREE, [], id="nobody waits"),
        pytest.param([], [claim("1"), claim("2")], FREE, ["1"], id="the first takes the slot"),
        pytest.param([("A", "C", "U")], [claim("1")], FREE, [], id="the slot is taken"),
        pytest.param([("B", "C", "U")], [claim("1")], FREE, ["1"], id="by another agent"),
        pytest.param([("A", "C", "U")], [claim("1", cap=0)], FREE, ["1"], id="no cap"),
        pytest.param(
            [("A", "C", "U")],
            [claim("1"), claim("2", "B")],
            FREE,
            ["2"],
            id="one that does not fit holds up nobody",
        ),
        pytest.param(
            [],
            [claim("1", "A"), claim("2", "B"), claim("3", "D", by="V")],
            SlotCaps(per_person=1, per_channel=0),
            ["1", "3"],
            id="a person's cap",
        ),
        pytest.param(
            [("X", "C", "W")],
            [claim("1", "A"), claim("2", "B"), claim("3", "D", channel="E")],
            SlotCaps(per_person=0, per_channel=2),
            ["1", "3"],
            id="a channel's cap",
        ),
    ],
)
def test_who_may_start(holders, queue, caps, expected) -> None:
    assert fitting(holders, queue, caps) == expected


def test_runs_of_nobody_are_not_counted_as_one_person() -> None:
    queue = [
        Claim(run_id=name, agent_id=name, agent_cap=1, channel_id="C", requester=None)
        for name in ("1", "2")
    ]
    assert fitting([("X", "C", None)], queue, SlotCaps(per_person=1)) == ["1", "2"]
