"""docs/performance.md and its pictures, made of the results alone."""

from . import pictures
from .libraries import BARE, OURS
from .pictures import Line
from .targets import targets

CALLS = ("open", "openat", "stat", "access", "mkdir", "rename", "close", "syscall")


def table(header, rows):
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def circumstances(section):
    low, high = section["load"]
    machine = section["machine"]
    kind = ", a quick run" if section["quick"] else ""
    return (
        f"{section['date']}{kind}, commit {section['commit']}: {machine['processors']} × {machine['processor']}, "
        f"Linux {machine['kernel']}, {machine['libc']}; load average {low:.1f} at the start, {high:.1f} at the end."
    )


def counted(libraries):
    """The figures of every library that could be run under callgrind."""
    return {
        name: row["figures"]
        for name, row in libraries.items()
        if "figures" in row and "failed" not in row["figures"]
    }


def ours_first(names):
    return sorted(names, key=lambda name: name != OURS)


def target_table(libraries):
    rows = [[t.what, t.limit, t.measured, "met" if t.met else "**not met**"] for t in targets(libraries)]
    return table(["", "target", "measured", ""], rows)


def call_table(figures):
    header = ["added to", *CALLS]
    rows = [[name, *(f"{figures[name]['per_call'][call]['added']:+,}" for call in CALLS)] for name in figures]
    native = next(iter(figures.values()))["per_call"]
    return table(header, [["(the call itself)", *(native[call]["native"] for call in CALLS)], *rows])


def process_table(libraries):
    rows = []
    for name, row in libraries.items():
        start = row["start_microseconds"]
        answer = row.get("figures", {}).get("true_instructions")
        instructions = f"{answer['lockspan'] - answer['bare']:+,}" if answer else "-"
        if name == BARE:
            known = next(iter(counted(libraries).values()), None)
            instructions = f"{known['true_instructions']['bare']:,}" if known else "-"
        sign = "" if name == BARE else "+"
        rows.append([
            name, instructions, f"{start['median']:.0f}", f"{start['minimum']:.0f}",
            "" if name == BARE else f"{start['added']:+.0f}", "" if name == BARE else f"{start['beyond_empty']:+.0f}",
            f"{row['start_system_calls']:{sign}}", f"{row['dirty_kilobytes']:{sign}.0f}",
        ])
    times = ["µs, median", "minimum", "beyond bare", "beyond empty"]
    return table(["/bin/true with", "instructions", *times, "system calls", "dirty KB"], rows)


def file_table(libraries):
    rows = []
    for name, figures in counted(libraries).items():
        needed = " ".join(figures["needed"]) or "-"
        tls = "yes" if figures["tls"] else "no"
        bytes_ = f"{libraries[name]['bytes']:,}"
        rows.append([name, bytes_, needed, len(figures["undefined"]), figures["relocations"], tls])
    return table(["", "bytes", "needed", "undefined symbols", "relocations", "TLS"], rows)


def program_table(programs):
    names = list(next(iter(programs.values())))
    rows = []
    for name in names:
        cells = [f"{row[name]['ratio']:.2f}" if "ratio" in row[name] else row[name]["failed"] for row in programs.values()]
        if name == BARE:
            cells = [f"{row[name]['median']:.3f} s" for row in programs.values()]
        rows.append([name, *cells])
    return table(["", *programs], rows)


def cost_pages(section, directory):
    """The sections on what a process pays, and their pictures."""
    libraries, programs = section["libraries"], section["programs"]
    figures = counted(libraries)
    names = ours_first([name for name in libraries if name != BARE])
    started = {name: max(libraries[name]["start_microseconds"]["added"], 0) for name in names}
    (directory / "start.svg").write_text(
        pictures.bars("What each library adds to a start of /bin/true (median)", started, "µs", OURS)
    )
    hooked = {
        call: {name: figures[name]["per_call"][call]["added"] for name in names if name in figures} for call in CALLS
    }
    (directory / "calls.svg").write_text(
        pictures.strips("Instructions added to a call that is none of the library's business", hooked, names, 1)
    )
    ratios = {
        program: {name: row[name]["ratio"] for name in names if "ratio" in row[name]} for program, row in programs.items()
    }
    (directory / "programs.svg").write_text(
        pictures.strips("How long whole programs take, bare = 1", ratios, names, 0.8, (0.8, 0.9, 1, 1.2, 1.5, 2, 3, 5))
    )
    yield "## Targets\n\n" + target_table(libraries)
    yield f"""## A call

Instructions added to a call whose path is none of the library's business (callgrind, exact; `scripts/figures`). A peer
is loaded without a configuration of its own; redhook stands for a library that makes the same hooks with redhook, which
cannot hook `syscall`. 0 where a library leaves a call alone. Ours asks the kernel first whether the path can
be read in functions that are rarely called (mkdir, rename and their like), so that these answer EFAULT as without it.

{call_table(figures)}

![Instructions added to each call](performance/calls.svg)"""
    yield f"""## A process

Each start is measured by turns with the others; "beyond" is the median of the differences, round by round. Dirty
memory is Private_Dirty of a `cat` that waits for input. An empty library is what the loader itself costs.

{process_table(libraries)}

![What each library adds to a start](performance/start.svg)

{file_table(libraries)}"""
    yield f"""## Whole programs

Median of the ratios to bare, round by round.

{program_table(programs)}

![How long whole programs take](performance/programs.svg)"""
    for name, reason in section["missing"].items():
        yield f"Not measured: {name}: {reason}."
    for name, row in libraries.items():
        if "failed" in row.get("figures", {}):
            yield f"Without instruction counts: {name}: {row['figures']['failed']}."


