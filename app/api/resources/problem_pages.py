"""The short page about each kind of problem: where the `type` of an error leads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, render_template
from werkzeug.exceptions import NotFound

from app.api.problems import all_problems

if TYPE_CHECKING:
    from app.api.problems import Problem

pages = Blueprint("problem_pages", __name__)
PROBLEMS: dict[str, Problem] = {problem.slug: problem for problem in all_problems()}


@pages.get("/problems/")
def index() -> str:
    """All of them."""
    return render_template("problems.html", problems=PROBLEMS.values())


@pages.get("/problems/<slug>")
def page(slug: str) -> Response:
    """One of them."""
    if slug not in PROBLEMS:
        raise NotFound
    return Response(render_template("problems.html", problems=[PROBLEMS[slug]]))
