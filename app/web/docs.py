"""The documentation pages: Swagger UI at `/docs`, and a page about each kind of problem, to which its `type` leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template
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
def problems() -> str:
    return render_template("problems.html", problems=PROBLEMS.values())


@pages.get("/problems/<slug>")
def problem(slug: str) -> Response:
    if slug not in PROBLEMS:
        raise NotFound
    return Response(render_template("problems.html", problems=[PROBLEMS[slug]]))


@pages.get("/favicon.ico")
def favicon() -> Response:
    """Answer without an icon, because browsers request one by themselves."""
    return no_content()
