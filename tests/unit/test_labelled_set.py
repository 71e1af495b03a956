"""The labelled set keeps to its rules: a question shares no words with its answers but names."""

import json
import re
import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from storage.memory.words import STOP_WORDS

SET = Path(__file__).parents[2] / "benchmarks" / "data" / "memory_set"
SCOPES = sorted(folder.name for folder in SET.iterdir() if folder.is_dir())
KINDS = {"paraphrase", "keyword", "date", "multi_hop"}
FUNCTION_WORDS = STOP_WORDS | set(
    re.findall(
        r"\w+",
        "not no if so than then any all some now one us them me him after before during since "
        "until last first next most recently month year week day ago still again just only also "
        "ever up out over into off",
    )
)


@cache
def stemmer():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'porter unicode61')")
    db.execute("CREATE VIRTUAL TABLE v USING fts5vocab(t, 'instance')")
    return db


@cache
def stem(word):
    db = stemmer()
    db.execute("DELETE FROM t")
    db.execute("INSERT INTO t VALUES (?)", (word,))
    found = db.execute("SELECT term FROM v").fetchone()
    return found[0] if found else word


def words(text):
    return re.findall(r"\w+", text)


def stems(text):
    return {stem(word.lower()) for word in words(text) if word.lower() not in FUNCTION_WORDS}


def lines(scope, name):
    path = SET / scope / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def questions():
    return [question for scope in SCOPES for question in lines(scope, "questions")]


def test_the_set_is_large_enough() -> None:
    assert len(SCOPES) >= 10
    assert sum(len(lines(scope, "memories")) for scope in SCOPES) >= 2_000
    assert len(questions()) >= 200
    assert {question["kind"] for question in questions()} == KINDS


def test_no_two_questions_begin_alike() -> None:
    begin = Counter(tuple(w.lower() for w in words(q["text"])[:4]) for q in questions())
    assert [start for start, times in begin.items() if times > 1] == []


@pytest.mark.parametrize("scope", SCOPES)
def test_memories_are_told_once_and_in_no_frame(scope) -> None:
    told = lines(scope, "memories")
    assert len({one["id"] for one in told}) == len({one["text"] for one in told}) == len(told)
    frames = Counter(tuple(w.lower() for w in words(one["text"])[:3]) for one in told)
    assert [frame for frame, times in frames.items() if times > 2] == []


@pytest.mark.parametrize("scope", SCOPES)
def test_questions_share_only_names_with_their_answers(scope) -> None:
    told = {one["id"]: one for one in lines(scope, "memories")}
    for question in lines(scope, "questions"):
        names = {stem(w.lower()) for name in question["names"] for w in words(name)}
        assert question["answers"]
        for answer in question["answers"]:
            shared = stems(question["text"]) & stems(told[answer]["text"]) - names
            assert not shared, question["id"]
        assert question["kind"] != "paraphrase" or not names
        assert question["kind"] != "multi_hop" or len(question["answers"]) > 1


@pytest.mark.parametrize("scope", SCOPES)
def test_a_shared_word_is_a_name_a_number_or_a_date(scope) -> None:
    told = {one["id"]: one for one in lines(scope, "memories")}
    for question in lines(scope, "questions"):
        answers = [told[answer] for answer in question["answers"]]
        said = words(" ".join(f"{a['text']} {a['author']} {a['at']}" for a in answers))
        for word in (w for name in question["names"] for w in words(name)):
            forms = [one for one in said if stem(one.lower()) == stem(word.lower())]
            assert stem(word.lower()) in stems(question["text"])
            assert any(re.search(r"[A-Z0-9]", form) for form in forms), (question["id"], word)
