"""What people thought of a memory's use has a small and bounded part in the ranking."""

import pytest

from storage.memory.finding import weighed


@pytest.mark.parametrize(
    ("weight", "factor"),
    [(1.0, 1.0), (10.0, 1.1), (0.1, 0.9), (1_000.0, 1.1), (0.0, 0.9), (1.25, 1.0097)],
)
def test_weight_moves_a_score_by_a_tenth_at_most(weight, factor):
    assert weighed(weight) == pytest.approx(factor, abs=1e-4)


def test_more_weight_is_never_worth_less():
    factors = [weighed(1.25**n) for n in range(-12, 13)]
    assert factors == sorted(factors)
