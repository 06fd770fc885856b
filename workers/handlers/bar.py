"""`bar`: asks a web site and says its status code."""

from __future__ import annotations

from app.config import read_handler_settings
from punctual import task
from workers.handlers.output import say

TIMEOUT_S = 4.0  # each of connecting and reading; the task's own limit ends the rest
LIKE_A_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
}


@task
def bar() -> dict[str, str]:
    """GET BAR_URL, print the status code, whatever it is. No answer is a failure."""
    import requests  # noqa: PLC0415  # here, so that declaring the type costs the other processes nothing

    try:
        with requests.get(
            read_handler_settings().bar_url, headers=LIKE_A_BROWSER, timeout=TIMEOUT_S, stream=True
        ) as answer:
            return say(str(answer.status_code))
    except requests.RequestException as trouble:  # its text names hosts and ports, which the API must not show
        raise ConnectionError(f"No answer: {type(trouble).__name__}") from None
