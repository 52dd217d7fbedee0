"""To come."""

from suite.result import CannotRun

NAME = "stress"


def prepare():
    raise CannotRun("to come")
