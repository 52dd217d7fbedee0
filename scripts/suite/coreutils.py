"""The coreutils' own tests, of the installed programs, from Debian's source of the coreutils."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from suite import fetch

NAME = "coreutils"
SECONDS = 60
DIRECTORIES = "chmod cp dd du install ln ls mkdir mv readlink rm rmdir split tail-2 touch".split()
MISC = (
    "chroot-fail close-stdout env ls-misc mknod mktemp nohup pwd-long readlink-fp-loop realpath shred-exact"
    " shred-remove sort-compress stat-fmt stat-slash tee timeout timeout-group truncate-dangling-symlink"
    " truncate-dir-fail truncate-fifo truncate-relative xattr"
).split()
# The programs that are not named in DIRECTORIES; a test asks for those that it uses.
PROGRAMS = (
    "cat chgrp chown chroot comm cut date df echo env expr false head id join kill link ls mkfifo mknod mktemp nohup"
    " od paste pr printf pwd realpath seq shred sleep sort stat stty sync tac tail tee test timeout tr true truncate"
    " tty uniq unlink wc yes"
).split()
# They mount, or change owners and devices of the machine.
NEEDS_ROOT = re.compile(r"^require_root_|^require_mount_list_|\bmount\b", re.MULTILINE)


def prepare():
    version = subprocess.run(["mkdir", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"mkdir \(GNU coreutils\) (\S+)", version)
    if not found:
        raise fetch.CannotRun("the programs of this machine are not the GNU coreutils")
    if not shutil.which("perl"):
        raise fetch.CannotRun("perl is missing")
    source = fetch.debian_source("coreutils", "tests", "build-aux", "init.cfg")
    tests = source / "tests"
    files = [file for directory in DIRECTORIES for file in (tests / directory).iterdir()]
    files += [file for name in MISC for file in (tests / "misc").glob(f"{name}.*")]
    parts = [
        str(file.relative_to(tests))
        for file in files
        if file.suffix in (".sh", ".pl") and not NEEDS_ROOT.search(file.read_text(errors="replace"))
    ]
    return Prepared(source, found.group(1), sorted(parts))


@dataclass
class Prepared:
    source: Path
    version: str
    parts: list
    # The programs are many and short.
    holds = False

    def run(self, part, live, active):
        test = self.source / "tests" / part
        build = live.work / "build"
        for directory in (build / "src", build / part):
            directory.parent.mkdir(parents=True, exist_ok=True)
        (build / "src").mkdir()
        if test.suffix == ".pl":
            command = ["perl", "-w", "-I", self.source / "tests", "-MCuSkip", "-MCoreutils", f"-MCuTmpdir qw({part})", test]
        else:
            command = ["sh", test]
        status, _ = live.run(
            active,
            # What a test says besides goes to descriptor 9.
            ["sh", "-c", 'exec 9>&2; exec "$@"', "sh", *command],
            SECONDS,
            self.environment(build, part),
            directory=build,
        )
        return {part: "skipped" if status == 77 else f"status {status}"}

    def environment(self, build, part):
        """What the makefile gives its tests."""
        source = str(self.source)
        return {
            "VERSION": self.version,
            "PACKAGE_VERSION": self.version,
            "abs_top_builddir": str(build),
            **dict.fromkeys(("abs_top_srcdir", "abs_srcdir", "srcdir", "top_srcdir"), source),
            "host_os": "linux-gnu",
            "host_triplet": "x86_64-pc-linux-gnu",
            "CONFIG_HEADER": "/dev/null",
            "CU_TEST_NAME": part.replace("/", "-"),
            "built_programs": " ".join({*PROGRAMS, *DIRECTORIES} - {"tail-2"}),
            "AWK": "awk",
            "EGREP": "grep -E",
            "PERL": "perl",
            "SHELL": "/bin/sh",
            "LOCALE_FR": "none",
            "LOCALE_FR_UTF8": "none",
            "fail": "0",
        }
