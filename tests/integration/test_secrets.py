"""Keys, passwords and the secret of the sessions appear in no log, no answer and no key of Redis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.api.services import services_of
from app.api_key import new_secret
from tests.integration.api_calls import FUTURE
from tests.integration.conftest import drain_due_set_writer
from tests.integration.keys import PASSWORD, SAME_SITE, bearer, make_key

if TYPE_CHECKING:
    import pytest
    from flask.testing import FlaskClient
    from redis import Redis
    from sqlalchemy import Engine

    from app.config import Settings

TASK = {"type": "foo", "execute_at": FUTURE}


def test_no_secret_appears_in_any_log_answer_or_key(
    client_with: Callable[..., FlaskClient], engine: Engine, harm: Redis, settings: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    secret, unknown = make_key(engine, "admin")[1], new_secret()
    options = {"auth": "on", "secret_key": PASSWORD, "log_level": "debug", "requests_per_minute": 1000}
    client = client_with(**options)
    no_postgres = client_with(**options, database_url=f"postgresql+psycopg://x:{PASSWORD[:12]}@127.0.0.1:1/x")
    no_redis = client_with(**options, redis_url=f"redis://:{PASSWORD[:12]}@127.0.0.1:1/0", redis_timeout_s=0.1)
    own = urlsplit(settings.database_url).password or ""
    wrong = client_with(**options, database_url=settings.database_url.replace(own, PASSWORD[:12]))
    client.application.add_url_rule("/crash", "crash", lambda: str(1 // 0))
    output = [repr(settings)]
    for each in (client, no_postgres, no_redis, wrong):
        for headers in (bearer(secret), bearer(unknown), {"Authorization": f"Basic {secret}"}):
            for path in ("/tasks", "/crash", "/rq/", "/nope", f"/tasks?key={secret}", "/types", "/ready"):
                answer = each.get(path, headers=headers)
                output.append(answer.text + str(answer.headers))
            output.append(each.post("/tasks", json=TASK, headers=headers).text)
        output += [each.post("/sign-in", data={"key": key}, headers=SAME_SITE).text for key in (secret, unknown)]
        output.append(each.get("/sign-in").text)
        output.append(repr(services_of(each.application).settings))
    drain_due_set_writer(client.application)
    output += [str(harm.dump(key)) + str(key) for key in harm.scan_iter()]
    captured = capsys.readouterr()
    output += [captured.err, captured.out]
    assert "request_crashed" in captured.err
    assert "limits_in_memory" in captured.err
    passwords = [urlsplit(url).password or "" for url in (settings.database_url, settings.redis_url)]
    for hidden in (secret, unknown, PASSWORD, PASSWORD[:12], *passwords):
        assert len(hidden) > 8
        assert not [text for text in output if hidden in text]
