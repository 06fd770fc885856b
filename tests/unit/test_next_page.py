"""The page after signing in: always a local path."""

from __future__ import annotations

import pytest

from app.api.auth.sessions import HOME, next_page


@pytest.mark.parametrize("path", ["/", "/rq/", "/rq/0/view/jobs/default/queued/8/asc/1", "/tasks?state=a,b&x=%2F"])
def test_a_local_path_is_kept(path: str) -> None:
    assert next_page(path) == path


@pytest.mark.parametrize(
    "target",
    ["", "//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com", "https://evil.com", "https:evil.com", "evil.com",
     "javascript:alert(1)", "/\t/evil.com", "/\n/evil.com", " /x", "/x y", "/x\r\nSet-Cookie: a=b", "/ü", "/" * 2,
     "/" + "x" * 600],
)  # fmt: skip
def test_any_other_target_is_replaced_by_the_home_page(target: str) -> None:
    assert next_page(target) == HOME
