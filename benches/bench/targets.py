"""What the library may cost, and whether it does. Knows limits; every figure comes from the results."""

from dataclasses import dataclass

from .libraries import OURS

# The calls with a path that programs make all the time, and those that first ask the kernel whether it can be read.
PATH_CALLS = {"open, openat, stat and access": ("open", "openat", "stat", "access"), "mkdir and rename": ("mkdir", "rename")}
# A relocation is applied at every start, and makes a page private: "none to speak of" is taken for so many.
FEW_RELOCATIONS = 32
# dlsym is in libc from glibc 2.34 on. Before that, the loader has another library to load.
START_INSTRUCTIONS = {False: 12_000, True: 24_000}
# Added to an empty library's start, in microseconds.
BEYOND_EMPTY = 25


@dataclass
class Target:
    what: str
    limit: str
    measured: str
    met: bool


def at_most(what, value, limit, unit=""):
    unit = f" {unit}" if unit else ""
    return Target(what, f"≤ {limit:,.10g}{unit}", f"{value:,.10g}{unit}", value <= limit)


def targets(libraries):
    """Those of which there are figures."""
    ours = libraries[OURS]
    figures = ours["figures"]
    if "failed" not in figures:
        instructions = figures["true_instructions"]
        calls = figures["per_call"]
        needs_libdl = any(name.startswith("libdl.") for name in figures["needed"])
        yield at_most(
            f"instructions of a start, {'with' if needs_libdl else 'without'} libdl",
            instructions["lockspan"] - instructions["bare"],
            START_INSTRUCTIONS[needs_libdl],
        )
        for names, group in PATH_CALLS.items():
            yield at_most(f"instructions per call of {names}, at most", max(calls[call]["added"] for call in group), 50)
        for call in ("close", "syscall"):
            yield at_most(f"instructions per {call}", calls[call]["added"], 8)
        yield Target("thread-local storage", "none", "yes" if figures["tls"] else "none", not figures["tls"])
        yield at_most("relocations", figures["relocations"], FEW_RELOCATIONS)
    beyond = {name: round(row["start_microseconds"]["beyond_empty"], 1) for name, row in libraries.items()}
    if "eatmydata" in beyond:
        yield at_most("a start, beyond an empty library, against eatmydata", beyond[OURS], beyond["eatmydata"], "µs")
    yield at_most("a start, beyond an empty library", beyond[OURS], BEYOND_EMPTY, "µs")
    yield at_most("additional system calls of a start", ours["start_system_calls"], 9)
    yield at_most("additional dirty memory", ours["dirty_kilobytes"], 16, "KB")
    yield at_most("file", ours["bytes"], 65_536, "bytes")
