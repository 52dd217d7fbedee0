"""CPython's own tests of what is near the file system, by its regrtest."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from suite import fetch

NAME = "cpython"
HOLD = Path(__file__).parent / "hold.py"
SECONDS = 400


def prepare():
    """The interpreter that runs this, with its own tests or with Debian's."""
    paths = [None, *debian_tests()] if not has_tests(None) else [None]
    for path in paths:
        if has_tests(path):
            return Prepared(path)
    raise fetch.CannotRun(f"no package of tests fits {sys.executable}")


def debian_tests():
    """Where Debian's package has them, which is only fetched when this is asked."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    yield fetch.debian_package(f"libpython{version}-testsuite") / f"usr/lib/python{version}"


def has_tests(path):
    return subprocess.run(
        [sys.executable, "-c", "import test.test_os, test.libregrtest"],
        env={"PYTHONPATH": str(path)} if path else {},
        stderr=subprocess.DEVNULL,
        check=False,
    ).returncode == 0


@dataclass
class Prepared:
    path: Path | None
    holds = True
    parts = tuple(
        f"test_{name}"
        for name in "os posix shutil tempfile subprocess fcntl glob pathlib io mmap zipfile".split()
    )

    def run(self, part, live, active):
        report = live.root / "report.xml"
        status, printed = live.run(
            active,
            # One after the other in one process: the one that holds the locks.
            [sys.executable, HOLD, "test", "--junit-xml", report, part],
            SECONDS,
            {"PYTHONPATH": str(self.path)} if self.path else {},
        )
        if not report.exists():
            return {f"{part}: whole": f"status {status}: {printed.strip()[-200:]}"}
        found = {f"{part}: whole": f"status {status}"}
        for case in ElementTree.parse(report).iter("testcase"):
            kinds = {child.tag for child in case}
            found[case.get("name")] = "/".join(sorted(kinds & {"skipped", "failure", "error"})) or "passed"
        return found
