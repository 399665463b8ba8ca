"""The dependency that a programmer writes with PyJWT: verify the token, return the company in it."""

from __future__ import annotations

from typing import Annotated

import jwt
from fastapi import Header, HTTPException, Request

from benchmarks.tokens import AUDIENCE, ISSUER


async def company_of(request: Request, authorization: Annotated[str, Header()] = "") -> str:
    """Return the company of the request's token.

    Raises:
        HTTPException: 401, where there is no valid token.
    """
    scheme, _, token = authorization.partition(" ")
    try:
        if scheme.lower() != "bearer":
            raise jwt.InvalidTokenError("no bearer token")
        claims = jwt.decode(
            token,
            request.app.state.key,
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["exp", "sub", "company_id"]},
        )
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "the token is not valid", {"WWW-Authenticate": "Bearer"}) from error
    company: str = claims["company_id"]
    return company
