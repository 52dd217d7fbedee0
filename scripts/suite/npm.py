"""Packages of the npm registry that bring their tests: most that work on files do not (fs-extra, memfs, and
proper-lockfile itself from 2.0.0 on)."""

import shutil
import subprocess
from dataclasses import dataclass

from suite import fetch, tap

NAME = "npm"
HOLD = fetch.SCRIPTS / "suite/hold.js"
# The tests of proper-lockfile wait for stale locks: two minutes.
SECONDS = 300
TAP = ("tap@0.7.1", "rimraf@2.7.1", "mkdirp@0.5.6")
# Package, version, what its tests need.
PACKAGES = (
    ("proper-lockfile", "1.2.0", ("mocha@3.5.3", "expect.js@0.3.1", "async@2.6.4", "buffered-spawn@2.0.4", "rimraf@2.7.1", "stable@0.1.8")),
    ("graceful-fs", "4.1.0", TAP),
    ("lockfile", "1.0.3", (*TAP, "touch@0.0.3")),
    ("mkdirp", "0.5.1", ("tap@0.7.1", "mock-fs@4.14.0")),
    ("cmd-shim", "2.0.2", TAP),
    ("tar", "2.2.1", (*TAP, "graceful-fs@4.2.11")),
    ("fs-write-stream-atomic", "1.0.8", TAP),
    ("rimraf", "2.2.8", ()),
)


def prepare():
    node = shutil.which("node")
    if not node:
        raise fetch.CannotRun("node is missing")
    packages = {}
    for name, version, needs in PACKAGES:
        packages[name] = fetch.npm_package(name, version, needs)
    return Prepared(node, packages)


@dataclass
class Prepared:
    node: str
    packages: dict
    holds = True

    @property
    def parts(self):
        found = []
        for name, root in self.packages.items():
            package = root / "node_modules" / name
            if name == "proper-lockfile":
                found.append(f"{name}/test")
            else:
                found += sorted(f"{name}/{file.relative_to(package)}" for file in package.glob("test/*.js"))
        return found

    def run(self, part, live, active):
        name, _, file = part.partition("/")
        # Tests write beside themselves.
        root = live.work / name
        subprocess.run(["cp", "-a", "-T", self.packages[name], root], check=True)
        package = root / "node_modules" / name
        if name == "proper-lockfile":
            command = [root / "node_modules/mocha/bin/_mocha", "--require", HOLD, "--reporter", "tap"]
        else:
            command = ["--require", HOLD, package / file]
        status, printed = live.run(active, [self.node, *command], SECONDS, directory=package)
        return tap.results(part, status, printed, by_name=True)
