"""The environment of a child process, which a task may change through `os.environ` or by `os.putenv`."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from typing import Any


class Environment:
    """The variables when this object is created. `restore` restores them, also those that `os.putenv` has changed."""

    def __init__(self) -> None:
        self._object = os.environ
        self._data: dict[Any, Any] = self._object._data  # type: ignore[attr-defined]  # noqa: SLF001  # without copying
        self._saved = self._data.copy()
        self._native = _Native() if sys.platform == "linux" else None

    def is_replaced(self) -> bool:
        """Return whether `os.environ` is another object."""
        return os.environ is not self._object

    def is_changed(self) -> bool:
        """Return whether `os.environ` is another object, or has other contents."""
        return os.environ is not self._object or self._data != self._saved

    def restore(self) -> bool:
        """Restore all variables if one was changed, also if by `os.putenv`; return whether one was."""
        if not self.is_changed() and not (self._native and self._native.is_changed):
            return False
        os.environ = self._object  # noqa: B003  # a handler may have replaced it
        given = self._native.names() if self._native else set()
        for name in (self._data.keys() | given) - self._saved.keys():
            os.unsetenv(name)
            self._data.pop(name, None)
        for name, value in self._saved.items():
            os.putenv(name, value)
            self._data[name] = value
        time.tzset()
        if self._native:
            self._native.remember()
        return True


class _Native:
    """The C library's array of pointers to the variables. A change of a variable changes a pointer."""

    def __init__(self) -> None:
        self._array = ctypes.c_void_p.in_dll(ctypes.CDLL(None), "environ")
        self.remember()

    def remember(self) -> None:
        """Save the present content, with which `is_changed` compares."""
        self._size = len(self._pointers()) * ctypes.sizeof(ctypes.c_void_p)
        self._saved = self._content()

    @property
    def is_changed(self) -> bool:
        return self._content() != self._saved

    def names(self) -> set[bytes]:
        """Return the names of all variables."""
        return {ctypes.string_at(each).partition(b"=")[0] for each in self._pointers()}

    def _content(self) -> tuple[int | None, bytes]:
        address = self._array.value
        return address, ctypes.string_at(address, self._size + 8) if address else b""  # with the null at its end

    def _pointers(self) -> list[int]:
        found: list[int] = []
        if self._array.value:
            array = ctypes.cast(self._array.value, ctypes.POINTER(ctypes.c_void_p))
            while (pointer := array[len(found)]) is not None:
                found.append(pointer)
        return found
