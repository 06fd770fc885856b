"""Descriptions of faults of a server's certificate. If the driver does not report the fault, the server is asked."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

TIMEOUT_S = 2.0
SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")  # SSLRequest of Postgres' protocol
EXPIRED, NOT_YET = 10, 9
UNKNOWN = {18: "is self-signed", 19: "ends in a self-signed one", 20: "is of an unknown authority",
           21: "is of an unknown authority"}  # fmt: skip
OTHER_NAME = {62, 64}  # codes of X509_verify_cert_error_string(3)


def fault_of(error: ssl.SSLCertVerificationError) -> str:
    """Return why OpenSSL refused a certificate."""
    code = error.verify_code
    if code in UNKNOWN:
        return f"its certificate {UNKNOWN[code]}, which is not among the trusted ones"
    if code in OTHER_NAME:
        return "its certificate is for another name than that of the address"
    if code == EXPIRED:
        return "its certificate has expired"
    if code == NOT_YET:
        return "its certificate is not valid yet"
    return f"its certificate is refused: {error.verify_message}"


def ask_for_fault(host: str, port: int, *, ca_file: str | None, checks_name: bool, postgres: bool) -> str | None:
    """Open a TLS connection and return the fault of the certificate; None without a fault or an answer."""
    context = ssl.create_default_context()
    context.check_hostname = checks_name
    with suppress(OSError, ValueError):
        if ca_file and ca_file != "system":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = checks_name
            context.load_verify_locations(ca_file)
        with socket.create_connection((host, port), timeout=TIMEOUT_S) as channel:
            if postgres:
                channel.sendall(SSL_REQUEST)
                if channel.recv(1) != b"S":
                    return "it offers no TLS"
            try:
                context.wrap_socket(channel, server_hostname=host).close()
            except ssl.SSLCertVerificationError as refused:
                return fault_of(refused)
    return None
