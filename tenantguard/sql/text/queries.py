"""Read a query: where its tables stand decides where their predicates are put in."""

from __future__ import annotations

import re

from tenantguard.sql.text.expressions import (
    JOINS,
    RESERVED,
    SET_OPERATIONS,
    TAIL,
    Environment,
    Expressions,
)
from tenantguard.sql.text.frames import Frame, Source, Span, derive
from tenantguard.sql.text.functions import function_fault
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Lexeme, words
from tenantguard.sql.text.names import Piece, refusal
from tenantguard.tenancy import Placement

# Functions that may stand in a FROM: what they return comes from their arguments.
_TABLE_FUNCTIONS = re.compile(
    r"generate_series|generate_subscripts|unnest|json_each|json_tree|jsonb_each|jsonb_tree|json_each_text"
    r"|jsonb_each_text|jsonb?_array_elements(_text)?|jsonb?_object_keys|jsonb?_to_record(set)?|jsonb_path_query"
    r"|jsonb?_populate_record(set)?|regexp_matches|regexp_split_to_table|string_to_table|json_table|xmltable|now"
    r"|current_date|lower|upper|abs|date_trunc"
)
_MODIFIERS = words(
    "ALL DISTINCT DISTINCTROW HIGH_PRIORITY STRAIGHT_JOIN SQL_SMALL_RESULT SQL_BIG_RESULT SQL_BUFFER_RESULT"
    " SQL_CACHE SQL_NO_CACHE SQL_CALC_FOUND_ROWS"
)
_LOCKS = words("UPDATE SHARE NO KEY OF NOWAIT SKIP LOCKED WAIT IN MODE")


