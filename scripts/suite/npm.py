"""To come."""

from suite.result import CannotRun

NAME = "npm"


def prepare():
    raise CannotRun("to come")
