"""The prefix of keys and channels: its place in each command. Unknown commands are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.redis_prefix import PrefixingSerializer, UnknownCommand

DOCS = Path(__file__).parents[2] / "docs"
PACKER = PrefixingSerializer("ours")


def packed(*command: Any) -> list[bytes]:
    """Return the arguments as they are sent, without their lengths."""
    return b"".join(PACKER.pack(*command)).split(b"\r\n")[2::2]


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (("PING",), [b"PING"]),
        (("CLIENT SETNAME", "w"), [b"CLIENT", b"SETNAME", b"w"]),
        (("SCRIPT LOAD", "return 1"), [b"SCRIPT", b"LOAD", b"return 1"]),
        (("GET", "a"), [b"GET", b"ours:a"]),
        (("get", b"\xff"), [b"get", b"ours:\xff"]),
        ((b"ZADD", "a", 1.5, "a"), [b"ZADD", b"ours:a", b"1.5", b"a"]),
        (("PUBLISH", "wake", "1"), [b"PUBLISH", b"ours:wake", b"1"]),
        (("SUBSCRIBE", "wake", b"more"), [b"SUBSCRIBE", b"ours:wake", b"ours:more"]),
        (("WATCH", "a", "b"), [b"WATCH", b"ours:a", b"ours:b"]),
        (("DEL", "a", "b", "c"), [b"DEL", b"ours:a", b"ours:b", b"ours:c"]),
        (("BLMOVE", "a", "b", "LEFT", "RIGHT", 1), [b"BLMOVE", b"ours:a", b"ours:b", b"LEFT", b"RIGHT", b"1"]),
        (("EVALSHA", "abc", 2, "a", "b", "c"), [b"EVALSHA", b"abc", b"2", b"ours:a", b"ours:b", b"c"]),
        (("EVALSHA", "abc", "0", "a"), [b"EVALSHA", b"abc", b"0", b"a"]),
    ],
)
def test_keys_and_channels_get_the_prefix_and_nothing_else_does(command: tuple[Any, ...], sent: list[bytes]) -> None:
    assert packed(*command) == sent


@pytest.mark.parametrize("command", ["KEYS *", "SCAN 0", "BLPOP a 1", "XREAD STREAMS a 0", "FLUSHALL", "EVAL x 1 a"])
def test_an_unknown_command_is_not_sent(command: str) -> None:
    with pytest.raises(UnknownCommand):
        PACKER.pack(*command.split())


def test_every_command_of_the_acl_is_known() -> None:
    lines = (DOCS / "redis-acl.txt").read_text().splitlines()
    allowed = [rule[1:] for line in lines if not line.startswith("#") for rule in line.split() if rule[0] == "+"]
    assert len(allowed) > 40
    for each in allowed:
        name = each.replace("|", " ").upper()
        assert packed(name, "a", "1", "a")[0] == name.split()[0].encode()
