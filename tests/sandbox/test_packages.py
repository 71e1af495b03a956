"""Programs can import what the operator prepared, and change none of it."""

import subprocess

import pytest

from agent_engine.tools.sandbox.choose import drivers_with
from agent_engine.tools.sandbox.driver import Language, SandboxJob
from agent_engine.tools.sandbox.interpreters import binary_of
from agent_engine.tools.sandbox.setup import Setup

# Into a container's image packages are put by whoever makes it.
pytestmark = [
    pytest.mark.needs_sandbox,
    pytest.mark.only_driver("bubblewrap", "sandlock"),
]
needs_node = pytest.mark.needs_node


@pytest.fixture
def prepared(tmp_path):
    """An environment with one package that works, and a folder of node's."""
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    python = binary_of(Language.PYTHON)
    assert python is not None
    make = [python, "-m", "venv", "--without-pip", tmp_path / "venv"]
    subprocess.run(make, check=True)  # noqa: S603 - our own command line
    (site,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    add_package(site, "greeting", "def greet(): return 'hello from a package'")
    module = tmp_path / "node_modules" / "greeting"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"name": "greeting", "main": "index.js"}')
    (module / "index.js").write_text("exports.greet = () => 'hello from a module'")
    return Setup(python_environment=tmp_path / "venv", node_modules=tmp_path / "node_modules")


def add_package(site, name, code):
    (site / f"{name}.py").write_text(code)
    made = site / f"{name.capitalize()}-1.0.dist-info"
    made.mkdir()
    (made / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name.capitalize()}\nVersion: 1.0\n"
    )
    (made / "RECORD").write_text(f"{name}.py,,\n")
    (made / "top_level.txt").write_text(f"{name}\n")


async def ran(driver, setup, code, language=Language.PYTHON):
    job = SandboxJob(language=language, code=code)
    return await drivers_with(setup)[driver.name]().run(job)


async def test_prepared_packages_can_be_imported_from_python_and_from_bash(driver, prepared):
    code = "import greeting; print(greeting.greet())"

    direct = await ran(driver, prepared, code)
    by_bash = await ran(driver, prepared, f'python3 -c "{code}"', Language.BASH)

    assert (direct.stdout, direct.stderr) == ("hello from a package\n", "")
    assert (by_bash.stdout, by_bash.stderr) == ("hello from a package\n", "")


@needs_node
@pytest.mark.parametrize(
    "code",
    [
        "console.log(require('greeting').greet())",
        "import greeting from 'greeting';\nconsole.log(greeting.greet())",
    ],
)
async def test_prepared_modules_can_be_loaded_either_way(driver, prepared, code):
    ended = await ran(driver, prepared, code, Language.JAVASCRIPT)

    assert (ended.stdout, ended.stderr) == ("hello from a module\n", "")


async def test_prepared_packages_cannot_be_changed(driver, prepared):
    code = """
import greeting, pathlib, sys
for place in (greeting.__file__, sys.prefix + "/new", sys.prefix + "/bin/python3"):
    try: pathlib.Path(place).write_text("x")
    except OSError: pass
    else: print("ESCAPED", place)
print("tried")
"""
    before = {p: p.lstat().st_mtime_ns for p in prepared.python_environment.rglob("*")}

    ended = await ran(driver, prepared, code)

    assert ended.stdout == "tried\n"
    assert {p: p.lstat().st_mtime_ns for p in prepared.python_environment.rglob("*")} == before


async def test_the_probe_imports_every_package_and_names_those_that_do_not_work(driver, prepared):
    (site,) = prepared.python_environment.glob("lib/python3*/site-packages")
    works = await drivers_with(prepared)[driver.name]().probe()
    add_package(site, "broken", "import nothing_of_this_name")
    breaks = await drivers_with(prepared)[driver.name]().probe()

    assert works.usable
    assert works.remarks[-1].endswith("venv can be imported")
    assert breaks.remarks[-1].endswith("cannot be imported: broken (ModuleNotFoundError)")
    assert prepared.packages() == ("broken", "greeting")


async def test_an_environment_that_is_none_is_said_at_the_probe(driver, tmp_path):
    setup = Setup(python_environment=tmp_path)

    found = await drivers_with(setup)[driver.name]().probe()

    assert not found.usable
    assert found.reason == f"{tmp_path} is not a virtual environment"
