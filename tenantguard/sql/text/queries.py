"""Read a query: its WITH, the parts of its set operations, and what orders and limits them."""

from __future__ import annotations

from tenantguard.sql.text.expressions import (
    SET_OPERATIONS,
    TAIL,
    Environment,
)
from tenantguard.sql.text.frames import Derived, Frame, Span
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Lexeme, words
from tenantguard.sql.text.names import refusal
from tenantguard.sql.text.sources import Sources

_MODIFIERS = words(
    "ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT"
    " SQL_CACHE SQL_NO_CACHE SQL_CALC_FOUND_ROWS"
)
_LOCKS = words("UPDATE SHARE NO KEY OF NOWAIT SKIP LOCKED WAIT IN MODE")
_LONGEST_NAME = 250
_AFTER_WITH = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "REPLACE")
_ENDINGS = words("END NULL TRUE FALSE UNKNOWN ISNULL NOTNULL")
_OPERATORS = words(
    "AND OR XOR NOT LIKE GLOB REGEXP RLIKE MATCH IN IS BETWEEN DIV MOD ESCAPE COLLATE THEN ELSE FROM"
)


class Queries(Sources):
    """Read a query."""

    sql: str
    cte_names: set[str]

    def query(self, env: Environment) -> list[Frame]:
        """Read a query with its WITH; return the frame of each of its parts."""
        env = self.with_(env)
        if self.token().upper in ("INSERT", "UPDATE", "DELETE"):
            raise self.unexpected("a query was expected")
        return self.body(env)

    def with_(self, env: Environment) -> Environment:
        """Read a WITH; return the environment of what follows."""
        if not self.took("WITH"):
            return env
        recursive = self.took("RECURSIVE")
        begun = self.at
        later = self._names_of_with()
        self.at = begun
        known = dict(env)
        while later:
            name = self._cte_name()
            inner = dict(known)
            inner.update(self._siblings(later, recursive))
            which = f"cte {len(self.expressions)}"
            self.expressions[which] = self._cte(inner)
            known[name] = which
            later.pop(0)
            if not self.took(","):
                return known
        raise self.unexpected("a query was expected")

    def _cte_name(self) -> str:
        token = self.identifier()
        name = self.names.fold(token)
        self.cte_names.add(name)
        return name

    def _names_of_with(self) -> list[str]:
        """Look ahead: the names of every expression of this WITH, without reading what is in them."""
        depth, found = self.token().depth, [self.names.fold(self.token())]
        while True:
            while self.at < len(self.tokens) and (
                self.token().depth > depth or self.token().upper not in (",", *_AFTER_WITH)
            ):
                self.at += 1
            if not self.took(","):
                return found
            found.append(self.names.fold(self.token()))

    def _siblings(self, names: list[str], recursive: bool) -> dict[str, str]:
        """Return what the name itself and later names mean inside a common table expression.

        On SQLite they always mean the expressions, on PostgreSQL where the WITH is recursive; MySQL and
        MariaDB do so for the name itself, and for later ones it is a matter of version: those are refused.
        """
        if self.which == SQLITE or (recursive and self.which == POSTGRESQL):
            return dict.fromkeys(names, "cte")
        if self.which == POSTGRESQL:
            return {}
        own = {names[0]: "cte"} if recursive else {}
        return {**dict.fromkeys(names[1:], "doubtful"), **own}

    def _cte(self, env: Environment) -> Derived:
        columns = self.names_in_parentheses() if self.sees("(") else []
        self.expect("AS")
        self.took("NOT")
        self.took("MATERIALIZED")
        self.expect("(")
        frames = self.statement_in_with(env)
        self.expect(")")
        if self.token().upper in ("SEARCH", "CYCLE"):
            raise self.unexpected("a query was expected")
        return Derived(frames, [self.names.fold(column) for column in columns])

    def statement_in_with(self, env: Environment) -> list[Frame]:
        """Read the body of a common table expression; data-modifying ones are read in a subclass."""
        raise NotImplementedError

    def body(self, env: Environment) -> list[Frame]:
        """Read a query without its WITH: parts joined by set operations, and what orders and limits them."""
        frames = self._part(env)
        return [*frames, *self.rest_of_query(env)]

    def rest_of_query(self, env: Environment) -> list[Frame]:
        """Read the set operations and the clauses that follow the first part of a query."""
        frames: list[Frame] = []
        self._tail(env)
        while self.token().upper in SET_OPERATIONS:
            self.at += 1
            if self.token().upper in ("ALL", "DISTINCT"):
                self.at += 1
            frames += self._part(env)
            self._tail(env)
        return frames

    def _part(self, env: Environment) -> list[Frame]:
        if self.sees("SELECT"):
            return [self._select(env)]
        if self.took("TABLE"):
            return [self._table(env)]
        if self.sees("VALUES"):
            self.at += 1
            self.expression(env)
            return [Frame(width=-1)]
        if self.took("("):
            frames = self.query(env)
            self.expect(")")
            return frames
        raise self.unexpected("a query was expected")

    def _table(self, env: Environment) -> Frame:
        """Read ``TABLE name``, which becomes a SELECT with the predicate."""
        word = self.tokens[self.at - 1]
        self.cuts.add(word.start)
        self.put(word.start, "SELECT * FROM ")
        frame = Frame(width=1)
        source = self._named(env)
        frame.sources += [source] if source is not None else []
        self._place(frame, None)
        return frame

    def _select(self, env: Environment) -> Frame:
        self.expect("SELECT")
        frame = Frame()
        while self.token().upper in _MODIFIERS:
            distinct = self.took("DISTINCT") or self.took("ALL")
            if distinct and self.took("ON"):
                self._parenthesised(env)
            elif not distinct:
                self.at += 1
        if not (self.sees("FROM") and self.which == POSTGRESQL):
            frame.items = self.items(env, named=True)
        if self.sees("INTO"):
            raise refusal("it holds SELECT INTO, which writes a table, a file or a variable")
        if self.took("FROM"):
            self.sources(env, frame)
        self._place(frame, self.where(env))
        if self.took("GROUP"):
            self.expect("BY")
            self.expression(env)
        if self.took("HAVING"):
            self.expression(env)
        if self.took("WINDOW"):
            self.expression(env)
        return frame

    def items(self, env: Environment, *, named: bool = False) -> list[Span]:
        """Read expressions with commas between them; return each."""
        found: list[Span] = []
        while not found or self.took(","):
            before = len(self.edits)
            found.append(self.expression(env, commas=False))
            if named and len(self.edits) > before:
                self._keep_name(found[-1])
        return found

    def _keep_name(self, item: Span) -> None:
        """Give a column that was changed inside the name it had, where the database takes it from the text."""
        tokens = self.tokens[item[0] : item[1]]
        if self.which == POSTGRESQL or _is_named(tokens):
            return
        text, end = "", tokens[0].start
        for token in tokens:
            if token.kind == "parameter" and self.which == MYSQL:
                return  # the driver puts the value in, and the name has it
            text += self.sql[end : token.start] + ("?" if token.kind == "parameter" else token.text)
            end = token.end
        if len(text) < _LONGEST_NAME:
            self.put(end, f" AS {self.names.quote(text)}")

    def where(self, env: Environment) -> Span | None:
        """Read a WHERE, if there is one; return its condition."""
        return self.expression(env) if self.took("WHERE") else None

    def _tail(self, env: Environment) -> None:
        while self.token().upper in TAIL and self._stops(self.token()):
            if self.took("ORDER"):
                self.expect("BY")
                self.expression(env)
            elif self.took("LIMIT") or self.took("OFFSET") or self.took("FETCH"):
                self.expression(env)
            elif self.token(1).upper in _LOCKS:
                self._lock()
            else:
                raise self.unexpected("the end of the query was expected")

    def _lock(self) -> None:
        """Read ``FOR UPDATE OF a NOWAIT`` or ``LOCK IN SHARE MODE``."""
        self.at += 1
        while self.token().upper in _LOCKS:
            if self.took("OF"):
                self.identifier()
                while self.took(","):
                    self.identifier()
            else:
                self.at += 1
                if self.token().kind == "number":
                    self.at += 1


def _is_named(tokens: list[Lexeme]) -> bool:
    """Tell whether a column of a SELECT has an alias."""
    if len(tokens) < 2 or tokens[-1].kind not in ("word", "quoted", "string") or tokens[-1].upper in _ENDINGS:
        return False
    before = tokens[-2]
    return before.text == ")" or not (before.kind == "symbol" or before.upper in _OPERATORS)
