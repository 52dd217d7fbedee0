"""stress-ng's file-system stressors, each for some seconds and checking its own results (--verify)."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from suite import fetch

NAME = "stress-ng"
# What stress-ng is linked with; all of it is in the cache, so that nothing has to be installed.
LIBRARIES = "^lib(" + "|".join(
    "aio1 apparmor1 atomic1 bsd0 crypt1 drm2 egl1 expat1 gbm1 gles2 glvnd0 ipsec-mb1 jpeg62-turbo judydebian1 kmod2"
    " md0 sctp1 wayland-server0 xxhash0".split()
) + ")$"
# They mount, or write the whole machine's caches to its disks, or read all of /proc.
NOT_HERE = {"bind-mount", "binderfs", "io", "procfs"}
# No disk is filled.
SMALL = [
    word
    for stressor in ("copy-file", "fallocate", "hdd", "iomix", "readahead", "seek", "sync-file")
    for word in (f"--{stressor}-{'size' if stressor == 'seek' else 'bytes'}", "16M")
]
SECONDS = 2
LIMIT = 60
TROUBLE = re.compile(r"stress-ng: (fail|error):\s+\[\d+\] (.*)")


def prepare():
    root = fetch.debian_package("stress-ng", LIBRARIES)
    program = root / "usr/bin/stress-ng"
    environment = {"LD_LIBRARY_PATH": ":".join(map(str, sorted(root.glob("usr/lib/*-linux-gnu"))))}
    listed = subprocess.run(
        [program, "--class", "filesystem?"],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )
    names = listed.stdout.partition("stressors:")[2].split()
    if not names:
        raise fetch.CannotRun(f"stress-ng lists no stressors: {fetch.last_line(listed.stderr)}")
    return Prepared(program, environment, sorted(set(names) - NOT_HERE))


@dataclass
class Prepared:
    program: Path
    environment: dict
    parts: list
    # A stressor is a child of stress-ng, and has no place for code of ours.
    holds = False

    def run(self, part, live, active):
        status, printed = live.run(
            active,
            [self.program, "--verify", "--temp-path", live.work, f"--{part}", "1", "--timeout", str(SECONDS), *SMALL],
            LIMIT,
            self.environment,
        )
        found = {part: f"status {status}"}
        for kind, text in TROUBLE.findall(printed):
            # Numbers in a message are of the run.
            found[f"{part}: {re.sub(r'[0-9]+', 'N', text)}"] = kind
        return found
