"""Where to go after signing in: a path of ours, never another site."""

from __future__ import annotations

import re
from urllib.parse import quote

from flask import request

HOME = "/rq/"
# One slash, then none: `//host` is another site. No backslash, no control character: browsers mend them into such.
OURS = re.compile(r"/(?!/)[A-Za-z0-9._~!$&'()*+,;=:@%/?-]{0,500}")


def sign_in_url() -> str:
    """The page to sign in, leading back to this one."""
    return f"/sign-in?next={quote(request.full_path.rstrip('?'), safe='/')}"


def next_page(wished: str) -> str:
    """What was wished for, if it is ours."""
    return wished if OURS.fullmatch(wished) else HOME
