"""Two suites for filesystems from crates.io, in a plain directory and in the config directory: pjdfstest, about what each
call with a path answers, a bad pointer (EFAULT) included, and fsx, random reads, writes, truncations and mappings of a
file that it compares with what they must come to."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from suite import fetch

NAME = "posix"
SECONDS = 120
PROGRAMS = {"pjdfstest": "0.2.2", "fsx": "0.3.2"}
# Two users that every Debian has. Nothing is remounted.
CONFIGURATION = """\
[features]
posix_fallocate = {}
rename_ctime = {}
utime_now = {}
utimensat = {}
[settings]
naptime = 0.01
allow_remount = false
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"""
# A name, dots, and how it went.
RESULT = re.compile(r"^(\w+(?:::\w+)*)\s+(ok|skipped|FAILED|failed)\b", re.MULTILINE)
# As many operations as take a second or two, and seeds that say which.
OPERATIONS = 2000
SEEDS = (1, 2, 3)


def prepare():
    # Half of the tests are of owners and permissions.
    if os.geteuid() != 0:
        raise fetch.CannotRun("pjdfstest needs root")
    roots = {name: fetch.crate(name, version) for name, version in PROGRAMS.items()}
    return Prepared({name: root / "bin" / name for name, root in roots.items()})


@dataclass
class Prepared:
    programs: dict
    # Ready-made programs have no place for code of ours.
    holds = False
    parts = [f"{name}/{place}" for name in PROGRAMS for place in ("directory", "config directory")]

    def run(self, part, live, active):
        name, _, place = part.partition("/")
        directory = live.work if place == "directory" else live.home / ".claude"
        return (self.pjdfstest if name == "pjdfstest" else self.fsx)(part, live, active, directory)

    def pjdfstest(self, part, live, active, directory):
        # Other users must be able to get there; nothing in it is secret.
        for path in (live.root.parent, live.root, live.home, directory):
            path.chmod(0o755)
        configuration = live.root / "pjdfstest.toml"
        configuration.write_text(CONFIGURATION)
        status, printed = live.run(
            active, [self.programs["pjdfstest"], "-c", configuration, "-p", directory], SECONDS
        )
        return {part: f"status {status}", **{f"{part}: {test}": how for test, how in RESULT.findall(printed)}}

    def fsx(self, part, live, active, directory):
        found = {}
        for seed in SEEDS:
            file = directory / ".credentials.json"
            status, _ = live.run(
                active, [self.programs["fsx"], "-S", str(seed), "-N", str(OPERATIONS), file], SECONDS
            )
            found[f"{part}: seed {seed}"] = f"status {status}, {file.stat().st_size} bytes"
        return found
