"""Accounts: signing up, logging in before a company is known, choosing one, and invites."""

from __future__ import annotations

import secrets
import uuid
from typing import Annotated

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, StringConstraints
from sqlalchemy import select

from examples.saas_app.database import Db
from examples.saas_app.models import Company, Invite, Member, Project, User
from examples.saas_app.tokens import hashed, matches, sign
from tenantguard import bind, bypass
from tenantguard.asgi.fastapi import CurrentPrincipal

router = APIRouter()
Text = Annotated[str, StringConstraints(min_length=1, max_length=80)]


class SignUp(BaseModel):
    """A new company and its first user."""

    company: Text
    email: Text
    name: Text
    password: Text


class Login(BaseModel):
    """Who somebody says they are."""

    email: Text
    password: Text


class Token(BaseModel):
    """A token; without a company it only serves to choose one."""

    token: str


class Choice(BaseModel):
    """A company to work in."""

    company_id: uuid.UUID


class CompanyOut(BaseModel):
    """A company that one belongs to."""

    id: uuid.UUID
    name: str


class Invitation(BaseModel):
    """Whom to invite."""

    email: Text


class Accept(BaseModel):
    """The code of an invite."""

    code: Text


@router.post("/sign-up", status_code=201)
async def sign_up(wanted: SignUp, db: Db) -> Token:
    """Create a company, its first user and its first project, all or nothing."""
    company_id, user = uuid.uuid4(), _new_user(wanted.email, wanted.name, wanted.password)
    with bypass(reason="sign-up: there is no company yet"):
        db.add_all([Company(id=company_id, name=wanted.company), user])
        await db.flush()
        db.add(Member(company_id=company_id, user_id=user.id, role="owner"))
        await db.flush()
    with bind(company_id):  # from here on it is an ordinary company, in the same transaction
        db.add(Project(number=1, name="Getting started"))
        await db.commit()
    return Token(token=sign(user, company_id))


def _new_user(email: str, name: str, password: str) -> User:
    return User(id=uuid.uuid4(), email=email, name=name, password=hashed(password), is_staff=False)


@router.post("/login")
async def login(wanted: Login, db: Db) -> Token:
    """Return a token that names no company yet."""
    with bypass(reason="login: no company is known"):
        user = await db.scalar(select(User).where(User.email == wanted.email))
        if user is None or not matches(wanted.password, user.password):
            raise HTTPException(401, "no such user, or another password")
        return Token(token=sign(user))


@router.get("/me/companies")
async def my_companies(principal: CurrentPrincipal, db: Db) -> list[CompanyOut]:
    """Return the companies that one belongs to."""
    mine = select(Company.id, Company.name).join(Member).where(Member.user_id == uuid.UUID(principal.subject))
    with bypass(reason="my companies: across those of one user"):
        found = (await db.execute(mine.order_by(Company.name))).all()
    return [CompanyOut(id=id_, name=name) for id_, name in found]


@router.post("/me/company")
async def choose_company(wanted: Choice, principal: CurrentPrincipal, db: Db) -> Token:
    """Return a token for one of one's own companies."""
    with bind(wanted.company_id):
        user = await db.scalar(select(User).where(User.id == uuid.UUID(principal.subject)))
    if user is None:  # the rule shows a company its members only
        raise HTTPException(403, "this company is not one of yours")
    return Token(token=sign(user, wanted.company_id))


@router.post("/invites", status_code=201)
async def invite(wanted: Invitation, db: Db) -> Accept:
    """Offer a place in the company to somebody."""
    made = Invite(email=wanted.email, code=secrets.token_urlsafe(24))
    db.add(made)
    code = made.code
    await db.commit()
    return Accept(code=code)


@router.post("/invites/accept")
async def accept(wanted: Accept, principal: CurrentPrincipal, db: Db) -> Token:
    """Take a place that was offered; the code says in which company."""
    who = uuid.UUID(principal.subject)
    with bypass(reason="an invite is found by its code, before its company is known"):
        user = await db.get_one(User, who)
        offered = await db.scalar(select(Invite).where(Invite.code == wanted.code))
        if offered is None or offered.email != user.email:
            raise HTTPException(404, "there is no such invite for you")
        company_id, token = offered.company_id, sign(user, offered.company_id)
        await db.delete(offered)
        db.add(Member(company_id=company_id, user_id=who))
        await db.commit()
    return Token(token=token)