def curves(rows, key):
    """Of results by number of clients, which are text in JSON. The library's are blue, all but the first dashed."""
    others = iter(pictures.COLOURS[1:])
    seen_ours = False
    for label, row in rows.items():
        ours = "the library" in label
        points = {int(count): values[key] for count, values in row.items() if key in values}
        hollow = {int(count) for count, values in row.items() if values.get("answers", int(count)) < int(count)}
        yield Line(label, points, pictures.COLOURS[0] if ours else next(others), hollow, ours and seen_ours)
        seen_ours |= ours


def wall_table(wall):
    counts = list(next(iter(wall.values())))
    rows = []
    for label, row in wall.items():
        cells = []
        for count in counts:
            outcome = row[count]
            note = [] if outcome["answers"] == int(count) else [f"{outcome['answers']} answers"]
            note += [f"{outcome['refused']} refused"] if outcome["refused"] else []
            cells.append(f"{outcome['seconds']:.1f} s" + (f" ({', '.join(note)})" if note else ""))
        rows.append([label, *cells])
    return table(["clients", *counts], rows)


def spread_table(takeover):
    counts = list(next(iter(takeover.values())))
    rows = []
    for label, row in takeover.items():
        values = [row[count] for count in counts]
        shown = [
            f"{v['median_seconds']:.3f} s, longest {v['longest_seconds']:.3f} s of {v['count']}" if v["count"] else "-"
            for v in values
        ]
        rows.append([label, *shown])
    return table(["processes", *counts], rows)


def client_pages(section, directory):
    """The sections on the main job, and their pictures."""
    (directory / "clients.svg").write_text(
        pictures.lines(
            "Until N clients on one expired login have ended",
            list(curves(section["wall"], "seconds")),
            "clients",
            hollow_means="not all have an answer",
        )
    )
    hand_over = list(curves(section["hand_over"], "mean_seconds"))
    # What is measured is no finer than the lab's look at who has ended.
    for line in hand_over:
        line.points = {x: max(y, 0.001) for x, y in line.points.items()}
    (directory / "hand-over.svg").write_text(
        pictures.lines("Hand-over of a contended lock, mean", hand_over, "clients that want it at once", logarithmic=True)
    )
    takeover = list(curves(section["takeover"], "median_seconds"))
    (directory / "takeover.svg").write_text(
        pictures.lines("From the kill of a holder to the next holder, median", takeover, "processes", logarithmic=True)
    )
    hand_over_rows = [
        [label, *(f"{values['mean_seconds'] * 1000:.0f} ms" for values in row.values())]
        for label, row in section["hand_over"].items()
    ]
    counts = list(next(iter(section["hand_over"].values())))
    killed_rows = [
        [client, *(" ".join(f"{seconds:.2f}" for seconds in row[library]) + " s" for library in ("none", "all"))]
        for client, row in section["killed"].items()
    ]
    yield f"""## Clients on one expired login

{circumstances(section)}

N real clients find the same expired token in N containers that share the config directory; a refresh takes
{section['delay_seconds']:g} s. From the first start to the last end (`lockspan-lab race`). Without a lock a lenient server
answers all the same; a strict one revokes the login, and the lab ends the clients 12 s after that. "Refused" are refreshes
that the token server answered with 400.

{wall_table(section['wall'])}

![Wall time over the number of clients](performance/clients.svg)"""
    yield f"""## Hand-over of a contended lock

N model clients in a shared home want the lock at once, and each holds it for {section['hold_seconds']:g} s. A client that does not get it tries again after 1 to 2 s, as proper-lockfile's users do. Mean of the time between two holders, to
within 5 ms / (N - 1).

{table(['clients', *counts], hand_over_rows)}

![Hand-over over the number of clients](performance/hand-over.svg)"""
    yield f"""## Takeover after a kill

N model processes take the lock in turn, and the holder is SIGKILLed (`lockspan-lab stress --kill-one-in`; they come for
the lock every 5 to 50 ms).

{spread_table(section['takeover'])}

![Takeover over the number of processes](performance/takeover.svg)

Real clients, killed in the middle of a refresh: from the next one's first lock attempt to its token request.

{table(['', 'without the library', 'with it'], killed_rows)}"""


def write(results, docs):
    directory = docs / "performance"
    directory.mkdir(exist_ok=True)
    parts = [
        "# Performance",
        "Made by `scripts/bench` (what a process pays) and `scripts/bench --clients` (the main job; root), from their "
        "results in `performance/results.json`. Do not edit.",
    ]
    if "costs" in results:
        parts += [circumstances(results["costs"]), *cost_pages(results["costs"], directory)]
    clients = results.get("clients")
    if clients is None:
        parts.append("## Clients\n\nNot measured yet: `scripts/bench --clients`.")
    elif "skipped" in clients:
        parts.append(f"## Clients\n\nSkipped: {clients['skipped']}")
    else:
        parts += client_pages(clients, directory)
    (docs / "performance.md").write_text("\n\n".join(parts) + "\n")
