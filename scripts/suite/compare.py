"""Runs a part of a suite both ways and compares."""

from collections import Counter

from suite.result import Difference

# How often a part runs each way once its results differ, the first time included.
RUNS = 3


def compare(prepared, part, live, row):
    """Adds a part's tests to a row."""
    native = [results(prepared, part, live, active=False)]
    active = [results(prepared, part, live, active=True)]
    if native != active:
        for _ in range(RUNS - 1):
            native.append(results(prepared, part, live, active=False))
            active.append(results(prepared, part, live, active=True))
    row.outcomes = dict(Counter(row.outcomes) + Counter(native[0].values()))
    for test in sorted(set().union(*native, *active)):
        row.tests += 1
        without, with_it = ([run.get(test, "absent") for run in runs] for runs in (native, active))
        if len(set(without)) > 1:
            row.flaky.append(Difference(test, without, with_it))
        elif set(without) != set(with_it):
            row.different.append(Difference(test, without, with_it))


def results(prepared, part, live, active):
    """Each test's result in one run."""
    live.make()
    found = prepared.run(part, live, active)
    # A library that did nothing proves nothing.
    if active and prepared.holds and not live.was_active():
        found[f"{part}: the library took part"] = "no"
    elif prepared.holds:
        found[f"{part}: the library took part"] = "yes"
    return found
