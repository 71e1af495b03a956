"""A ``docker`` for tests: writes down what it is asked, and runs containers as plain processes.

A container's root is a folder of the test's; nothing is confined.
"""

import json
import os
import sys
from pathlib import Path

SCRIPT = """#!{python} -IB
import json, os, subprocess, sys, time
home = {home!r}
words = sys.argv[1:]
with open(home + "/calls", "a") as file:
    print(json.dumps({{"words": words, "env": dict(os.environ)}}), file=file)
said = json.load(open(home + "/said"))
if words[0] in said:
    answer = said[words[0]]
    time.sleep(answer.get("sleep", 0))
    sys.stderr.write(answer.get("stderr", ""))
    sys.stdout.write(answer.get("stdout", ""))
    sys.exit(answer.get("code", 0))
if words[0] == "run":
    at = words.index("keeper")
    os.makedirs(home + "/root/work"), os.makedirs(home + "/root/code")
    argv = ["/bin/bash", *words[at - 2 : at + 1], home + "/root", *words[at + 2 :]]
    os.execv("/bin/bash", argv)
"""


class FakeDocker:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "docker"
        self.path.write_text(SCRIPT.format(python=os.path.realpath(sys.executable), home=str(home)))
        self.path.chmod(0o755)
        self.says({})

    def says(self, answers: dict[str, dict[str, object]]) -> None:
        """Give these answers, by the first word asked; a run without one is really run."""
        (self.home / "said").write_text(json.dumps(answers))

    def calls(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.home / "calls").read_text().splitlines()]
