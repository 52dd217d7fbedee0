"""Times of several variants, taken by turns, so that what else the machine does meets all of them alike."""

import os
import select
import signal
import statistics
import time

# A command that has not ended after so many seconds hangs: each of them takes a few at most.
PATIENCE = 20


class Failed(Exception):
    """A command does not work with a library; the text says how."""


def spawn(argv, environment):
    """Runs a command with nothing to read and nobody to read it; its wall time in seconds."""
    null = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    start = time.perf_counter_ns()
    child = os.posix_spawn(argv[0], argv, environment, file_actions=null, setpgroup=0)
    descriptor = os.pidfd_open(child)
    ended = select.poll()
    ended.register(descriptor, select.POLLIN)
    in_time = ended.poll(PATIENCE * 1000)
    took = time.perf_counter_ns() - start
    os.close(descriptor)
    if not in_time:
        os.killpg(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not in_time:
        raise Failed(f"hangs (killed after {PATIENCE} s)")
    if status != 0:
        raise Failed(f"fails ({os.waitstatus_to_exitcode(status)})")
    return took / 1e9


def measure(variants, once, seconds, least):
    """once(variant) answers a time. Rounds over all variants until so many seconds have gone, but `least` of them.

    The times of each variant, and for those with which the command does not work, how it fails.
    """
    order = []
    failed = {}
    for variant in variants:
        try:
            once(variant)  # Into the caches.
            order.append(variant)
        except Failed as how:
            failed[variant] = str(how)
    times = {variant: [] for variant in order}
    end = time.monotonic() + seconds
    rounds = 0
    while rounds < least or time.monotonic() < end:
        for variant in order:
            times[variant].append(once(variant))
        # The first of a round is somebody else each time.
        order.append(order.pop(0))
        rounds += 1
    return times, failed


def difference(times, variant, baseline):
    """The median of the differences, round by round: what else goes on falls out of it."""
    return statistics.median(a - b for a, b in zip(times[variant], times[baseline]))


def summary(times, baseline):
    """Of each variant: its median and minimum, and the median of its ratios to the baseline, round by round."""
    return {
        variant: {
            "median": statistics.median(own),
            "minimum": min(own),
            "ratio": statistics.median(a / b for a, b in zip(own, times[baseline])),
            "rounds": len(own),
        }
        for variant, own in times.items()
    }
