"""To come."""

from suite.result import CannotRun

NAME = "perl"


def prepare():
    raise CannotRun("to come")
