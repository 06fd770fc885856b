"""Settings: values that are accepted, and errors for others."""

from __future__ import annotations

import pytest

from app.config import read_handler_settings, read_settings
from app.errors import InvalidSetting

URLS = {"DATABASE_URL": "postgres://user:secret@host/name", "REDIS_URL": "rediss://:secret@host:6380"}


def test_a_heroku_url_is_converted_for_sqlalchemy() -> None:
    assert read_settings(URLS).database_url == "postgresql+psycopg://user:secret@host/name"


def test_rediss_is_accepted() -> None:
    assert read_settings(URLS).redis_url == "rediss://:secret@host:6380"


def test_settings_never_show_the_secrets_of_their_urls() -> None:
    assert "secret" not in repr(read_settings(URLS))


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(URLS | {"SLOTS": ""}).slots == 16


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DATABASE_URL", "", "DATABASE_URL is not set"),
        ("REDIS_URL", "", "REDIS_URL is not set"),
        ("DATABASE_URL", "mysql://secret@host/name", "must begin with postgres://"),
        ("REDIS_URL", "http://secret", "must begin with redis://"),
        ("SLOTS", "many", "SLOTS"),
        ("SLOTS", "0", "SLOTS"),
        ("SCHEDULE_WINDOW_S", "0.5", "SCHEDULE_WINDOW_S"),
        ("SCHEDULE_WINDOW_S", "1e10", "SCHEDULE_WINDOW_S"),
        ("APP_ENV", "staging", "APP_ENV"),
        ("WORKER_DEAD_AFTER_S", "5", "three times"),
        ("REDIS_PREFIX", "a b", "REDIS_PREFIX"),
        ("REDIS_PREFIX", "{a}", "REDIS_PREFIX"),
        ("REDIS_PREFIX", "a:b", "REDIS_PREFIX"),
        ("REDIS_PREFIX", "a*", "REDIS_PREFIX"),
        ("REDIS_PREFIX", "a\n", "REDIS_PREFIX"),
        ("REDIS_PREFIX", "a" * 33, "REDIS_PREFIX"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(variable: str, value: str, message: str) -> None:
    with pytest.raises(InvalidSetting, match=message) as refused:
        read_settings(URLS | {variable: value})
    assert "secret" not in str(refused.value)


def test_the_settings_of_handlers_need_no_address_of_a_server() -> None:
    assert read_handler_settings({}).bar_url == "https://www.whattimeisitrightnow.com/"
    assert read_handler_settings({"BAR_URL": "http://127.0.0.1/", "SLOTS": "many"}).bar_url == "http://127.0.0.1/"
    assert read_settings(URLS | {"BAR_URL": "http://127.0.0.1/"}).bar_url == "http://127.0.0.1/"
