"""Where the service is, and what a running `make run` says of it."""

from __future__ import annotations

from pathlib import Path

RUN_FILE = Path("var/run.env")
USUAL_URL = "http://127.0.0.1:8000"


def run_addresses(file: Path | None = None) -> dict[str, str]:
    """The `KEY=value` lines that `make run` keeps as long as it runs; empty when it does not."""
    try:
        lines = (file or RUN_FILE).read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in lines if "=" in line)


def service_url(given: str | None) -> str:
    """The address that was given, else that of `make run`, else the usual one."""
    return (given or run_addresses().get("BASE_URL") or USUAL_URL).rstrip("/")
