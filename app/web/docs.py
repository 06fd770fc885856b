"""The documentation pages: Swagger UI at `/docs`, and a page about each kind of problem, to which its `type` leads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template
from markupsafe import Markup, escape
from werkzeug.exceptions import NotFound

from app.api.answers import no_content
from app.api.errors import all_problems

if TYPE_CHECKING:
    from app.api.errors import Problem

pages = Blueprint("pages", __name__)
PROBLEMS: dict[str, Problem] = {problem.slug: problem for problem in all_problems()}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@pages.get("/docs")
def docs() -> Response:
    """Swagger UI with the OpenAPI document; it loads nothing from other hosts."""
    return Response(render_template("docs.html"), headers={"Content-Security-Policy": POLICY})


@pages.get("/problems/")
def problems() -> Response:
    return _explain(list(PROBLEMS.values()))


@pages.get("/problems/<slug>")
def problem(slug: str) -> Response:
    if slug not in PROBLEMS:
        raise NotFound
    return _explain([PROBLEMS[slug]])


@pages.app_template_filter()
def with_code(text: str) -> Markup:
    """Render text between backticks as code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


@pages.get("/favicon.ico")
def favicon() -> Response:
    """Answer without an icon, because browsers request one by themselves."""
    return no_content()


def _explain(explained: list[Problem]) -> Response:
    page = render_template("problems.html", problems=explained)
    return Response(page, headers={"Content-Security-Policy": POLICY})
