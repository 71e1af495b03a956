"""What the documentation says is so: commands, links, settings, events, examples."""

import ast
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from agent_engine.models.offline import OfflineModel
from agent_engine.ports import ToolContext
from agent_engine.types import LIBRARY_SCOPE, RunId, TaskId
from bot.agents_file import AgentsFile, read_agents_file
from bot.cli import app
from bot.inbound.words import MENTION_VERBS, Verb
from bot.manifest import command_list, load_manifest
from bot.settings import Settings
from bot.tables.table import Table, header, kinds_in, tables_in

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
PACKAGES = ("bot", "agent_engine", "storage")
TREES = (*PACKAGES, "tests", "docs", "benchmarks")

FENCE = re.compile(r"^[ ]*```(\w*)\n(.*?)^[ ]*```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def fenced(text: str, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(text) if language in languages]


def prose(text: str) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", text)


def commands(path: Path) -> list[list[str]]:
    """The commands of a document's shell blocks, as lists of words, without comments."""
    blocks = fenced(path.read_text(), "console", "sh")
    lines = (line.strip() for block in blocks for line in block.splitlines())
    return [shlex.split(line, comments=True) for line in lines if line and "<<" not in line]


def of_program(program: str) -> list[Any]:
    """One test parameter per different command of this program."""
    found = {tuple(c): path for path in DOCS for c in commands(path) if c[:1] == [program]}
    return [pytest.param(c, id=f"{path.stem}: {shlex.join(c)}") for c, path in found.items()]


# -- commands ------------------------------------------------------------------------------------


def subcommand(words: list[str]) -> tuple[Any, list[str]]:
    """The command that the words behind ``treadle`` mean, and what is left for it."""
    command, rest = typer.main.get_command(app), list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.mark.parametrize("command", of_program("treadle"))
def test_a_treadle_command_of_the_docs_can_be_given(command):
    found, rest = subcommand(list(command[1:]))
    assert not getattr(found, "commands", {}), "this is a group, or there is no such command"
    found.make_context("treadle", rest)


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_a_command_named_in_a_sentence_exists(path):
    for said in INLINE.findall(prose(path.read_text())):
        program, words = said.split()[0], re.findall(r"[\w-]+", said)[1:]
        if program == "treadle":
            found, rest = subcommand(words)
            options = {option for p in found.params for option in p.opts} | {"--help"}
            wanted = rest if hasattr(found, "commands") else [w for w in rest if w[:2] == "--"]
            assert set(wanted) <= options, said
        if program == "make" and words:
            assert words[0] in targets(), said


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("command", of_program("make"))
def test_a_make_command_of_the_docs_has_a_target(command):
    named = [word for word in command[1:] if "=" not in word]
    assert set(named) <= targets()


def test_every_target_for_people_is_in_the_docs():
    shown = {word for path in DOCS for c in commands(path) if c[:1] == ["make"] for word in c[1:]}
    said = {s for path in DOCS for s in re.findall(r"`make (\w+)", path.read_text())}
    assert targets() - {"clean"} <= shown | said | {"lint", "bench"}


HARMLESS = ("manifest", "tool", "ask", "doctor", "db", "audit")


def harmless() -> list[Any]:
    """Commands that change nothing outside the folder they run in."""
    return [
        c
        for c in of_program("treadle")
        if c.values[0][1] in HARMLESS and not any(w.startswith("/") for w in c.values[0])
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder to run in, whose agent plans by rules even where a model server is found."""
    folder = tmp_path_factory.mktemp("somebody")
    (folder / "treadle.toml").write_text('[agent]\nplanner = "offline"\n')
    return folder


@pytest.mark.parametrize("command", [("treadle", "--help"), *harmless()])
def test_a_harmless_command_of_the_docs_works(command, home):
    environment = {k: v for k, v in os.environ.items() if not _is_setting(k)}  # noqa: TID251 - what a person's shell would hand on
    done = subprocess.run(  # noqa: S603 - a command of our own documentation
        [sys.executable, "-m", "bot", *command[1:]],
        cwd=home,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stdout + done.stderr
    assert done.stdout.strip() or command[1:3] == ("audit", "export")  # of an empty log: no lines


def _is_setting(name: str) -> bool:
    return name.startswith(("TREADLE_", "SLACK_", "OPENAI_"))


# -- links and paths -----------------------------------------------------------------------------

LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")


def links(text: str) -> list[str]:
    return [a or b for a, b in LINK.findall(INLINE.sub("", prose(text)))]


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    bare = (re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", h.lower())) for h in headings)
    return {heading.strip().replace(" ", "-") for heading in bare}


@pytest.mark.parametrize("path", [*DOCS, ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_a_link_leads_somewhere(path):
    text = path.read_text()
    for link in links(text):
        if re.match(r"\w+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = path.parent / target if target else path
        assert file.exists(), link
        if anchor:
            assert anchor in anchors(file.read_text()), link


def test_every_document_is_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop().resolve()
        if path in reached or path.suffix not in {".md", ""}:
            continue
        reached.add(path)
        pages = path.glob("*.md") if path.is_dir() else _linked(path)
        waiting.extend(page for page in pages if page.exists())
    assert {path.resolve() for path in DOCS} <= reached


def _linked(path: Path) -> Iterator[Path]:
    targets = (link.partition("#")[0] for link in links(path.read_text()))
    return (path.parent / t for t in targets if t and not re.match(r"\w+:", t))


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_a_file_that_is_named_exists(path):
    for said in INLINE.findall(prose(path.read_text())):
        if re.fullmatch(rf"(?:{'|'.join(TREES)})/[\w./-]*", said):
            assert (ROOT / said).exists(), said


def test_pictures_are_small_enough_to_be_loaded_with_the_page():
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert all(picture.stat().st_size < 250_000 for picture in pictures)


# -- settings, events, verbs ---------------------------------------------------------------------


def first_cells(text: str, head: str) -> str:
    """The first column of the table with this head, as one text."""
    lines = text[text.index(head) :].split("\n\n", 1)[0].splitlines()[2:]
    return "\n".join(line.split("|")[1] for line in lines)


def test_every_environment_variable_is_documented_and_exists():
    text = (ROOT / "docs" / "configuration.md").read_text()
    documented = re.findall(r"`([A-Z_]+)`", first_cells(text, "| variable |"))
    known = [field.alias for field in Settings.model_fields.values() if field.alias]
    assert sorted(documented) == sorted(known)


@pytest.mark.parametrize("path", DOCS, ids=lambda p: p.name)
def test_a_variable_that_is_named_exists(path):
    known = {field.alias for field in Settings.model_fields.values()}
    assert set(re.findall(r"\bTREADLE_[A-Z_]*[A-Z]\b", path.read_text())) <= known


def test_every_table_of_the_file_is_documented_and_exists():
    text = (ROOT / "docs" / "configuration.md").read_text()
    documented = re.findall(r"`\[+(\w+)", first_cells(text, "| table |"))
    assert sorted(documented) == sorted(AgentsFile.model_fields)


KINDS = {
    kind: [header(place) for place, found in kinds_in(AgentsFile) if found is kind]
    for place, kind in kinds_in(AgentsFile)
    if place
}
"""Where each kind of table may stand in the file."""


def keys_of(kind: type[Table]) -> dict[str, Any]:
    """The keys of a table that are no tables themselves, with their defaults."""
    inner = {place[0] for place, _ in kinds_in(kind) if place}
    fields = {n: f for n, f in kind.model_fields.items() if n not in inner}
    return {
        n: "required" if f.is_required() else f.get_default(call_default_factory=True)
        for n, f in fields.items()
    }


def as_toml(default: Any) -> str:
    """A default as the documentation writes it; empty for none."""
    if default is None or default in ((), {}):
        return ""
    if default == "required":
        return default
    return f"`{json.dumps(default)}`"


@pytest.mark.parametrize("kind", [k for k in KINDS if keys_of(k)], ids=lambda kind: kind.__name__)
def test_every_key_of_a_table_is_documented_with_its_default(kind):
    text = (ROOT / "docs" / "configuration.md").read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}
    section = next(
        s for title, s in sections.items() if any(f"`{h}`" in title for h in KINDS[kind])
    )
    rows = [line.split("|") for line in section.splitlines() if line.startswith("| `")]
    documented = {row[1].strip().strip("`"): row[2].strip() for row in rows}
    expected = {key: as_toml(default) for key, default in keys_of(kind).items()}
    assert {key: documented.get(key) for key in expected} == expected
    assert set(documented) <= set(kind.model_fields)


def test_the_example_is_valid_and_shows_every_key():
    example = (ROOT / "treadle.example.toml").read_text()
    switched_on = re.sub(r"^# (?=[\w]+ = |\[)", "", example, flags=re.MULTILINE)
    assert read_agents_file(ROOT / "treadle.example.toml", must_exist=True)[1] == []
    file = AgentsFile.model_validate(tomllib.loads(switched_on))
    shown: dict[type[Table], set[str]] = {}
    for _, table in tables_in(file):
        shown.setdefault(type(table), set()).update(table.model_fields_set)
    assert {k.__name__: set(keys_of(k)) - shown.get(k, set()) for k in KINDS} == {
        k.__name__: set() for k in KINDS
    }


def test_every_event_that_operators_are_told_of_is_logged():
    text = (ROOT / "docs" / "operations.md").read_text()
    documented = re.findall(r"`([a-z_]+)`", first_cells(text, "| event | level |"))
    strings = {
        node.value
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(documented) <= strings


def test_the_readme_names_every_verb_and_command():
    said = first_cells((ROOT / "README.md").read_text(), "| say | and |")
    row = next(line for line in (ROOT / "README.md").read_text().splitlines() if "<verb>" in line)
    assert set(re.findall(r"`(\w+)`", row)) == set(Verb)
    for verb in MENTION_VERBS:
        assert f"`@treadle {verb}`" in said or f"`{verb}`" in said
    for command in command_list(load_manifest()):
        assert f"`{command}" in said


# -- the examples of extending.md ----------------------------------------------------------------


@pytest.fixture(scope="module")
def examples():
    """All Python of extending.md, run in order as one module."""
    names: dict[str, Any] = {}
    for number, block in enumerate(
        fenced((ROOT / "docs" / "extending.md").read_text(), "python"), start=1
    ):
        exec(compile(block, f"extending.md, example {number}", "exec"), names)  # noqa: S102 - our own documentation
    return names


@pytest.fixture
def context(tmp_path):
    return ToolContext(
        scope=LIBRARY_SCOPE,
        run_id=RunId("run"),
        task_id=TaskId("task"),
        step=1,
        requester=None,
        task_folder=tmp_path,
        idempotency_key="key",
    )


async def test_the_examples_own_tests_pass(examples, context):
    tests = [test for name, test in examples.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        await test(context)


async def test_the_example_agent_works(examples, tmp_path):
    assert "Files in" in await examples["look_around"](tmp_path)


async def test_the_example_planner_is_made_around_a_model(examples):
    planner = examples["LookFirst"](OfflineModel())
    proposal = await planner.create_plan("anything", None, ())
    assert [action.tool_name for action in proposal] == ["file_operations"]
