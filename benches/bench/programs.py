"""Whole programs with each library: how much longer they take."""

import shutil
import subprocess

from . import interleaved
from .costs import preloaded
from .libraries import BARE

FILES = 3000
FORKS = 1000
UNITS = 8


def tree(scratch):
    """Small files in directories, in a git repository."""
    root = scratch / "tree"
    for number in range(FILES):
        file = root / f"d{number % 60}" / f"f{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 20)
    git = ["git", "-C", root, "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "files"]):
        subprocess.run([*git, *words], check=True, env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(scratch)})
    return root


def c_files(scratch):
    directory = scratch / "c"
    directory.mkdir()
    for number in range(UNITS):
        (directory / f"u{number}.c").write_text(
            f"#include <stdio.h>\n#include <stdlib.h>\nint f{number}(void) {{ return printf(\"%d\", rand()); }}\n"
        )
    (directory / "main.c").write_text("int main(void) { return 0; }\n")
    return directory


def crate(scratch):
    directory = scratch / "crate"
    (directory / "src").mkdir(parents=True)
    (directory / "Cargo.toml").write_text('[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n[workspace]\n')
    (directory / "src/main.rs").write_text('fn main() { println!("{}", std::env::args().count()); }\n')
    return directory


def programs(scratch):
    """Name, command, and what has to be removed before each run."""
    root, units, small = tree(scratch), c_files(scratch), crate(scratch)
    found = shutil.which
    # The toolchain's own: rustup's stand-in would look for it in the home.
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    yield "git status", [found("git"), "-C", str(root), "status", "--short"], None
    yield "find", [found("find"), str(root), "-size", "+1k"], None
    yield "tar", [found("tar"), "-cf", str(scratch / "tree.tar"), str(root)], None
    storm = f"i=0; while [ $i -lt {FORKS} ]; do /bin/true; i=$((i+1)); done"
    yield f"{FORKS} forks and execs", ["/bin/sh", "-c", storm], None
    yield f"cc, {UNITS + 1} files", ["/bin/sh", "-c", f"cd {units} && cc -O1 -o out *.c"], None
    environment = f"CARGO_HOME={scratch}/cargo RUSTC={sysroot}/bin/rustc"
    build = f"cd {small} && {environment} {sysroot}/bin/cargo build -q --offline"
    yield "cargo build", ["/bin/sh", "-c", build], small / "target"


def measure(libraries, environment, scratch, quick):
    """By program and library: the summary of the times, or how it fails."""
    result = {}
    for name, argv, rubbish in programs(scratch):

        def once(library):
            if rubbish:
                shutil.rmtree(rubbish, ignore_errors=True)
            return interleaved.spawn(argv, preloaded(environment, libraries.get(library)))

        times, failed = interleaved.measure([BARE, *libraries], once, *((3, 2) if quick else (20, 5)))
        result[name] = interleaved.summary(times, BARE) | {library: {"failed": how} for library, how in failed.items()}
    return result
