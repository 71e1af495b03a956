"""How a program in each language is started, the same in every sandbox."""

import re
import shutil
from pathlib import Path
from typing import Final, NamedTuple

from agent_engine.tools.sandbox.driver import Language

SEARCH_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_BINARIES: Final = {
    Language.PYTHON: "python3",
    Language.JAVASCRIPT: "node",
    Language.BASH: "bash",
}
# No \s: it would run over line ends, and over again from every one of them.
_MODULE_SYNTAX: Final = re.compile(
    r"^[ \t]*(import([ \t]+\w|[ \t]*[{*\"'])|export[ \t]+[\w{*])"
    r"|^[ \t]*(const|let|var)[ \t].*=[ \t]*await[ \t]|^await[ \t]",
    re.MULTILINE,
)

# Node looks for './x' beside the program, and the program is not in the work folder.
_COMMONJS_LOADER: Final = """\
const Module = require('module');
const path = require('path').join(process.cwd(), 'main.js');
const main = new Module(path, null);
main.filename = path;
main.paths = Module._nodeModulePaths(process.cwd());
process.mainModule = main;
process.argv[1] = path;
main._compile(require('fs').readFileSync(__dirname + '/program.js', 'utf8'), path);
"""


class Source(NamedTuple):
    """A file that holds a program, or helps to start it."""

    name: str
    text: str


class Start(NamedTuple):
    """How to start a program whose files lie in one folder."""

    binary: str
    flags: tuple[str, ...]
    main: str
    """Name of the source to start."""
    sources: tuple[Source, ...]

    def argv(self, folder: str) -> tuple[str, ...]:
        """Return the command line, the sources being in this folder."""
        return (self.binary, *self.flags, f"{folder}/{self.main}")


def found_languages(python: Path | None = None) -> frozenset[Language]:
    """Return the languages whose interpreter is installed where sandboxes look.

    Args:
        python: the interpreter of a prepared environment; None for the system's.
    """
    found = {language for language in Language if binary_of(language) is not None}
    if python is not None:
        found = found - {Language.PYTHON} | ({Language.PYTHON} if python.exists() else set())
    return frozenset(found)


def binary_of(language: Language) -> str | None:
    """Return the path of a language's interpreter; None when it is not installed."""
    return shutil.which(_BINARIES[language], path=SEARCH_PATH)


def start_of(language: Language, code: str, python: str | None = None) -> Start:
    """Say how a program is started.

    Args:
        language: what it is written in.
        code: all of it.
        python: the interpreter of a prepared environment; None for the system's.
    """
    binary = binary_of(language) or _BINARIES[language]
    match language:
        case Language.PYTHON:
            # -B leaves no __pycache__ behind; -u keeps what was printed before a kill.
            return Start(python or binary, ("-B", "-u"), "main.py", (Source("main.py", code),))
        case Language.BASH:
            return Start(binary, ("--norc",), "main.sh", (Source("main.sh", code),))
        case Language.JAVASCRIPT if _MODULE_SYNTAX.search(code):
            return Start(binary, (), "main.mjs", (Source("main.mjs", code),))
        case Language.JAVASCRIPT:
            sources = (Source("main.cjs", _COMMONJS_LOADER), Source("program.js", code))
            return Start(binary, (), "main.cjs", sources)
