"""Honest programs work in every sandbox as their author expects."""

import pytest

from agent_engine.tools.call import ToolCaller
from agent_engine.tools.code_execution import code_execution
from agent_engine.tools.sandbox.choose import SandboxChooser
from agent_engine.tools.sandbox.driver import Language, SandboxJob
from tests.fakes.tools import StoppedClock, tool_context

pytestmark = pytest.mark.needs_sandbox
needs_node = pytest.mark.needs_node


async def test_a_program_reads_its_files_and_input_and_its_files_come_back(run, driver):
    (run.folder / "in").mkdir()
    (run.folder / "in" / "numbers.txt").write_text("1\n2\n3\n")
    (run.folder / "kept.txt").write_text("kept")
    code = """
from pathlib import Path
numbers = [int(line) for line in Path("in/numbers.txt").read_text().split()]
Path("out/deep").mkdir(parents=True)
Path("out/deep/sum.txt").write_text(str(sum(numbers)))
Path("in/numbers.txt").write_text("changed")
print(input(), Path.cwd().name)
"""
    ended = await driver.run(
        SandboxJob(language=Language.PYTHON, code=code, stdin="hello\n", folder=run.folder)
    )

    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "hello work\n", "")
    assert ended.files == ("in/numbers.txt", "out/deep/sum.txt")
    assert (run.folder / "out/deep/sum.txt").read_text() == "6"
    assert (run.folder / "in/numbers.txt").read_text() == "changed"
    assert (run.folder / "kept.txt").read_text() == "kept"


async def test_only_the_program_is_to_be_seen_in_its_folder(run):
    (run.folder / "a.txt").write_text("")

    assert (await run("ls -A", Language.BASH)).stdout == "a.txt\n"
    assert (await run("import os; print(os.listdir())")).stdout == "['a.txt']\n"


async def test_modules_in_the_task_folder_can_be_imported(run):
    (run.folder / "helper.py").write_text("answer = 42")

    ended = await run("import helper; print(helper.answer)")

    assert (ended.stdout, ended.files) == ("42\n", ())


async def test_a_traceback_shows_the_line_that_failed(run):
    ended = await run("x = 1\nraise ValueError('no ' + str(x))")

    assert ended.exit_code == 1
    assert "raise ValueError('no ' + str(x))" in ended.stderr
    assert ended.stderr.rstrip().endswith("ValueError: no 1")


@pytest.mark.parametrize(
    ("code", "language", "exit_code"),
    [
        ("exit 3", Language.BASH, 3),
        ("kill -TERM $$", Language.BASH, 143),
        ("no-such-command", Language.BASH, 127),
        ("import os; os.abort()", Language.PYTHON, 134),
        ("import sys; sys.exit(7)", Language.PYTHON, 7),
        ("this is no python", Language.PYTHON, 1),
    ],
)
async def test_the_exit_code_is_the_programs_own(run, code, language, exit_code):
    ended = await run(code, language)

    assert ended.exit_code == exit_code
    assert "keeper" not in ended.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import threading as t; x = t.Timer(0, print, (5,)); x.start(); x.join()", "5"),
        ("import subprocess as s; print(s.run(['echo', '5'], stdout=-1).stdout)", "b'5\\n'"),
        ("import sqlite3 as s; print(s.connect('d').execute('select 5').fetchone())", "(5,)"),
        ("import tempfile; f = tempfile.TemporaryFile(); print(f.write(b'12345'))", "5"),
        ("import zipfile as z\nwith z.ZipFile('z', 'w') as f: f.write('given.txt'); print(5)", "5"),
        ("import json, re, decimal, datetime, random, csv, statistics, hashlib; print(5)", "5"),
        ("print('☕ naïve')", "☕ naïve"),
        ("import sys; sys.stdout.buffer.write(b'\\xff5')", "\ufffd5"),
    ],
)  # fmt: skip
async def test_ordinary_python_works(run, code, said):
    (run.folder / "given.txt").write_text("x")

    ended = await run(code)

    assert (ended.exit_code, ended.stdout.strip()) == (0, said), ended.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("for i in 1 2 3; do echo $i; done | sort -r | head -1", "3"),
        ("awk 'BEGIN { print 2 + 3 }'; sed s/a/b/ <<< a; grep -c x <<< x", "5\nb\n1"),
        ("python3 -c 'print(5)'", "5"),
        ("echo -n 5 > f; wc -c < f", "1"),
        ("set -euo pipefail; mkdir -p a/b; tar czf t.tgz a; tar tzf t.tgz | tail -1", "a/b/"),
    ],
)
async def test_ordinary_bash_works(run, code, said):
    ended = await run(code, Language.BASH)

    assert (ended.exit_code, ended.stdout.strip()) == (0, said), ended.stderr


@pytest.mark.parametrize(
    ("code", "language", "said"),
    [
        (
            "from multiprocessing import Pool\nwith Pool(2) as p: print(p.map(abs, [-5]))",
            Language.PYTHON,
            "[5]",
        ),
        ("cat <(echo 5)", Language.BASH, "5"),
    ],
)
@pytest.mark.only_driver("bubblewrap")
async def test_what_needs_shared_memory_or_proc_works_in_namespaces(run, code, language, said):
    ended = await run(code, language)

    assert (ended.exit_code, ended.stdout.strip()) == (0, said), ended.stderr


@needs_node
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("console.log([3,1,2].sort())", "[ 1, 2, 3 ]"),
        ("const m = require('./module.js'); console.log(m.answer)", "42"),
        ("console.log(require.main === module, __dirname === process.cwd())", "true true"),
        ("import fs from 'node:fs'; console.log(fs.readFileSync('given.txt', 'utf8'))", "given"),
        ("const x = await Promise.resolve(5);\nconsole.log(x)", "5"),
        ("setTimeout(() => console.log(5), 5)", "5"),
        ("require('fs').writeFileSync('o.json', '{}'); console.log(require('./o.json'))", "{}"),
        ("console.log(require('fs').readFileSync(0, 'utf8').length)", "0"),
        ("console.log(require('crypto').createHash('md5').digest('hex').length)", "32"),
    ],
)  # fmt: skip
async def test_ordinary_javascript_works(run, code, said):
    (run.folder / "module.js").write_text("exports.answer = 42")
    (run.folder / "given.txt").write_text("given")

    ended = await run(code, Language.JAVASCRIPT)

    assert (ended.exit_code, ended.stdout.strip()) == (0, said), ended.stderr


@needs_node
async def test_an_error_in_javascript_names_its_line(run):
    ended = await run("const x = 1;\nnull.y", Language.JAVASCRIPT)

    assert ended.exit_code == 1
    assert "main.js:2" in ended.stderr


async def test_the_tool_runs_a_program_as_an_agent_would(tmp_path):
    calls = ToolCaller([code_execution(SandboxChooser())], StoppedClock())
    arguments = {"language": "python", "code": "open('answer.txt', 'w').write('42'); print(42)"}

    seen = await calls.call("code_execution", arguments, tool_context(tmp_path))

    assert seen.success
    assert (seen.content["stdout"], seen.content["exit_code"]) == ("42\n", 0)
    assert seen.outcome == "exit code 0, 1 line, made answer.txt"
    assert seen.files == ("answer.txt",)
    assert (tmp_path / "answer.txt").read_text() == "42"
