"""A certificate authority for tests, which issues valid and invalid certificates by the command `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

WHY_NOT = None if shutil.which("openssl") else "the command `openssl`, which creates certificates, is not installed"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """Files of a certificate and its key."""

    file: Path
    key: Path


class Authority:
    """Issues certificates; `file` is its own, which clients have to trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.file, self._key = folder / "ca.pem", folder / "ca.key"
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 requires it of an authority
        names = ("-keyout", self._key, "-out", self.file, "-subj", "/CN=Ours")
        openssl("req", "-x509", *NEW_KEY, "-days", "30", *names, *usage)

    def issue(self, name: str, *, names: str = "DNS:localhost,IP:127.0.0.1", days: int = 30) -> Certificate:
        """Issue a certificate for these names, which has expired if `days` is negative."""
        file, key, request = (self._folder / f"{name}.{kind}" for kind in ("pem", "key", "csr"))
        extension = self._folder / f"{name}.ext"
        identifiers = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid,issuer\n"
        extension.write_text(f"subjectAltName={names}\n{identifiers}")
        openssl("req", *NEW_KEY, "-keyout", key, "-out", request, "-subj", f"/CN={name}")
        signed_by = ("-CA", self.file, "-CAkey", self._key, "-CAcreateserial", "-days", days, "-extfile", extension)
        openssl("x509", "-req", "-in", request, *signed_by, "-out", file)
        return Certificate(file, key)


def self_signed(folder: Path) -> Certificate:
    """Create a self-signed certificate."""
    file, key = folder / "self.pem", folder / "self.key"
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("req", "-x509", *NEW_KEY, "-days", "30", "-keyout", key, "-out", file, "-subj", "/CN=localhost", *names)
    return Certificate(file, key)


def openssl(*arguments: object) -> None:
    """Run a command of openssl."""
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
