"""The path prefix of a request: named by a proxy in our own network, or configured."""

from __future__ import annotations

import pytest

from app.api.url_prefix import below, prefix_of

PROXY, PUBLIC = "10.0.0.7", "8.8.8.8"


@pytest.mark.parametrize(
    ("forwarded", "prefix"),
    [
        ("/punctual", "/punctual"),
        ("/punctual/", "/punctual"),
        ("/a/b.c/~d-e_f", "/a/b.c/~d-e_f"),
        ("/outer, /inner", "/outer/inner"),
        ("/", ""),
        (" /a ", "/a"),
    ],
)
def test_a_proxy_names_the_prefix(forwarded: str, prefix: str) -> None:
    assert prefix_of(forwarded, PROXY, "/configured") == prefix


@pytest.mark.parametrize(
    "forwarded",
    ["//evil.example", "/a//b", "/\\evil.example", "https://evil.example", "evil", "javascript:alert(1)", "/a b",
     "/a?b", "/a#b", "/..", "/a/../b", "/.", '/"><script>', "/a\r\nSet-Cookie: x", "/é", "/" + "x" * 65, "/a" * 9,
     "/a,b"],
)  # fmt: skip
def test_a_header_that_is_no_path_is_ignored(forwarded: str) -> None:
    assert prefix_of(forwarded, PROXY, "/configured") == "/configured"


@pytest.mark.parametrize(
    "peer", ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", ""]
)
def test_a_peer_in_our_own_network_is_trusted(peer: str) -> None:
    assert prefix_of("/p", peer, "") == "/p"


@pytest.mark.parametrize("peer", [PUBLIC, "2001:4860:4860::8888", "1.1.1.1"])
def test_a_public_peer_is_not_trusted(peer: str) -> None:
    assert prefix_of("/p", peer, "/configured") == "/configured"


def test_without_a_header_the_setting_applies() -> None:
    assert prefix_of(None, PROXY, "/configured") == prefix_of("", PROXY, "/configured") == "/configured"


@pytest.mark.parametrize(
    ("prefix", "path", "found"),
    [
        ("/p", "/p/tasks", "/tasks"),
        ("/p", "/tasks", "/tasks"),
        ("/p", "/p", "/"),
        ("/p", "/p/", "/"),
        ("/p", "/ptasks", "/ptasks"),
        ("/p", "/p/p/tasks", "/p/tasks"),
        ("", "/tasks", "/tasks"),
    ],
)
def test_a_path_is_shortened_by_the_prefix_if_the_proxy_has_not_done_so(prefix: str, path: str, found: str) -> None:
    assert below(prefix, path) == found
