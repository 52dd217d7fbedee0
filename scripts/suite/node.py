"""Node's own tests of fs, from Debian's source of Node, one process each."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from suite import fetch

NAME = "node"
HOLD = Path(__file__).parent / "hold.js"
SECONDS = 60
FLAGS = re.compile(r"^// Flags: (.*)$", re.MULTILINE)
FILES = (
    "test/parallel/test-fs*",
    "test/sequential/test-fs*",
    "test/common",
    # Of the fixtures, which are large, those that tests of fs use.
    "test/fixtures/*.*",
    "test/fixtures/cycles",
    "test/fixtures/keys",
    "test/fixtures/nested-index",
)


def prepare():
    """The node of this machine, with tests that may be of another version: only differences count."""
    node = shutil.which("node")
    if not node:
        raise fetch.CannotRun("node is missing")
    tests = fetch.debian_source("nodejs", *FILES) / "test"
    return Prepared(Path(node).resolve(), tests)


@dataclass
class Prepared:
    node: Path
    tests: Path
    holds = True

    @property
    def parts(self):
        files = [*self.tests.glob("parallel/test-fs*"), *self.tests.glob("sequential/test-fs*")]
        return sorted(str(file.relative_to(self.tests)) for file in files if file.suffix in (".js", ".mjs"))

    def run(self, part, live, active):
        file = self.tests / part
        flags = [flag for line in FLAGS.findall(file.read_text()) for flag in line.split()]
        status, printed = live.run(
            active, [self.node, *flags, "--require", HOLD, file], SECONDS, {"NODE_TEST_DIR": str(live.work)}
        )
        return {part: "skipped" if status == 0 and "1..0 # Skipped" in printed else f"status {status}"}
