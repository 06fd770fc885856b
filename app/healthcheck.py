"""`python -m app.healthcheck`: check that the web process of this container answers; exit code 0 or 1."""

from __future__ import annotations

import sys
import urllib.request
from ipaddress import ip_address

from app.config import listen_address, read_settings

TIMEOUT_S = 4.0


def main() -> None:
    """Request `/health` at HOST and PORT."""
    settings = read_settings(connects=False)
    address = ip_address(listen_address(settings.host))
    if address.is_unspecified:
        address = ip_address("127.0.0.1" if address.version == 4 else "::1")  # noqa: PLR2004
    place = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy cannot reach this container
    try:
        opener.open(f"http://{place}:{settings.port}/health", timeout=TIMEOUT_S).close()
    except OSError as trouble:
        sys.exit(f"the web process does not answer: {type(trouble).__name__}")


if __name__ == "__main__":
    main()
