"""Preloaded by the fork server: ignore SIGTERM, and die with the worker.

A platform that stops a service signals every process, and some signal the whole process group. The children have to
finish what they run, and the death of the process they are forked from would kill them, so that process must not die
of SIGTERM. It ends when the worker closes its pipe.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

os.setsid()
signal.signal(signal.SIGTERM, lambda *_: None)
if sys.platform == "linux":  # a busy child keeps the pipe open as well, so the kernel is asked for a signal
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
