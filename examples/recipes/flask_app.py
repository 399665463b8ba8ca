"""Flask: the company is bound around the WSGI application, and taken along into threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask, abort, g, request
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from examples.recipes.models import Project
from tenantguard import Violation, bind, carry

CompanyOf = Callable[[dict[str, Any]], str | None]
PUBLIC = {"/health"}


class CompanyOfTheRequest:
    """WSGI middleware: runs each request under the company of its verified token or session."""

    def __init__(self, app: Any, company_of: CompanyOf) -> None:
        self.app, self.company_of = app, company_of

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer a request; without a company nothing is bound, and guarded statements raise."""
        company = environ["company"] = self.company_of(environ)
        if company is None:
            return self.app(environ, start_response)  # type: ignore[no-any-return]
        with bind(company):
            return self.app(environ, start_response)  # type: ignore[no-any-return]


def create_app(engine: Engine, company_of: CompanyOf) -> Flask:
    """Return an application with a session for each request."""
    app = Flask(__name__)
    pool = ThreadPoolExecutor(max_workers=2)

    @app.before_request
    def open_session() -> None:
        if request.environ["company"] is None and request.path not in PUBLIC:
            abort(401)
        g.session = Session(engine)

    @app.teardown_request
    def close_session(_error: BaseException | None) -> None:
        if "session" in g:
            g.session.close()

    @app.errorhandler(Violation)
    def refused(_error: Violation) -> Any:
        return {"error": "not found"}, 404

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.get("/projects/<int:project_id>")
    def project(project_id: int) -> dict[str, Any]:
        found = g.session.get(Project, project_id) or abort(404)
        return {"id": found.id, "name": found.name}

    @app.get("/report")
    def report() -> list[str]:
        return pool.submit(carry(names), engine).result()

    app.wsgi_app = CompanyOfTheRequest(app.wsgi_app, company_of)  # type: ignore[method-assign]
    return app


def names(engine: Engine) -> list[str]:
    """Return the names of the company's projects, in whichever thread."""
    with Session(engine) as session:
        return list(session.scalars(select(Project.name).order_by(Project.name)))
