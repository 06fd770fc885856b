"""Files among the answers: they go from the disk to whoever reads them, a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from werkzeug.wsgi import FileWrapper

if TYPE_CHECKING:
    from typing import BinaryIO


def wrap_file(file: BinaryIO, block_size: int = 8192) -> FileOnDisk | FileWrapper:
    """What Werkzeug makes of an open file (`wsgi.file_wrapper`, PEP 3333), if it has a path."""
    return FileOnDisk(file) if isinstance(getattr(file, "name", None), str) else FileWrapper(file, block_size)


class FileOnDisk:
    """Of an open file only its path is wanted.

    Hundreds of clients that ask for a large file and never read it would otherwise each hold a copy in memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.path = file.name

    def close(self) -> None:
        """It is opened again by the web server."""
        self._file.close()
