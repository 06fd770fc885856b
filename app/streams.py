"""Standard streams of a process that was started without some of them, by `>&-` or a supervisor."""

from __future__ import annotations

import os
import sys

FIRST_OTHER = 3


def open_missing_streams() -> None:
    """Open the null device for each standard stream that is closed. Call it before any other file is opened.

    Otherwise the next file or connection gets the descriptor of the missing stream, and receives what a handler prints.
    Also, Python sets a missing `sys.stdout` to None, which has no methods.
    """
    while (spare := os.open(os.devnull, os.O_RDWR)) < FIRST_OTHER:  # the lowest free number
        os.set_inheritable(spare, True)
    os.close(spare)
    for fd, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
