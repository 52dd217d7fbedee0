"""The Test Anything Protocol, which perl's and many of npm's tests print."""

import re
from collections import Counter

LINE = re.compile(r"^(not )?ok\b\s*(\d*)\s*(?:-\s*)?([^#\n]*)(#\s*(?:TODO|SKIP))?", re.MULTILINE | re.IGNORECASE)


def results(part, status, printed, by_name):
    """Each test's result, and the whole part's. Tests are told apart by their number or, where they finish in no
    fixed order, by name; names may be of one run alone."""
    found = {f"{part}: whole": f"status {status}"}
    seen = Counter()
    for count, line in enumerate(LINE.finditer(printed), 1):
        failed, number, name, directive = line.groups()
        test = name.strip() if by_name else number or str(count)
        seen[test] += 1
        result = "failed" if failed else "passed"
        found[f"{part}: {test} {seen[test]}" if by_name else f"{part}: {test}"] = result + (directive or "")
    return found
