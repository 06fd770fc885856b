"""The name of each error of Redis, and which errors are refusals."""

from __future__ import annotations

import pytest
from redis._parsers.base import BaseParser
from redis.exceptions import ConnectionError as RedisConnectionError, RedisError, TimeoutError as RedisTimeout

from app.loop import describe
from app.redis_pool import REFUSALS, _word, is_refusal, name_of

# As servers write them: Redis 6.2 and 7, Valkey 8 and 9.
REFUSED = (
    ("READONLY", "READONLY You can't write against a read only replica."),
    ("READONLY", "READONLY You can't write against a read only replica. script: 5f3a, on @user_script:1."),
    (
        "READONLY",
        "ERR Error running script (call to f_5f3a): @user_script:2: -READONLY You can't write against a replica.",
    ),
    ("READONLY", "-READONLY You can't write against a read only replica."),
    ("UNBLOCKED", "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"),
    ("LOADING", "LOADING Redis is loading the dataset in memory"),
    ("LOADING", "LOADING Valkey is loading the dataset in memory"),
    ("CLUSTERDOWN", "CLUSTERDOWN Hash slot not served"),
    ("CLUSTERDOWN", "CLUSTERDOWN The cluster is down"),
    ("MASTERDOWN", "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'."),
    (
        "MISCONF",
        "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands ...",
    ),
    ("MISCONF", "MISCONF Errors writing to the AOF file: No space left on device"),
    ("OOM", "OOM command not allowed when used memory > 'maxmemory'."),
    (
        "OOM",
        "ERR Error running script (call to f_5f3a): @user_script:4: -OOM command not allowed when used memory ...",
    ),
    ("NOPERM", "NOPERM this user has no permissions to run the 'set' command"),
    ("NOPERM", "NOPERM User punctual has no permissions to run the 'set' command"),
    ("NOPERM", "NOPERM No permissions to access a key"),
    ("NOAUTH", "NOAUTH Authentication required."),
    ("WRONGPASS", "WRONGPASS invalid username-password pair or user is disabled."),
    ("DENIED", "DENIED Redis is running in protected mode because protected mode is enabled"),
    ("NOREPLICAS", "NOREPLICAS Not enough good replicas to write."),
    ("MOVED", "MOVED 3999 127.0.0.1:6381"),
    ("ASK", "ASK 3999 127.0.0.1:6381"),
    ("TRYAGAIN", "TRYAGAIN Multiple keys request during rehashing of slot"),
    ("BUSY", "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
)
ABOUT_THE_COMMAND = (
    ("WRONGTYPE", "WRONGTYPE Operation against a key holding the wrong kind of value"),
    ("NoScriptError", "NOSCRIPT No matching script. Please use EVAL."),
    ("ResponseError", "ERR unknown command 'FOO', with args beginning with: 'READONLY' "),
    ("ResponseError", "ERR value is not an integer or out of range"),
    ("ResponseError", "no error of Redis begins like this"),
    ("CROSSSLOT", "CROSSSLOT Keys in request don't hash to the same slot"),
    ("BUSYGROUP", "BUSYGROUP Consumer Group name already exists"),
    ("NOTBUSY", "NOTBUSY No scripts in execution right now."),
)


def read(text: str) -> RedisError:
    """Return the error that a connection raises for this answer."""
    error: RedisError = BaseParser.parse_error(text)
    error.status_code = _word(error)
    return error


@pytest.mark.parametrize(("word", "text"), REFUSED)
def test_a_refusal_is_named_by_the_error_code_of_the_server(word: str, text: str) -> None:
    error = read(text)
    assert (name_of(error), is_refusal(error)) == (word, True)
    assert describe(error).startswith(word)


def test_every_refusal_is_tried() -> None:
    assert {word for word, _ in REFUSED} == REFUSALS


@pytest.mark.parametrize(("name", "text"), ABOUT_THE_COMMAND)
def test_an_error_about_the_command_is_no_refusal(name: str, text: str) -> None:
    error = read(text)
    assert not is_refusal(error)
    assert name_of(error) in {name, text.partition(" ")[0]}


def test_no_text_of_an_error_is_logged() -> None:
    assert describe(RedisConnectionError("Error 111 connecting to redis:6379.")) == "ConnectionError"
    assert describe(RedisTimeout("Timeout reading from socket")) == "TimeoutError"
    assert describe(read("ERR unknown command 'FOO', with args beginning with: 'secret' ")) == "ResponseError"
    assert "secret" not in describe(read("WRONGTYPE secret"))
    assert not is_refusal(ValueError("READONLY"))