class Queries(Expressions):
    """Read queries and put the predicates in."""

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
            self._cte(inner)
            known[name] = "cte"
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

    def _cte(self, env: Environment) -> None:
        if self.sees("("):
            self.names_in_parentheses()
        self.expect("AS")
        self.took("NOT")
        self.took("MATERIALIZED")
        self.expect("(")
        self.statement_in_with(env)
        self.expect(")")
        if self.token().upper in ("SEARCH", "CYCLE"):
            raise self.unexpected("a query was expected")

    def statement_in_with(self, env: Environment) -> None:
        """Read the body of a common table expression; data-modifying ones are read in a subclass."""
        raise NotImplementedError

    # -- the parts of a query --------------------------------------------------------------------------

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

    def _parenthesised(self, env: Environment) -> None:
        if not self.sees("("):
            raise self.unexpected("( was expected")
        self.group(env)

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

    # -- FROM ------------------------------------------------------------------------------------------

    def sources(self, env: Environment, frame: Frame) -> None:
        """Read the elements of a FROM with their joins into a frame."""
        self._item(env, frame)
        self._joins(env, frame)

    def _joins(self, env: Environment, frame: Frame) -> None:
        while True:
            if self.took(","):
                self._item(env, frame)
            elif self.token().upper in JOINS:
                self._join(env, frame)
            else:
                return

    def _join(self, env: Environment, frame: Frame) -> None:
        kind = self._join_kind()
        before = len(frame.sources)
        self._item(env, frame)
        right = frame.sources[before:]
        if kind in ("RIGHT", "FULL"):
            derive(frame.sources[:before])
        on = None
        if self.took("ON"):
            on = self.expression(env, commas=False)
        elif self.took("USING"):
            self.names_in_parentheses()
            if self.took("AS"):
                self._once(self.identifier(), frame)
        if kind == "LEFT" and on is not None and len(right) == 1 and right[0].place == "where":
            self._onto(right[0], on)
        elif kind in ("LEFT", "FULL"):
            derive(right)

    def _join_kind(self) -> str:
        natural = self.took("NATURAL")
        for word in ("LEFT", "RIGHT", "FULL"):
            if self.took(word):
                self.took("OUTER")
                self.expect("JOIN")
                return word
        if self.took("STRAIGHT_JOIN"):
            return "INNER"
        if not natural and self.took("CROSS"):
            pass
        else:
            self.took("INNER")
        self.expect("JOIN")
        return "INNER"

    def _onto(self, source: Source, on: Span) -> None:
        """Put the predicate of the null-extended side of an outer join into its ON."""
        source.place = "on"
        predicate = self.predicate(source)
        if predicate:
            self.put(self.start(on[0]), "(")
            self.put(self.end(on[1]), ") AND ", *predicate)

    def _item(self, env: Environment, frame: Frame) -> None:
        frame.width += 1
        lateral = self.took("LATERAL")
        if self.sees("("):
            self._enclosed(env, frame)
            return
        if lateral and not self._function_ahead():
            raise self.unexpected("a subquery or a function was expected")
        if self._function_ahead():
            self._function(env, frame)
            return
        source = self._named(env, frame)
        frame.sources += [source] if source is not None else []

    def _enclosed(self, env: Environment, frame: Frame) -> None:
        """Read an element in parentheses: a query with an alias, or joins, whose tables become derived."""
        self.expect("(")
        before = len(frame.sources)
        if self.begins_query():
            self.query(env)
        elif self.sees("(") and self._query_ahead():
            self._enclosed(env, frame)
            if self.token().upper in SET_OPERATIONS | TAIL:
                self.rest_of_query(env)
            else:
                self._joins(env, frame)
        else:
            self._item(env, frame)
            self._joins(env, frame)
        self.expect(")")
        derive(frame.sources[before:])
        self._once(self._alias()[0], frame)

    def _function_ahead(self) -> bool:
        ahead = 0
        while self.token(ahead + 1).text == "." and self.token(ahead).kind in ("word", "quoted"):
            ahead += 2
        return self.token(ahead).kind in ("word", "quoted") and self.token(ahead + 1).text == "("

    def _function(self, env: Environment, frame: Frame) -> None:
        parts = [self.token()]
        self.at += 1
        while self.took("."):
            parts.append(self.token())
            self.at += 1
        name = self.names.fold(parts[-1])
        fault = function_fault(name, self.which)
        if fault is not None:
            raise refusal(fault)
        foreign = [self.names.fold(part) for part in parts[:-1]] not in ([], ["pg_catalog"])
        if foreign or not _TABLE_FUNCTIONS.fullmatch(name):
            raise refusal(f"{name}() stands where a table does, and what it reads is not known")
        self.group(env)
        self.took("WITH", "ORDINALITY")
        self._once(self._alias(typed=True, env=env)[0], frame)

    def _named(self, env: Environment, frame: Frame | None = None) -> Source | None:
        """Read a table's name with what follows it; return ``None`` for a common table expression."""
        begun = self.at
        only = self.which == POSTGRESQL and self.took("ONLY")
        parts = self.dotted()
        end = self.at
        self.mentioned.append(self.names.fold(parts[-1]))
        placement = self._meant(parts, env, only=only)
        plain = not self._decorated_before(env)
        alias, columns = self._alias() if frame is not None else (None, False)
        plain = not self._decorated_after(env) and plain
        word = alias or parts[-1]
        if frame is not None:
            self._once(word, frame)
        if placement is None:
            return None
        source = Source(
            placement,
            word.text,
            self.names.fold(word),
            (begun, end),
            parts[-1].text,
            alias is not None,
            plain,
        )
        if columns:
            source.renamed = True
            derive([source])
        return source

    def _meant(self, parts: list[Lexeme], env: Environment, *, only: bool) -> Placement | None:
        name = self.names.fold(parts[0])
        how = env.get(name, "table") if len(parts) == 1 else "table"
        if how == "cte" and not only:
            return None
        if how != "table":
            raise refusal(f"{name!r} may mean the table or the WITH of that name; name the WITH otherwise")
        if self.which == MYSQL and name == "dual" and len(parts) == 1:
            return None
        return self.names.table(parts)

    def _once(self, word: Lexeme | None, frame: Frame) -> None:
        """Refuse a name that stands twice in one FROM: a predicate must mean one table."""
        if word is None:
            return
        name = self.names.fold(word)
        if name in frame.names:
            raise refusal(f"the name {name!r} stands for two tables in one FROM; give each an alias")
        frame.names.add(name)

    def _alias(self, *, typed: bool = False, env: Environment | None = None) -> tuple[Lexeme | None, bool]:
        """Read an alias, if there is one, with names for its columns."""
        alias = None
        if self.took("AS"):
            if typed and self.sees("("):
                self.group(env or {})
                return None, True
            alias = self.identifier()
        elif self.token().kind in ("word", "quoted") and not self._reserved(self.token()):
            alias = self.identifier()
        if alias is None or not self.sees("("):
            return alias, False
        self.group(env or {}) if typed else self.names_in_parentheses()
        return alias, True

    def _reserved(self, token: Lexeme) -> bool:
        return token.upper in RESERVED or (token.upper == "NOT")

    def _decorated_before(self, env: Environment) -> bool:
        """Read what may stand between a table's name and its alias."""
        if self.which == MYSQL and self.took("PARTITION"):
            self.names_in_parentheses()
            return True
        return False

    def _decorated_after(self, env: Environment) -> bool:
        """Read what may stand behind a table's alias: a sample, or hints for its indexes."""
        if self.which == SQLITE:
            if self.took("INDEXED"):
                self.expect("BY")
                self.identifier()
                return True
            return self.took("NOT", "INDEXED")
        if self.which == POSTGRESQL and self.took("TABLESAMPLE"):
            self.identifier()
            self._parenthesised(env)
            if self.took("REPEATABLE"):
                self._parenthesised(env)
            return True
        found = False
        while self.which == MYSQL and self.token().upper in ("USE", "IGNORE", "FORCE"):
            self._index_hint(env)
            found = True
            self.took(",") if self.sees(",") and self.token(1).upper in ("USE", "IGNORE", "FORCE") else None
        return found

    def _index_hint(self, env: Environment) -> None:
        self.at += 1
        if not (self.took("INDEX") or self.took("KEY")):
            raise self.unexpected("INDEX was expected")
        if self.took("FOR") and not (
            self.took("JOIN") or self.took("ORDER", "BY") or self.took("GROUP", "BY")
        ):
            raise self.unexpected("JOIN was expected")
        if not self.took("(", ")"):
            self._parenthesised(env)

    # -- predicates ------------------------------------------------------------------------------------

    def predicate(self, source: Source) -> list[Piece]:
        """Return the predicate of a table; nothing for a shared one."""
        return self.names.predicate(source.placement, source.qualifier)

    def _place(self, frame: Frame, where: Span | None) -> None:
        """Put in the predicates of a SELECT: in its WHERE, or in derived tables."""
        for source in frame.sources:
            if source.place == "derived":
                self._derived(source)
        self.add_where([s for s in frame.sources if s.place == "where"], where)

    def add_where(self, sources: list[Source], where: Span | None) -> None:
        """Put predicates into a WHERE, or make one at the place that was reached."""
        pieces: list[Piece] = []
        for source in sources:
            predicate = self.predicate(source)
            if predicate:
                pieces += [" AND ", *predicate]
        if not pieces:
            return
        if where is None:
            self.put(self.end(self.at), " WHERE ", *pieces[1:])
        else:
            self.put(self.start(where[0]), "(")
            self.put(self.end(where[1]), ")", *pieces)

    def _derived(self, source: Source) -> None:
        """Put a table into a derived table of the tenant's rows."""
        predicate = self.names.predicate(source.placement, source.table_word)
        if not predicate:
            return
        if not source.plain:
            raise refusal(f"{source.placement.name} stands in an outer join with a sample or an index hint")
        self.put(self.start(source.span[0]), "(SELECT * FROM ")
        alias = [] if source.aliased else [f" AS {source.table_word}"]
        self.put(self.end(source.span[1]), " WHERE ", *predicate, ")", *alias)


_LONGEST_NAME = 250
_AFTER_WITH = ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "TABLE", "REPLACE")
_ENDINGS = words("END NULL TRUE FALSE UNKNOWN ISNULL NOTNULL")
_OPERATORS = words(
    "AND OR XOR NOT LIKE GLOB REGEXP RLIKE MATCH IN IS BETWEEN DIV MOD ESCAPE COLLATE THEN ELSE FROM"
)


def _is_named(tokens: list[Lexeme]) -> bool:
    """Tell whether a column of a SELECT has an alias."""
    if len(tokens) < 2 or tokens[-1].kind not in ("word", "quoted", "string") or tokens[-1].upper in _ENDINGS:
        return False
    before = tokens[-2]
    return before.text == ")" or not (before.kind == "symbol" or before.upper in _OPERATORS)
