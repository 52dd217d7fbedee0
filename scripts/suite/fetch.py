"""Fetches suites into the cache: $LOCKSPAN_CACHE, else lockspan in the user's. Whoever finds them there fetches
nothing."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from suite.result import CANNOT_RUN, CannotRun

SCRIPTS = Path(__file__).resolve().parent.parent
APT = """\
Dir::State::lists "{work}/lists";
Dir::State::status "{work}/status";
Dir::Cache "{work}/cache";
Dir::Etc::sourcelist "{work}/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "root";
Acquire::Languages "none";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""
SOURCES = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian {release} main\n"


def cache():
    if given := os.environ.get("LOCKSPAN_CACHE"):
        return Path(given)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "lockspan"
    return Path.home() / ".cache/lockspan"


def debian_package(package, follow="^$"):
    """Where a package of Debian's is unpacked, with what it depends on as far as the name matches `follow`."""
    made = subprocess.run(
        [SCRIPTS / "unpack-debian", package, follow, package], capture_output=True, text=True, check=False
    )
    if made.returncode == CANNOT_RUN:
        raise CannotRun(last_line(made.stderr))
    made.check_returncode()
    return Path(made.stdout.strip())


def debian_source(package, *patterns):
    """Where the files of a source package are unpacked whose paths, without the first directory, match."""
    return once(f"source-{package}", lambda work: unpack_source(package, patterns, work))


def unpack_source(package, patterns, work):
    for directory in ("lists/partial", "cache/archives/partial", "source", "root"):
        (work / directory).mkdir(parents=True)
    (work / "status").touch()
    release = release_name()
    (work / "sources.list").write_text(SOURCES.format(release=release))
    (work / "apt.conf").write_text(APT.format(work=work))
    for command in (["update"], ["source", "--download-only", "--tar-only", package]):
        apt(["apt-get", "-q", *command], work)
    tar = max((work / "source").glob("*.orig.tar.*"), key=lambda file: file.stat().st_size)
    done = subprocess.run(
        ["tar", "-x", "-C", work / "root", "--strip-components=1", "--wildcards",
         "--no-wildcards-match-slash", "--no-same-owner", "-f", tar,
         *(f"*/{pattern}" for pattern in patterns)],
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"{tar.name} has not what was expected: {done.stderr.splitlines()[0]}")
    return work / "root"


def release_name():
    release = Path("/etc/os-release")
    for line in release.read_text().splitlines() if release.exists() else []:
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise CannotRun("the name of this Debian release is not known")


def apt(command, work):
    if not shutil.which("apt-get"):
        raise CannotRun("apt-get is missing: the sources are Debian's")
    environment = {**os.environ, "APT_CONFIG": str(work / "apt.conf"), "LC_ALL": "C"}
    done = subprocess.run(
        command, env=environment, cwd=work / "source", capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotRun(f"{' '.join(command)}: {last_line(done.stderr)}")


def npm_package(package, version, dependencies):
    """Where a package with its tests is, and what they need beside it."""
    return once(f"npm-{package}-{version}", lambda work: install(package, version, dependencies, work))


def install(package, version, dependencies, work):
    if not shutil.which("npm"):
        raise CannotRun("npm is missing")
    (work / "package.json").write_text("{}")
    done = subprocess.run(
        ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", work,
         f"{package}@{version}", *dependencies],
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"npm install {package}@{version}: {last_line(done.stderr)}")
    return work


def crate(name, version):
    """Where a program of crates.io is built, as its own lock file says."""
    return once(f"crate-{name}-{version}", lambda work: build(name, version, work))


def build(name, version, work):
    if not shutil.which("cargo"):
        raise CannotRun("cargo is missing")
    done = subprocess.run(
        ["cargo", "install", "--quiet", "--locked", "--root", work, "--target-dir", work / "target",
         f"{name}@{version}"],
        capture_output=True, text=True, check=False,
    )
    if done.returncode != 0:
        raise CannotRun(f"cargo install {name}@{version}: {last_line(done.stderr)}")
    shutil.rmtree(work / "target")
    return work


def once(name, make):
    """What `make` leaves, in the cache under this name."""
    result = cache() / name
    if not result.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=cache(), ignore_cleanup_errors=True) as work:
            made = make(Path(work))
            # Two of these at a time: the later one wins, with the same content.
            shutil.rmtree(result, ignore_errors=True)
            made.rename(result)
    return result


def last_line(text):
    return (text.strip().splitlines() or ["it failed"])[-1]
