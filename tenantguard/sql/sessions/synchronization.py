"""ORM-enabled UPDATE and DELETE: a session's objects get the values that the database stored.

SQLAlchemy evaluates the criteria in Python, which knows no predicate: an object that a row rule shows, or that a bypass
has loaded, would be changed or removed though its row was not. Then the database is asked which rows it matched.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.util import immutabledict

from tenantguard.context import peek
from tenantguard.sql.elements import Belongs
from tenantguard.sql.guard import showing
from tenantguard.sql.sessions.mappings import shown_placement


def synchronized(
    session: Session, statement: Any, execution_options: Any, bind_arguments: Any
) -> tuple[Any, Any]:
    """Return an UPDATE or DELETE and its options, so that the session learns which rows were matched.

    Args:
        session: the session that executes.
        statement: the statement.
        execution_options: its options.
        bind_arguments: what tells the session which engine to use.
    """
    held = session.identity_map
    if not showing and getattr(held, "tg_lifted", None) is None:
        return statement, execution_options  # no object's row is another tenant's, as in most programs
    binding, subject = peek(), statement._propagate_attrs.get("plugin_subject")
    if binding is None or not binding.tenants or subject is None:
        return statement, execution_options
    mapper = subject.mapper
    dialect = session.get_bind(**{**bind_arguments, "mapper": mapper, "clause": statement}).dialect
    guard = getattr(dialect, "tg_guard", None)
    if guard is None or not guard.enforces:
        return statement, execution_options
    placement = shown_placement(guard, mapper)
    if placement is None and getattr(held, "tg_lifted", None) is None:
        return statement, execution_options
    options = {**statement._execution_options, **execution_options}
    if options.get("synchronize_session", "auto") is False:
        return statement, execution_options
    returns = dialect.update_returning if statement.is_update else dialect.delete_returning
    if (
        placement is not None and not returns
    ):  # the rows are picked by a SELECT before, which would pick those that are shown
        statement = statement.where(Belongs(mapper.local_table, placement))
    return statement, immutabledict(execution_options).union({"synchronize_session": "fetch"})
