"""Read a FROM: where a table stands decides where its predicate is put in."""

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
from tenantguard.sql.text.frames import Derived, Frame, Source, Span, derive
from tenantguard.sql.text.functions import function_fault
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Lexeme
from tenantguard.sql.text.names import Piece, refusal
from tenantguard.tenancy import Placement

# Functions that may stand in a FROM: what they return comes from their arguments.
_TABLE_FUNCTIONS = re.compile(
    r"generate_series|generate_subscripts|unnest|json_each|json_tree|jsonb_each|jsonb_tree|json_each_text"
    r"|jsonb_each_text|jsonb?_array_elements(_text)?|jsonb?_object_keys|jsonb?_to_record(set)?|jsonb_path_query"
    r"|jsonb?_populate_record(set)?|regexp_matches|regexp_split_to_table|string_to_table|json_table|xmltable|now"
    r"|current_date|lower|upper|abs|date_trunc"
)


class Sources(Expressions):
    """Read the elements of a FROM, and put the predicates of their tables in.

    Attributes:
        expressions: the common table expressions, by what their names mean where they are known.
    """

    expressions: dict[str, Derived]

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
        frames: list[Frame] = []
        if self.begins_query():
            frames = self.query(env)
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
        alias, columns = self._alias()
        self._once(alias, frame)
        if alias is not None:
            frame.derived[self.names.fold(alias)] = Derived(frames, [self.names.fold(c) for c in columns])

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
        alias, columns = self._alias() if frame is not None else (None, [])
        plain = not self._decorated_after(env) and plain
        word = alias or parts[-1]
        if frame is not None:
            self._once(word, frame)
        if placement is None:
            if frame is not None:
                found = self.expressions.get(env.get(self.names.fold(parts[0]), ""), Derived([], []))
                renamed: list[str | None] = [self.names.fold(column) for column in columns]
                frame.derived[self.names.fold(word)] = Derived(found.frames, renamed or found.columns)
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
        if how.startswith("cte") and not only:
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

    def _alias(
        self, *, typed: bool = False, env: Environment | None = None
    ) -> tuple[Lexeme | None, list[Lexeme]]:
        """Read an alias, if there is one, with names for its columns."""
        alias = None
        if self.took("AS"):
            if typed and self.sees("("):
                self.group(env or {})
                return None, []
            alias = self.identifier()
        elif self.token().kind in ("word", "quoted") and not self._reserved(self.token()):
            alias = self.identifier()
        if alias is None or not self.sees("("):
            return alias, []
        if typed:
            self.group(env or {})
            return alias, []
        return alias, self.names_in_parentheses()

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

    def _parenthesised(self, env: Environment) -> None:
        if not self.sees("("):
            raise self.unexpected("( was expected")
        self.group(env)

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
