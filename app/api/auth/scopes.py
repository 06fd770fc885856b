"""The scope that each route needs: operations declare it beside their view, the few other routes are listed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.api_key import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.api.openapi.resource import Resource

# By endpoint; an alias of a path has the same endpoint.
PUBLIC = frozenset(
    {
        "openapi",
        "static",
        "pages.docs",
        "pages.favicon",
        "pages.problem",
        "pages.problems",
        "sign_in.form",
        "sign_in.enter",
        "sign_in.leave",
    }
)
# By blueprint. A browser without a session that opens one of these pages is redirected to the page to sign in.
PAGES = {"rq_dashboard": Scope.READ}
PAGE_PATHS = ("/rq",)
UNDECLARED = Scope.ADMIN


class Scopes:
    """The scope of every endpoint; a route without a declaration needs `admin`."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        declared: dict[str, Scope | None] = dict.fromkeys(PUBLIC)
        for resource in resources:
            declared |= {endpoint: operation.scope for endpoint, operation in resource.operations.items()}
        self.declared: Mapping[str, Scope | None] = declared

    def of(self, endpoint: str) -> Scope | None:
        """Return the scope of an endpoint; None if it is public."""
        if endpoint in self.declared:
            return self.declared[endpoint]
        return PAGES.get(endpoint.partition(".")[0], UNDECLARED)


def is_page(path: str) -> bool:
    """Return whether a path leads to a page that people open in a browser."""
    return any(path == page or path.startswith(f"{page}/") for page in PAGE_PATHS)
