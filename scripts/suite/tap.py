"""The Test Anything Protocol, which perl's and many of npm's tests print."""

import re

LINE = re.compile(r"^(not )?ok\b\s*(\d*)\s*(?:-\s*)?([^#\n]*)(#\s*(?:TODO|SKIP).*)?", re.MULTILINE | re.IGNORECASE)


def results(part, status, printed, named=True):
    """Each test's result, and the whole part's. Tests are told apart by number, and by name unless names are of
    this run alone."""
    found = {f"{part}: whole": f"status {status}"}
    for count, line in enumerate(LINE.finditer(printed), 1):
        failed, number, name, directive = line.groups()
        test = f"{part}: {number or count} {name.strip() if named else ''}".strip()
        kind = directive.split()[-1 if directive.strip("# ").upper() in ("TODO", "SKIP") else 0] if directive else ""
        found[test] = ("failed" if failed else "passed") + (f" {kind}" if kind else "")
    return found
