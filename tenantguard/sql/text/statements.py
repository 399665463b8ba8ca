"""Read a whole statement: a query, or a write."""

from __future__ import annotations

from tenantguard.sql.text.changes import Changes
from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Derived, Frame
from tenantguard.sql.text.inserts import Inserts
from tenantguard.sql.text.lexer import POSTGRESQL, Lexeme
from tenantguard.sql.text.names import Names, refusal
from tenantguard.sql.text.values import Check


class Statements(Inserts, Changes):
    """Read one statement; see :func:`tenantguard.sql.text.rewrite.rewrite`.

    Args:
        sql: the text.
        tokens: what it was split into.
        names: what resolves its names.
        parameters: the parameter at each offset where one stands.
    """

    def __init__(
        self, sql: str, tokens: list[Lexeme], names: Names, parameters: dict[int, str | int]
    ) -> None:
        super().__init__(tokens, names)
        self.sql = sql
        self.parameters = parameters
        self.verbs: list[str] = []
        self.checks: list[Check] = []
        self.cte_names: set[str] = set()
        self.expressions: dict[str, Derived] = {}

    def statement(self) -> None:
        """Read the tokens as one statement.

        Raises:
            RawSQLError: the statement is of a kind, or holds a form, that the guard does not know.
            UnknownTableError: it names a table outside the tenancy.
            CrossTenantError: it writes what no tenant may write.
        """
        env = self.with_({})
        self._verb(env)
        self.took(";")
        if self.at < len(self.tokens):
            raise self.unexpected("the end of the one statement was expected")
        shadowed = self.cte_names.intersection(self.names.parents)
        if shadowed:
            raise refusal(f"a WITH named {shadowed.pop()!r} hides a table that a predicate needs; rename it")

    def statement_in_with(self, env: Environment) -> list[Frame]:
        """Read the body of a common table expression."""
        inner = self.with_(env)
        if self.which != POSTGRESQL and self.token().upper in ("INSERT", "UPDATE", "DELETE"):
            raise self.unexpected("a query was expected")
        return self._verb(inner)

    def _verb(self, env: Environment) -> list[Frame]:
        verb = self.token().upper
        if verb in ("SELECT", "VALUES", "TABLE", "("):
            self.verbs.append("select")
            return self.body(env)
        if verb == "INSERT":
            return self._insert(env)
        if verb == "UPDATE":
            return self._update(env)
        if verb == "DELETE":
            return self._delete(env)
        if verb == "REPLACE":
            raise refusal("REPLACE deletes whatever row holds the key, another tenant's too")
        told = verb if self.token().kind == "word" else "something else"
        raise refusal(f"it begins with {told}; SELECT, INSERT, UPDATE and DELETE are read")
