"""Which scope each route needs: operations say it beside their view, the few other routes are named here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api_key import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.api.openapi.resource import Resource

# By endpoint; an alias of a path has the endpoint of what it stands for.
FOR_ANYBODY = frozenset(
    {
        "docs",
        "favicon",
        "openapi",
        "static",
        "problem_pages.index",
        "problem_pages.page",
        "sign_in.form",
        "sign_in.enter",
        "sign_in.leave",
    }
)
# By blueprint; whoever comes to one of these pages in a browser without a session is sent to sign in.
PAGES = {"rq_dashboard": Scope.READ}
PAGE_PATHS = ("/rq",)
UNDECLARED = Scope.ADMIN


class Scopes:
    """The scope of every endpoint; a route that nobody declared is for `admin`."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        declared: dict[str, Scope | None] = dict.fromkeys(FOR_ANYBODY)
        for resource in resources:
            declared |= resource.scopes
        self.declared: Mapping[str, Scope | None] = declared

    def of(self, endpoint: str) -> Scope | None:
        """None: for anybody."""
        if endpoint in self.declared:
            return self.declared[endpoint]
        return PAGES.get(endpoint.partition(".")[0], UNDECLARED)


def is_page(path: str) -> bool:
    """Whether people come here in a browser."""
    return any(path == page or path.startswith(f"{page}/") for page in PAGE_PATHS)
