"""Preloaded by the fork server: ignore SIGTERM, and die with the worker.

A platform that stops a service sends SIGTERM to every process, some to the whole process group. The children must
finish their tasks, and they are killed when the fork server dies, so it ignores SIGTERM. It ends when the worker closes
its pipe.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

os.setsid()
signal.signal(signal.SIGTERM, lambda *_: None)
if sys.platform == "linux":  # a busy child keeps the pipe open, so the pipe alone does not suffice
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
