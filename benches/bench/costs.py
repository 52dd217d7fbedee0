"""What a process pays for a library: instructions, system calls, memory, microseconds, and the file itself.

Instructions and properties of the file are scripts/figures' work.
"""

import json
import re
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import interleaved
from .libraries import BARE, EMPTY, OURS, ROOT

TRUE = "/bin/true"
# A process has more or fewer pages of its own by where things happen to lie.
DIRTY_SAMPLES = 31


def figures(library):
    answer = subprocess.run(
        [ROOT / "scripts/figures", "--json", "--library", library],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
    )
    if answer.returncode != 0:
        lines = answer.stderr.strip().splitlines() or [f"status {answer.returncode}"]
        return {"failed": f"under callgrind: {lines[-1]}"}
    return json.loads(answer.stdout)


def start_system_calls(library, environment, scratch):
    trace = scratch / "start.strace"
    preload = ["-E", f"LD_PRELOAD={library}"] if library else []
    # Signals and the exit's line are no calls.
    command = ["strace", "-f", "-qq", "-e", "signal=none", *preload, "-o", trace, TRUE]
    subprocess.run(command, env=environment, stderr=subprocess.DEVNULL, check=True)
    return len([line for line in trace.read_text().splitlines() if re.search(r"\w\(", line)])


def dirty_kilobytes(library, environment):
    """The median of several processes."""
    return statistics.median(one_dirty_kilobytes(library, environment) for _ in range(DIRTY_SAMPLES))


def one_dirty_kilobytes(library, environment):
    """Of a cat that has answered once, and waits for more."""
    with subprocess.Popen(
        ["/bin/cat"], env=preloaded(environment, library), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as cat:
        cat.stdin.write(b"\n")
        cat.stdin.flush()
        cat.stdout.readline()
        rollup = Path(f"/proc/{cat.pid}/smaps_rollup").read_text()
        cat.stdin.close()
    return int(re.search(r"^Private_Dirty:\s+(\d+) kB", rollup, re.MULTILINE).group(1))


def preloaded(environment, library):
    return {**environment, "LD_PRELOAD": str(library)} if library else environment


def start_times(libraries, environment, quick):
    """In microseconds; what one adds is the median of the differences, round by round."""

    def once(name):
        return interleaved.spawn([TRUE], preloaded(environment, libraries.get(name)))

    times, failed = interleaved.measure([BARE, *libraries], once, *((5, 100) if quick else (30, 1000)))
    if failed:
        raise RuntimeError(f"{TRUE}: {failed}")
    return {
        name: {
            "median": statistics.median(own) * 1e6,
            "minimum": min(own) * 1e6,
            "added": interleaved.difference(times, name, BARE) * 1e6,
            "beyond_empty": interleaved.difference(times, name, EMPTY) * 1e6,
        }
        for name, own in times.items()
    }


def measure(libraries, environment, scratch, quick):
    """Everything, by the library's name."""
    times = start_times(libraries, environment, quick)
    result = {name: {"start_microseconds": row} for name, row in times.items()}
    bare_calls = start_system_calls(None, environment, scratch)
    bare_dirty = dirty_kilobytes(None, environment)
    result[BARE] |= {"start_system_calls": bare_calls, "dirty_kilobytes": bare_dirty}
    for name, library in libraries.items():
        result[name] |= {
            "bytes": library.stat().st_size,
            "start_system_calls": start_system_calls(library, environment, scratch) - bare_calls,
            "dirty_kilobytes": dirty_kilobytes(library, environment) - bare_dirty,
        }
    # Counts of instructions do not mind company.
    counted = [OURS, EMPTY] if quick else list(libraries)
    with ThreadPoolExecutor() as pool:
        for name, answer in zip(counted, pool.map(lambda name: figures(libraries[name]), counted)):
            result[name]["figures"] = answer
    return result
