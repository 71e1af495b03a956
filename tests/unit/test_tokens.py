from hypothesis import given
from hypothesis import strategies as st

from agent_engine.tokens import FLOOR_TOKENS, estimate_tokens, fit_to_budget, shorten

ANY_TEXT = st.text(st.characters(), max_size=400)


@given(ANY_TEXT, st.integers(0, 300))
def test_a_shortened_text_never_exceeds_its_tokens(text, tokens):
    assert estimate_tokens(shorten(text, tokens)) <= tokens


@given(st.lists(ANY_TEXT, max_size=12), st.integers(0, 800))
def test_fitted_texts_keep_number_and_order_and_never_exceed_the_budget(texts, budget):
    fitted = fit_to_budget(texts, budget)
    assert len(fitted) == len(texts)
    assert sum(map(estimate_tokens, fitted)) <= budget
    if sum(map(estimate_tokens, texts)) <= budget:
        assert fitted == tuple(texts)


@given(st.lists(st.integers(0, 3_000), min_size=2, max_size=8), st.integers(100, 600))
def test_a_newer_text_is_shortened_only_when_all_older_ones_are_at_the_floor(lengths, budget):
    texts = ["x" * length for length in lengths]
    fitted = fit_to_budget(texts, budget)
    changed = [index for index, text in enumerate(texts) if fitted[index] != text]
    if not changed:
        return
    for older in range(changed[-1]):
        assert estimate_tokens(fitted[older]) <= FLOOR_TOKENS


def test_a_shortened_text_keeps_head_and_tail():
    text = "begin " + "middle " * 2_000 + "end"
    shortened = shorten(text, 100)
    assert shortened.startswith("begin")
    assert shortened.endswith("end")
    assert "characters, middle left out" in shortened


def test_an_empty_text_has_no_tokens_and_any_other_has_some():
    assert estimate_tokens("") == 0
    assert estimate_tokens("a") == 1
    assert estimate_tokens("\ud800") >= 1


def test_english_and_chinese_are_estimated_within_a_third():
    english = "The quick brown fox jumps over the lazy dog. " * 20  # about 200 tokens
    assert 130 < estimate_tokens(english) / 20 * 13 < 260
    assert 80 < estimate_tokens("敏捷的棕色狐狸跳过懒狗" * 10) < 150
