"""What comes of a suite."""

from dataclasses import dataclass, field

# What a script exits with when it cannot run here.
CANNOT_RUN = 3


class CannotRun(Exception):
    """A suite cannot be fetched or run here, with the reason."""


@dataclass
class Difference:
    """A test whose results are not all the same."""

    test: str
    native: list
    active: list

    def __str__(self):
        return f"{self.test}: {' '.join(self.native)} without, {' '.join(self.active)} with the library"


@dataclass
class Row:
    """One suite."""

    name: str
    skipped: str = ""
    tests: int = 0
    outcomes: dict = field(default_factory=dict)
    different: list = field(default_factory=list)
    flaky: list = field(default_factory=list)

    @property
    def same(self):
        return self.tests - len(self.different) - len(self.flaky)

    def as_json(self):
        if self.skipped:
            return {"suite": self.name, "skipped": self.skipped}
        listed = {
            kind: [vars(found) for found in getattr(self, kind)] for kind in ("different", "flaky")
        }
        return {"suite": self.name, "tests": self.tests, "same": self.same, "native": self.outcomes, **listed}
