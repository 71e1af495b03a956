"""Landlock does not hold modes, times and the like: sandlock's process holds them another way."""

import os

import pytest

from agent_engine.tools.sandbox import sandlock
from agent_engine.tools.sandbox.driver import Language

pytestmark = [pytest.mark.needs_sandbox, pytest.mark.only_driver("sandlock")]


async def test_a_program_of_the_bots_own_user_changes_no_attribute_outside(
    run, tmp_path, monkeypatch
):
    # As where the bot is no root: then it and its programs are one user.
    monkeypatch.setattr(sandlock, "unprivileged_id", lambda: None)
    theirs = tmp_path / "database"
    theirs.write_text("x")
    theirs.chmod(0o600)
    os.utime(theirs, (1, 1))

    ended = await run(
        f"""
import os, shutil
path = {str(theirs)!r}
for act in (
    lambda: os.chmod(path, 0o666),
    lambda: os.chmod({str(tmp_path)!r}, 0),
    lambda: os.utime(path, (5, 5)),
    lambda: os.chown(path, 1, 1),
    lambda: os.setxattr(path, "user.x", b"1"),
    lambda: os.fchmod(os.open(__file__, os.O_RDONLY), 0),
):
    try: act()
    except OSError as error: print(error)
open("a", "w").write("x")
shutil.copy2("a", "b")
print("tried")
"""
    )

    facts = theirs.stat()
    assert ended.stdout.endswith("tried\n"), ended
    assert ended.files == ("a", "b")
    assert (facts.st_mode & 0o777, facts.st_mtime, facts.st_uid) == (0o600, 1, os.geteuid())
    assert os.listxattr(theirs) == []
    assert tmp_path.stat().st_mode & 0o777


async def test_archives_can_be_unpacked_all_the_same(run, monkeypatch):
    monkeypatch.setattr(sandlock, "unprivileged_id", lambda: None)

    code = "mkdir d; echo x > d/f; tar cf a.tar d; rm -r d; tar xf a.tar; cp -p d/f g; touch g"
    ended = await run(f"set -e; {code}", Language.BASH)

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.files == ("a.tar", "d/f", "g")
