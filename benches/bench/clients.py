"""The main job, measured by the lab: clients that share an expired login, a contended lock, a killed holder.

Takes no figure from the library's own events: times are the lab's and the model clients'.
"""

import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from .libraries import TARGET, Missing, cargo, ours

CANNOT_RUN = 3
NODE = "2.1.112"
NATIVE = "2.1.329"

# How N clients on one expired login are kept apart. With the lenient server those that nothing keeps apart get an
# answer, too, so that their time means something; what the strict one makes of them is in `answers`.
APART = {
    f"{NODE}, no lock": [NODE, "--library", "none", "--server", "lenient"],
    f"{NODE}, no lock, strict server": [NODE, "--library", "none", "--server", "strict"],
    f"{NODE}, the library": [NODE, "--library", "all", "--server", "strict"],
    f"{NODE}, flock around the run": [NODE, "--library", "none", "--server", "strict", "--serial"],
    f"{NATIVE}, its own lock": [NATIVE, "--library", "none", "--server", "strict"],
    f"{NATIVE}, the library": [NATIVE, "--library", "all", "--server", "strict"],
}
# What a token request takes.
DELAY = 2.0

# A model client holds for so long; waiters of the old band wait in a thread, those of the new one on the main thread.
HOLD = 0.2
HAND_OVER = {
    "proper-lockfile's polling": ["c", "none"],
    "the library, waiting in a thread": ["c", "all"],
    "the library, waiting on the main thread": ["c-new", "all"],
}
# In a shared home the sibling lock excludes without the library, too.
SHARED = ["--layout", "home"]


def lab(*words):
    """Runs a scenario; the details of its rows."""
    command = [TARGET / "debug/lockspan-lab", *words, "--library-path", TARGET / "release/liblockspan.so", "--json"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if answer.returncode == CANNOT_RUN:
        raise Missing(answer.stderr.strip().splitlines()[-1])
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {answer.stderr}")
    return json.loads(answer.stdout)["scenarios"][0]["details"]


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def race(label, count):
    """N clients find the same expired login, once."""
    client, *choices = APART[label]
    # Whoever waits for all the others needs patience.
    patience = str(120 + 30 * count)
    words = ["race", "--client", f"{client}*{count}", *choices, "--delay", str(DELAY)]
    outcome = lab(*words, "--timeout", patience)[0]["runs"][0]
    answers, refused = outcome["answers"], outcome["counters"]["token400"]
    say(f"{label}, {count}: {outcome['seconds']:.1f} s, {answers} answers, {refused} refused")
    return {"seconds": outcome["seconds"], "answers": answers, "refused": refused}


def races(counts):
    """All ways by turns, so that what else the machine does meets all of them alike."""
    by_count = {str(count): {label: race(label, count) for label in APART} for count in counts}
    return {label: {count: row[label] for count, row in by_count.items()} for label in APART}


def hold_in_turn(label, count):
    """N model clients come at once, and each holds once: seconds until the last one has ended."""
    client, library = HAND_OVER[label]
    words = ["race", "--client", f"{client}*{count}", "--library", library, "--delay", str(HOLD), "--runs", "5"]
    return statistics.median(outcome["seconds"] for outcome in lab(*words, *SHARED)[0]["runs"])


def hand_over(label, counts):
    """What N clients take beyond one client and N - 1 times of holding is hand-overs, N - 1 of them."""
    alone = hold_in_turn(label, 1)
    result = {}
    for count in counts:
        mean = (hold_in_turn(label, count) - alone) / (count - 1) - HOLD
        say(f"hand-over, {label}, {count}: {mean:.4f} s")
        result[str(count)] = {"mean_seconds": mean}
    return result


def takeover(library, count, seconds, kills, seed):
    """N model clients share a lock and its holder is killed: seconds until the next one has it."""
    words = ["stress", "--client", "c", "--library", library, "--processes", str(count), "--containers", str(min(count, 8))]
    one_in = str(max(1, count // kills))
    return lab(*words, *SHARED, "--seconds", str(seconds), "--kill-one-in", one_in, "--seed", str(seed))[0]["takeovers_s"]


def takeovers(counts):
    """Without the library each takes ten seconds of idle waiting, so that all counts can wait at the same time."""
    with ThreadPoolExecutor(len(counts)) as pool:
        without = list(pool.map(lambda count: takeover("none", count, 44, 1, 1), counts))
    result = {"staleness alone": {}, "the library": {}}
    for count, times in zip(counts, without):
        result["staleness alone"][str(count)] = spread(times)
    for count in counts:
        times = [time for seed in range(3) for time in takeover("all", count, 5, 8, seed)]
        result["the library"][str(count)] = spread(times)
        say(f"takeover, {count}: {result['the library'][str(count)]}")
    return result


def spread(times):
    if not times:
        return {"count": 0}
    return {"count": len(times), "median_seconds": statistics.median(times), "longest_seconds": max(times)}


def killed(client):
    """A real client is killed in mid-refresh; seconds from the next one's first attempt to its token request."""
    details = lab("killed", "--client", client, "--library", "compare", "--runs", "2", "--delay", str(DELAY))
    return {row["library"]: [run["seconds"] for run in row["runs"]] for row in details}


def measure(counts):
    """Everything; `counts` are the numbers of clients, who race once each."""
    ours()
    cargo("build", "--quiet", "--locked", "-p", "lockspan-lab")
    several = [count for count in counts if count > 1]
    return {
        "delay_seconds": DELAY,
        "hold_seconds": HOLD,
        "hand_over": {label: hand_over(label, several) for label in HAND_OVER},
        "takeover": takeovers(counts),
        "killed": {client: killed(client) for client in ("2.1.150", NATIVE)},
        "wall": races(counts),
    }
