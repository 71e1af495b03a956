from agent_engine.backoff import Backoff, delay_s

PATIENT = Backoff(first_s=1.0, longest_s=5.0, longest_asked_s=60.0)


def test_the_delay_doubles_up_to_the_longest():
    assert [delay_s(n, PATIENT, uniform=max) for n in range(1, 6)] == [1.0, 2.0, 4.0, 5.0, 5.0]


def test_the_delay_is_drawn_from_nothing_to_all_of_it():
    drawn = []
    delay_s(2, PATIENT, uniform=lambda low, high: drawn.append((low, high)) or low)
    assert drawn == [(0.0, 2.0)]


def test_a_server_is_given_the_time_it_asked_for():
    assert delay_s(1, PATIENT, asked_s=30.0, uniform=max) == 30.0


def test_a_wish_beyond_our_patience_ends_it():
    assert delay_s(1, PATIENT, asked_s=61.0, uniform=max) is None
