"""Imported by the process that forks the children: it must outlive the signals meant for the worker.

A platform that stops us signals every process, and some signal the whole group. The children have to finish what they
run, so the process they are forked from, whose death would kill them, must not die of SIGTERM. It ends when the worker
closes its pipe.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

os.setsid()
signal.signal(signal.SIGTERM, lambda *_: None)
if sys.platform == "linux":  # a child that is busy keeps the pipe open, too: so ask the kernel
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
