"""Takes locks, begins to write credentials, and goes on as a module of Python's: hold.py MODULE [ARGUMENT...]

What is open stays open, so that every close is looked at while the module runs.
"""

import fcntl
import os
import runpy
import sys

home = os.environ["HOME"]
os.mkdir(f"{home}/.claude.lock")
os.mkdir(f"{home}/.tool.lock")
credentials = os.open(f"{home}/.claude/.credentials.json", os.O_WRONLY | os.O_TRUNC)
os.write(credentials, b'{"claudeAiOauth":')
lock = os.open(f"{home}/.tool/locked.json.lock", os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(lock, fcntl.LOCK_EX)

sys.path[0] = os.getcwd()
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
