"""The page where people sign in with an API key, and sign out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, redirect, render_template, request, url_for

from app.api.auth.gate import key_from
from app.api.auth.limits import refuse_beyond
from app.api.auth.sessions import (
    begin_session,
    end_session,
    form_field,
    next_page,
    refuse_cross_site,
    refuse_forged,
    session_key_id,
    session_token,
)
from app.api.errors import REFUSALS
from app.api.services import services
from app.api_key import Scope
from app.errors import ScopeMissing, TooManyRequests, Unauthenticated

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from app.api_key import ApiKey
    from app.errors import Refusal

sign_in = Blueprint("sign_in", __name__)

POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# With no-referrer a browser would send `Origin: null` with the form.
HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin"}
ATTEMPTS_PER_MINUTE = 10
WRONG: dict[type[Refusal], str] = {
    Unauthenticated: "This key is unknown, expired or revoked.",
    ScopeMissing: "This key has neither the scope read nor admin.",
    TooManyRequests: "Too many attempts. Try again in a minute.",
}


@sign_in.get("/sign-in")
def form() -> Response:
    """Show the form, or in a session its key and a button to sign out."""
    key_id = session_key_id() if services().settings.demands_keys else None
    return _page(signed_in=services().keys.with_id(key_id) if key_id else None)


@sign_in.post("/sign-in")
def enter() -> AnyResponse:
    """Begin a session for a key with the scope `read` or `admin`."""
    refuse_cross_site()
    if not services().settings.demands_keys:
        return redirect(url_for("sign_in.form"), 303)
    try:
        key = _key_to_read(form_field("key").strip())
    except (Unauthenticated, ScopeMissing) as refused:
        return _page(refused=_counted(type(refused)))
    begin_session(key)
    return redirect(next_page(form_field("next"), request.script_root), 303)


@sign_in.post("/sign-out")
def leave() -> AnyResponse:
    """End the session: the browser drops its cookie. A copy of the cookie is valid until it expires."""
    if session_key_id():
        refuse_forged()
        end_session()
    return redirect(url_for("sign_in.form"), 303)


def _counted(refused: type[Refusal]) -> type[Refusal]:
    """Count a failed attempt. A valid key is never refused because of failed attempts behind the same proxy."""
    try:
        refuse_beyond(ATTEMPTS_PER_MINUTE, services().minutes.count(f"sign-in/{request.remote_addr}"))
    except TooManyRequests as too_many:
        return type(too_many)
    return refused


def _key_to_read(secret: str) -> ApiKey:
    key = key_from(secret, services().keys.find)
    if key is None:
        raise Unauthenticated
    if not key.allows(Scope.READ):
        raise ScopeMissing
    return key


def _page(*, signed_in: ApiKey | None = None, refused: type[Refusal] | None = None) -> Response:
    problem = REFUSALS[refused] if refused else None
    page = render_template(
        "sign_in.html",
        needed=services().settings.demands_keys,
        wrong=WRONG[refused] if refused else None,
        next=next_page(form_field("next") or request.args.get("next", ""), request.script_root),
        token=session_token(),
        signed_in=signed_in,
    )
    return Response(page, problem.status if problem else None, headers=HEADERS)
