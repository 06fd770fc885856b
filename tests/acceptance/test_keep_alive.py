"""Idle connections are kept longer than load balancers keep them, and a stopping process loses no request on one."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.config import Settings
from tests.acceptance.conditions import wait_until

if TYPE_CHECKING:
    from tests.acceptance.conftest import NewService

CLIENTS = 20
# Documented idle timeouts of load balancers: AWS 60 s, nginx 60 s, Heroku 90 s. Google's 600 s need the setting.
LONGEST_BALANCER_S = 90


class Balancer:
    """Sends requests over one kept connection, as a load balancer does; opens another after `Connection: close`."""

    def __init__(self, url: str, *, every_s: float) -> None:
        self._address = urlsplit(url).netloc
        self._every_s = every_s
        self.answers = 0
        self.told_to_close = 0
        self.lost: list[Exception] = []
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        while self._reaches(connection):
            try:
                connection.request("GET", "/tasks?limit=1")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(error)
                return
            self.answers += 1
            if answer.getheader("Connection", "").lower() == "close":
                self.told_to_close += 1
                connection.close()
            time.sleep(self._every_s)

    def _reaches(self, connection: http.client.HTTPConnection) -> bool:
        """Connect if necessary, without sending a request; return whether the server still listens."""
        if connection.sock is not None:
            return True
        try:
            connection.connect()
        except OSError:
            return False
        return True


def test_no_request_is_lost_on_a_kept_connection_when_the_process_stops(new_service: NewService) -> None:
    service = new_service(worker=0)
    clients = [Balancer(service.url, every_s=0.05) for _ in range(CLIENTS)]
    wait_until(lambda: all(each.answers > 3 for each in clients), 30, "all have a connection")
    (web,) = service.living("web")
    web.send(signal.SIGTERM)
    for each in clients:
        each.thread.join(60)
    assert [each.lost for each in clients if each.lost] == []
    assert all(each.told_to_close for each in clients), "each was told to close its connection"
    assert web.wait(30) == 0


def test_idle_connections_are_kept_as_long_as_the_setting_says(new_service: NewService) -> None:
    assert Settings(database_url="", redis_url="").keep_alive_s > LONGEST_BALANCER_S
    service = new_service({"KEEP_ALIVE_S": "17"}, worker=0)
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    for _ in range(2):
        connection.request("GET", "/health")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        kept = connection.sock
        time.sleep(15.5)  # more than the fifteen seconds within which connections used to end
    assert connection.sock is kept
    kept.settimeout(60)
    assert kept.recv(1) == b"", "then it is closed"
    connection.close()
