"""`bar`: requests a web page and prints its status code."""

from __future__ import annotations

from app.config import read_handler_settings
from punctual import task
from workers.handlers.printing import print_line

TIMEOUT_S = 4.0  # for connecting and for each read; the timeout of the task covers the whole
LIKE_A_BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en",
}


@task
def bar() -> dict[str, str]:
    """GET BAR_URL and print the status code, also of an error. No answer is a failure."""
    import requests  # noqa: PLC0415  # imported here, so that processes which only declare the type do without

    try:
        with requests.get(
            read_handler_settings().bar_url, headers=LIKE_A_BROWSER, timeout=TIMEOUT_S, stream=True
        ) as answer:
            return print_line(str(answer.status_code))
    except requests.RequestException as error:  # its text names hosts and ports, which the API must not show
        raise ConnectionError(f"No answer: {type(error).__name__}") from None
