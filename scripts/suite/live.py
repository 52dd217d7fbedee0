"""A place in which a part of a suite runs: private, with a live configuration, and the same path each time.

Nothing of the caller's environment gets in, and no token is real.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# One store of each kind that a configuration knows.
CONFIGURATION = """\
[[store]]
path = "~/.tool"

[[store]]
path = "~/.tool/locked.json"
lock = "file"

[[store]]
path = "~/.tool/gated.json"
lock = "none"
gate = "expires_at"
"""
CREDENTIALS = {"claudeAiOauth": {"accessToken": "made-up", "refreshToken": "made-up", "expiresAt": 1}}


class Live:
    """Makes the place anew for each run. `holds`: the suite's process takes locks of its own, see hold.py, hold.js
    and Hold.pm."""

    def __init__(self, scratch, library, holds):
        self.root = scratch / "place"
        self.library = library
        self.holds = holds

    @property
    def home(self):
        return self.root / "home"

    @property
    def work(self):
        return self.root / "work"

    def make(self):
        shutil.rmtree(self.root, onerror=writable_first)
        for directory in (self.home / ".claude", self.home / ".tool", self.work, self.root / "tmp"):
            directory.mkdir(parents=True, mode=0o700)
        (self.root / "lockspan.toml").write_text(CONFIGURATION)
        credentials = self.home / ".claude/.credentials.json"
        credentials.write_text(json.dumps(CREDENTIALS))
        credentials.chmod(0o600)
        for store in ("locked.json", "gated.json"):
            (self.home / ".tool" / store).write_text('{"token":"made-up","expires_at":"2020-01-01T00:00:00Z"}')

    def run(self, active, command, seconds, environment=(), directory=None):
        """The exit status, None after too many seconds, and what was printed."""
        variables = {
            "HOME": str(self.home),
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "TMPDIR": str(self.root / "tmp"),
            "LOCKSPAN_CONFIG": str(self.root / "lockspan.toml"),
            "LOCKSPAN_EVENTS": str(self.root / "events"),
            **dict(environment),
        }
        if active:
            variables["LD_PRELOAD"] = str(self.library)
        printed = self.root / "printed"
        with printed.open("wb") as output:
            process = subprocess.Popen(
                [str(word) for word in command],
                env=variables,
                cwd=directory or self.work,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                status = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                end_session(process)
        return status, printed.read_text(errors="replace")

    def was_active(self):
        """Whether the library did anything: a process that took a lock of its own has left an event."""
        return (self.root / "events").exists()


def end_session(process):
    """Ends what the process has started and left behind, and the process itself."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def writable_first(function, path, error):
    """Suites leave directories without permissions behind."""
    if isinstance(error[1], FileNotFoundError):
        return
    os.chmod(Path(path).parent, 0o700)
    os.chmod(path, 0o700)
    if function is os.rmdir or function is os.unlink:
        function(path)
    else:
        shutil.rmtree(path)
    print(f"suites: made removable: {path}", file=sys.stderr)
