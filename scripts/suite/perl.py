"""Perl's own tests of files and processes, from Debian's source of perl."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from suite import fetch, tap

NAME = "perl"
HERE = Path(__file__).parent
SECONDS = 120
# Tests of the core run in t, others in their module's directory.
CORE = ("t/io/*.t", "lib/File/*.t", *(
    f"t/op/{name}.t" for name in "chdir closure die exec filetest fork glob mkdir readline stat sselect".split()
))
MODULES = (
    "cpan/File-Path", "cpan/File-Temp", "dist/IO", "dist/PathTools", "dist/Tie-File",
    "ext/File-Find", "ext/File-Glob", "ext/FileCache", "ext/IPC-Open3", "ext/SDBM_File",
)


def prepare():
    perl = shutil.which("perl")
    if not perl:
        raise fetch.CannotRun("perl is missing")
    source = fetch.debian_source("perl", "t/*.pl", "t/lib", *CORE, *(f"{module}/t" for module in MODULES))
    patterns = (*CORE, *(f"{module}/t/*.t" for module in MODULES))
    return Prepared(perl, source, sorted(str(test.relative_to(source)) for one in patterns for test in source.glob(one)))


@dataclass
class Prepared:
    perl: str
    source: Path
    parts: list
    holds = True

    def run(self, part, live, active):
        source = live.work / "perl"
        top = part.partition("/")[0]
        # Tests write beside themselves.
        for directory in {"t", str(Path(part).parent)}:
            subprocess.run(["mkdir", "-p", (source / directory).parent], check=True)
            subprocess.run(["cp", "-a", "-T", self.source / directory, source / directory], check=True)
        if top in ("t", "lib"):
            # The modules are those that are installed, not those beside the source.
            library = source / "t/test.pl"
            library.write_text(library.read_text().replace("@INC = () unless is_miniperl", "1"))
            directory = source / "t"
        else:
            directory = (source / part).parent.parent
        status, printed = live.run(
            active, [self.perl, "-I", HERE, "-MHold", source / part], SECONDS, directory=directory
        )
        return tap.results(part, status, printed, by_name=False)
