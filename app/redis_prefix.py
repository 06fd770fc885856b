"""A prefix for every key and channel of a Redis connection.

The prefix is added where redis-py turns a command into bytes, so it also applies to pipelines, scripts, WATCH and
SUBSCRIBE, and to the packages that share a connection (RQ, rq-scheduler, rq-dashboard, limits). All other code uses
keys without the prefix. A script must take its keys from KEYS.
"""

from __future__ import annotations

from typing import Any

from redis.connection import HiredisRespSerializer

NO_KEY = frozenset({
    "AUTH", "CLIENT", "DISCARD", "EXEC", "HELLO", "INFO", "MULTI", "PING", "SCRIPT", "SELECT", "UNWATCH",
})  # fmt: skip
FIRST_IS_KEY = frozenset({
    "EXPIRE", "GET", "HDEL", "HEXISTS", "HGET", "HGETALL", "HINCRBY", "HINCRBYFLOAT", "HSET", "INCRBY", "LLEN", "LPOP",
    "LPUSH", "LRANGE", "LREM", "PERSIST", "PUBLISH", "RPUSH", "SADD", "SCARD", "SET", "SMEMBERS", "SREM", "TYPE",
    "XADD", "XLEN", "XREVRANGE", "ZADD", "ZCARD", "ZCOUNT", "ZMSCORE", "ZRANGE", "ZRANGEBYSCORE", "ZREM",
    "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE", "ZREVRANGE", "ZSCORE",
})  # fmt: skip
FIRST_TWO_ARE_KEYS = frozenset({"BLMOVE", "LMOVE"})
ALL_ARE_KEYS = frozenset({"DEL", "EXISTS", "SUBSCRIBE", "UNSUBSCRIBE", "WATCH"})
SCRIPTS = frozenset({"EVALSHA"})
KEYS = (
    dict.fromkeys(FIRST_IS_KEY, slice(1, 2))
    | dict.fromkeys(FIRST_TWO_ARE_KEYS, slice(1, 3))
    | dict.fromkeys(ALL_ARE_KEYS, slice(1, None))
)  # which arguments of a command are keys


class UnknownCommand(Exception):
    """The command was not sent, because it is unknown which of its arguments are keys."""


class PrefixingSerializer(HiredisRespSerializer):
    """The serializer of a connection. It prefixes keys and channels, and refuses commands that are not in the tables.

    Replies are not changed, so the tables leave out commands that reply with keys (KEYS, SCAN, BLPOP, XREAD).
    """

    def __init__(self, prefix: str) -> None:
        self._text, self._bytes = f"{prefix}:", f"{prefix}:".encode()

    def pack(self, *command: Any) -> list[bytes]:
        """Serialize one command.

        Raises:
            UnknownCommand: the command is in none of the tables.
        """
        name = (command[0].decode() if isinstance(command[0], bytes) else str(command[0])).upper()
        sent = list(command)
        if name in KEYS or name in SCRIPTS:
            keys = KEYS[name] if name in KEYS else slice(3, 3 + int(command[2]))
            sent[keys] = [self._bytes + each if isinstance(each, bytes) else self._text + each for each in sent[keys]]
        elif name.partition(" ")[0] not in NO_KEY:
            raise UnknownCommand(name)
        packed: list[bytes] = super().pack(*sent)
        return packed
