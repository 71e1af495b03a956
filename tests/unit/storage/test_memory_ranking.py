"""Words and vectors as one ranking, the words of texts, and the bounded matrices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.memory.fusion import coverage_of, fused
from storage.memory.matrices import Matrices, Matrix
from storage.memory.searching import Nearest
from storage.memory.words import (
    likeness_of,
    query_words,
    shelved,
    telling_marks,
    words_of,
)

NEAREST = Nearest({1: 0.9, 2: 0.5, 3: 0.1}, least=0.1, greatest=0.9)


def matrix(version, rows, *, rewritten=0):
    return Matrix(
        version, rewritten, np.arange(rows), np.zeros(rows), np.zeros((rows, 4), np.float32)
    )


def test_without_vectors_the_words_decide_alone() -> None:
    assert fused({7: 2.0, 8: 4.0}, None, most=9) == {8: 1.0, 7: 0.5}


def test_without_words_the_vectors_decide_alone() -> None:
    found = fused({}, NEAREST, most=2)
    assert list(found) == [1, 2]
    assert found[1] == pytest.approx(1.0)


def test_words_weigh_as_much_as_they_cover() -> None:
    misled = fused({3: 5.0}, NEAREST, most=3)
    assert misled[3] == pytest.approx(0.5)
    wary = fused({3: 5.0}, NEAREST, most=3, coverage=0.1)
    assert list(wary) == [1, 2, 3]
    assert wary[3] == pytest.approx(0.05)


def test_what_only_the_words_find_is_ranked_as_well() -> None:
    found = fused({9: 5.0}, NEAREST, most=4)
    assert set(list(found)[:2]) == {9, 1}


def test_equal_vectors_are_no_division_by_nothing() -> None:
    found = fused({}, Nearest({1: 1.0, 2: 1.0}, least=1.0, greatest=1.0), most=3)
    assert set(found.values()) == {0.0}


@given(st.dictionaries(st.integers(1, 50), st.floats(0.001, 100), max_size=20), st.integers(1, 30))
def test_a_ranking_is_bounded_ordered_and_from_zero_to_one(keyword, most) -> None:
    cosines = {at: at / 15 - 1 for at in range(1, 31)}
    found = fused(keyword, Nearest(cosines, least=1 / 15 - 1, greatest=1.0), most=most)
    assert len(found) <= most
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert all(-1e-6 <= score <= 1 + 1e-6 for score in found.values())


def test_rare_words_count_more_in_what_is_covered() -> None:
    assert coverage_of([]) == 0.0
    assert coverage_of([(3, True), (3, True)]) == 1.0
    assert coverage_of([(1, True), (500, False)]) > 0.8
    assert coverage_of([(1, False), (500, True)]) < 0.2
    assert coverage_of([(0, False), (40, True)]) < 0.2


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.text(max_size=5), st.text(max_size=5))
def test_words_of_two_shelves_never_begin_alike(one, other, word, another) -> None:
    [mine], [theirs] = shelved(one, [word]), shelved(other, [another])
    assert (mine == theirs) == (one == other and word == another)
    if one != other:
        assert not mine.startswith(f"s{other}q")


def test_words_are_folded_and_unspaced_scripts_come_in_pairs() -> None:
    assert list(words_of("Größe: 3_km, ﬁn!")) == ["grösse", "3", "km", "fin"]
    assert list(words_of("abc火曜日x")) == ["abc", "火曜", "曜日", "x"]
    assert list(words_of("水")) == ["水"]
    assert list(words_of("… \x00 \ud800")) == []


def test_common_words_are_looked_for_only_where_there_are_no_others() -> None:
    assert query_words("When does the kiln run, the kiln?") == ("kiln", "run")
    assert query_words("who are they") == ("who", "are", "they")
    assert len(query_words(" ".join(f"w{n}" for n in range(500)))) == 40


def test_the_same_words_are_alike_whatever_their_case_and_marks() -> None:
    assert likeness_of("The key, under the mat.") == likeness_of("the KEY under the mat")
    assert likeness_of("five keys") != likeness_of("four keys")


def test_numbers_names_and_negations_tell_texts_apart() -> None:
    assert telling_marks("Ada took 5 of them") == {"ada", "5"}
    assert telling_marks("they do not run") == {"not"}
    assert telling_marks("the kiln runs") == frozenset()


def test_matrices_stay_within_their_bytes_and_the_oldest_use_goes_first() -> None:
    held = Matrices(most_bytes=3 * matrix(1, 10).size)
    for shelf in (1, 2, 3):
        held.put((shelf, "m"), matrix(1, 10))
    held.get((1, "m"))
    held.put((4, "m"), matrix(1, 10))
    assert held.get((2, "m")) is None
    assert held.get((1, "m")) is not None
    assert held.size == 3 * matrix(1, 10).size
    held.put((5, "m"), matrix(1, 1_000))
    assert held.get((5, "m")) is None


def test_an_older_version_does_not_take_the_place_of_a_newer_one() -> None:
    held = Matrices()
    held.put((1, "m"), matrix(5, 10))
    held.put((1, "m"), matrix(4, 3))
    found = held.get((1, "m"))
    assert found is not None
    assert found.version == 5
