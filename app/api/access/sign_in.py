"""The page to sign in with an API key, and out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, render_template, request

from app.api.access.control import access
from app.api.access.forgery import form_field, refuse_foreign, refuse_forged
from app.api.access.next_page import next_page
from app.api.access.request_rate import refuse_beyond
from app.api.access.sessions import begin_session, end_session, session_key_id, session_token
from app.api.problems import REFUSALS
from app.api_key import Scope, digest
from app.errors import ScopeMissing, TooManyRequests, Unauthenticated

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from app.api_key import ApiKey
    from app.errors import Refusal

sign_in = Blueprint("sign_in", __name__)

PAGE = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A browser tells nobody where a form comes from if a page has no-referrer.
HEADERS = {"Content-Security-Policy": PAGE, "Referrer-Policy": "same-origin"}
ATTEMPTS_PER_MINUTE = 10
WRONG: dict[type[Refusal], str] = {
    Unauthenticated: "This key is unknown, expired or revoked.",
    ScopeMissing: "This key is not for looking: it has neither the scope read nor admin.",
    TooManyRequests: "Too many attempts. Try again in a minute.",
}


@sign_in.get("/sign-in")
def form() -> Response:
    """The form; or who is signed in, and the way out."""
    key_id = session_key_id() if access().needed else None
    return _page(signed_in=access().keys.with_id(key_id) if key_id else None)


@sign_in.post("/sign-in")
def enter() -> AnyResponse:
    """Begin a session for a key that may at least look."""
    refuse_foreign()
    if not access().needed:
        return redirect("/sign-in", 303)
    try:
        key = _key_that_looks(form_field("key").strip())
    except (Unauthenticated, ScopeMissing) as refused:
        return _page(refused=_counted(type(refused)))
    begin_session(key)
    return redirect(next_page(form_field("next")), 303)


@sign_in.post("/sign-out")
def leave() -> AnyResponse:
    """End the session. Its cookie is worth nothing in this browser any more; a copy of it lasts until it expires."""
    if session_key_id():
        refuse_forged()
        end_session()
    return redirect("/sign-in", 303)


def _counted(refused: type[Refusal]) -> type[Refusal]:
    """Only failures are counted: whoever has a key gets in, whatever others try from behind the same proxy."""
    try:
        refuse_beyond(ATTEMPTS_PER_MINUTE, access().minutes.count(f"sign-in/{request.remote_addr}"))
    except TooManyRequests as too_many:
        return type(too_many)
    return refused


def _key_that_looks(secret: str) -> ApiKey:
    hashed = digest(secret)
    key = access().keys.find(hashed) if hashed else None
    if key is None:
        raise Unauthenticated
    if not key.allows(Scope.READ):
        raise ScopeMissing
    return key


def _page(*, signed_in: ApiKey | None = None, refused: type[Refusal] | None = None) -> Response:
    problem = REFUSALS[refused] if refused else None
    page = render_template(
        "sign_in.html",
        needed=access().needed,
        wrong=WRONG[refused] if refused else None,
        next=next_page(form_field("next") or request.args.get("next", "")),
        token=session_token(),
        signed_in=signed_in,
    )
    return Response(page, problem.status if problem else None, headers=HEADERS)
