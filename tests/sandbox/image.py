"""An image to hold the battery on, made of this machine's own files: no registry is asked.

    python -m tests.sandbox.image podman

It has shells, coreutils, findutils, tar, python and node, and the libraries they load.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

IMAGE = "localhost/treadle-sandbox-test"
_PACKAGES = (
    *("bash", "coreutils", "dash", "findutils", "grep", "gzip", "mawk", "sed", "tar"),
    "util-linux",
)
_ALSO = ("/usr/bin/python3", "/usr/bin/node", "/usr/bin/awk", "/etc/alternatives/awk")
_PYTHON = "/usr/lib/python3.*/lib-dynload/*.so"


def make(engine: str) -> None:
    """Make the image; safe to call again."""
    with tempfile.TemporaryDirectory() as name:
        listed, archive = Path(name, "list"), Path(name, "root.tar")
        listed.write_text("\n".join(sorted(_paths())))
        library = sorted(Path("/usr/lib").glob("python3.[0-9]*"))
        pack = ["tar", "-C", "/", "--hard-dereference", "--numeric-owner", "-cf", archive]
        left_out = ["--exclude=__pycache__", "--exclude=*/dist-packages/*"]
        _run([*pack, *left_out, "-T", listed, *(str(path)[1:] for path in library)])
        _run([engine, "import", archive, IMAGE])


def _paths() -> Iterator[str]:
    """Return what the image is made of, below the root, each once and no folder with content."""
    wanted = {Path(path) for package in _PACKAGES for path in _programs_of(package)}
    wanted |= {Path(path) for path in _ALSO}
    libraries = {
        path for program in [*wanted, *Path("/").glob(_PYTHON[1:])] for path in _loaded(program)
    }
    seen: set[Path] = set()
    for path in (*wanted, *libraries, Path("/lib64/ld-linux-x86-64.so.2")):
        seen.update(_with_what_it_leads_to(path))
    top = {Path("/") / name for name in ("bin", "lib", "lib64", "sbin")}
    yield from (str(path)[1:] for path in seen | {path for path in top if path.is_symlink()})


def _programs_of(package: str) -> list[str]:
    listed = _said("/usr/bin/dpkg", "-L", package).splitlines()
    return [path for path in listed if "/bin/" in path and Path(path).is_file()]


def _loaded(program: Path) -> Iterator[Path]:
    for word in _said("/usr/bin/ldd", str(program.resolve())).split():
        if word.startswith("/"):
            yield Path(word)


def _with_what_it_leads_to(path: Path) -> Iterator[Path]:
    """Yield a file and the links that lead to it, each in its real folder."""
    while path.is_symlink() or path.exists():
        path = path.parent.resolve() / path.name
        yield path
        if not path.is_symlink():
            return
        path = path.parent / path.readlink()


def _said(*command: str) -> str:
    ended = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our own command line
    return ended.stdout  # of a script, ldd says that it is none, with exit code 1


def _run(command: list[object]) -> None:
    subprocess.run([str(word) for word in command], check=True)  # noqa: S603 - our own command line


if __name__ == "__main__":
    make(sys.argv[1])
