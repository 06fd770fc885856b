"""Files among the answers: they go from the disk to whoever reads them, a piece at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO


class FileOnDisk:
    """What Werkzeug makes of an open file (`wsgi.file_wrapper`, PEP 3333): here only its path is wanted.

    Hundreds of clients that ask for a large file and never read it would otherwise each hold a copy in memory.
    """

    def __init__(self, file: BinaryIO, _block_size: int = 0) -> None:
        self._file = file
        self.path = file.name

    def close(self) -> None:
        """It is opened again by the web server."""
        self._file.close()
