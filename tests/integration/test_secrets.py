"""Keys, passwords and the secret of the sessions: in no log, no answer, nowhere in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.api.services import services_of
from app.api_key import new_secret
from tests.integration.asking import FUTURE
from tests.integration.conftest import heard
from tests.integration.keys import PASSWORD, SAME_SITE, bearer, make_key

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings

TASK = {"type": "foo", "execute_at": FUTURE}


def test_no_secret_appears_in_any_log_answer_or_key(
    another: Callable[..., FlaskClient], engine: Engine, harm: Redis, settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    secret, unknown = make_key(engine, "admin")[1], new_secret()
    asks = {"auth": "on", "secret_key": PASSWORD, "log_level": "debug", "requests_per_minute": 1000}
    client = another(**asks)
    away = another(**asks, database_url=f"postgresql+psycopg://x:{PASSWORD[:12]}@127.0.0.1:1/x")
    lost = another(**asks, redis_url=f"redis://:{PASSWORD[:12]}@127.0.0.1:1/0", redis_timeout_s=0.1)
    own = urlsplit(settings.database_url).password or ""
    wrong = another(**asks, database_url=settings.database_url.replace(own, PASSWORD[:12]))
    client.application.add_url_rule("/crash", "crash", lambda: str(1 // 0))
    told = [repr(settings)]
    for each in (client, away, lost, wrong):
        for headers in (bearer(secret), bearer(unknown), {"Authorization": f"Basic {secret}"}):
            for path in ("/tasks", "/crash", "/rq/", "/nope", f"/tasks?key={secret}", "/types", "/ready"):
                answer = each.get(path, headers=headers)
                told.append(answer.text + str(answer.headers))
            told.append(each.post("/tasks", json=TASK, headers=headers).text)
        told += [each.post("/sign-in", data={"key": key}, headers=SAME_SITE).text for key in (secret, unknown)]
        told.append(each.get("/sign-in").text)
        told.append(repr(services_of(each.application).settings))
    heard(client.application)
    told += [str(harm.dump(key)) + str(key) for key in harm.scan_iter()]
    captured = capsys.readouterr()
    told += [captured.err, captured.out]
    assert "request_crashed" in captured.err
    assert "limits_in_memory" in captured.err
    passwords = [urlsplit(url).password or "" for url in (settings.database_url, settings.redis_url)]
    for hidden in (secret, unknown, PASSWORD, PASSWORD[:12], *passwords):
        assert len(hidden) > 8
        assert not [text for text in told if hidden in text]
