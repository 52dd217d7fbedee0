"""The libraries that are compared: which there are, and where their files come from.

A peer is loaded as it is, without a configuration of its own, which is when it does least; ours has a live one, a
config directory in the home.
"""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()

OURS = "lockspan"
EMPTY = "empty"
BARE = "bare"

# Debian's package of each peer, and the library in it.
PEERS = {
    "eatmydata": ("libeatmydata1", "libeatmydata.so"),
    "fakechroot": ("libfakechroot", "fakechroot/libfakechroot.so"),
    "libfaketime": ("libfaketime", "faketime/libfaketime.so.1"),
    "umockdev": ("umockdev", "libumockdev-preload.so.0"),
    "torsocks": ("torsocks", "torsocks/libtorsocks.so"),
}


class Missing(Exception):
    """Something that this machine does not have; the text says what."""


def cargo(*arguments):
    subprocess.run(["cargo", *arguments], cwd=ROOT, check=True)


def ours():
    cargo("build", "--quiet", "--release", "--locked", "-p", "lockspan-preload")
    return TARGET / "release" / "liblockspan.so"


def redhook():
    cargo("build", "--quiet", "--release", "--locked", "-p", "lockspan-redhook")
    return TARGET / "release" / "liblockspan_redhook.so"


def empty(scratch):
    """Nothing in it: what it costs is the loader's own work."""
    source = scratch / "empty.c"
    source.write_text("")
    library = scratch / "libempty.so"
    subprocess.run(["cc", "-shared", "-nostdlib", "-o", library, source], check=True)
    return library


def peer(name):
    """Unpacked beside the machine's own packages; nothing is installed."""
    package, file = PEERS[name]
    # A package that comes alone: a missing one must not take the others with it.
    unpacked = subprocess.run(
        [ROOT / "scripts/unpack-debian", f"peer-{name}", "^$", package],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
    )
    if unpacked.returncode != 0:
        raise Missing(unpacked.stderr.strip().splitlines()[-1] if unpacked.stderr else "not to be had")
    found = sorted(Path(unpacked.stdout.strip()).glob(f"usr/lib/*/{file}"))
    if not found:
        raise Missing(f"no {file} in Debian's {package}")
    return found[0].resolve()


def find(scratch):
    """Every library by its name: those that are here, and for the others why not."""
    here = {EMPTY: empty(scratch), OURS: ours()}
    missing = {}
    for name in PEERS:
        try:
            here[name] = peer(name)
        except Missing as reason:
            missing[name] = str(reason)
    here["redhook"] = redhook()
    return here, missing
