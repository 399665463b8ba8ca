"""Origins: whether an expression can only give what stands in the tenant's own rows."""

from __future__ import annotations

from tenantguard.sql.text.lexer import Token
from tenantguard.sql.text.placing.queries import Placing
from tenantguard.sql.text.placing.scopes import Scope, View
from tenantguard.sql.text.tree import Span
from tenantguard.tenancy import Key, Placement

_DEEPEST = 8  # queries in queries that are followed; a recursive one is never followed to its end

Wanted = tuple[Key, str, bool]  # the table and column that must be copied, and whether NULL will not do


class Origins:
    """Follow a value through queries, common table expressions and RETURNING to a column of a table."""

    def __init__(self, placing: Placing) -> None:
        self._placing = placing
        self._catalog = placing.catalog
        self._tokens = placing.tokens
        self._known: dict[tuple[int, str, Wanted], bool] = {}

    def is_own(self, span: Span, scope: Scope, wanted: Wanted, depth: int = 0) -> bool:
        """Tell whether an expression copies a column of the tenant's rows, or is NULL where that will do."""
        if depth > _DEEPEST:
            return False
        found = self._placing.cursor.queries.get(span[0])
        if found is not None and found[1] == span[1]:
            if wanted[2]:
                return False  # a query of no row gives NULL
            scopes = self._placing.read.get(id(found[0]), [])
            return bool(scopes) and all(
                len(one.items) == 1
                and not self.is_star(one.items[0])
                and self.is_own(one.items[0], one, wanted, depth + 1)
                for one in scopes
            )
        return self._is_own_column(self._bare(span, wanted), scope, wanted, depth)

    def _is_own_column(self, tokens: list[Token], scope: Scope, wanted: Wanted, depth: int) -> bool:
        if not tokens or not tokens[-1].is_name:
            return False
        if len(tokens) == 3 and tokens[1].text == ".":
            name = self._catalog.fold(tokens[0])
        elif len(tokens) == 1 and scope.width == 1 and len(scope.placed) + len(scope.views) == 1:
            name = scope.placed[0].name if scope.placed else next(iter(scope.views))
        else:
            return False
        if wanted[2] and name in scope.filled:
            return False
        if name in scope.views:
            return self._gives(scope.views[name], tokens[-1], wanted, depth + 1)
        meant = [placed for placed in scope.placed if placed.name == name]
        return (
            len(meant) == 1
            and not meant[0].relation.columns
            and self._copies(meant[0].placement, tokens[-1], wanted)
        )

    def _bare(self, span: Span, wanted: Wanted) -> list[Token]:
        """Return the tokens of an expression without its alias, and without a ``min`` or ``max`` around them."""
        tokens = self._tokens[span[0] : min(span[1], span[0] + 9)] if span[1] - span[0] <= 8 else []
        if len(tokens) >= 3 and tokens[-2].upper == "AS":
            tokens = tokens[:-2]
        if len(tokens) in (4, 6) and tokens[0].upper in ("MIN", "MAX") and tokens[1].text == "(":
            return [] if wanted[2] else tokens[2:-1]
        return tokens

    def _gives(self, view: View, name: Token, wanted: Wanted, depth: int) -> bool:
        """Tell whether a column of a query, whatever part of the query a row is from, is such a copy."""
        asked = (id(view.scopes), self._catalog.fold(name), wanted)
        if asked not in self._known:
            self._known[asked] = False  # what is asked again while it is answered is not known
            self._known[asked] = self._all_give(view, name, wanted, depth)
        return self._known[asked]

    def _all_give(self, view: View, name: Token, wanted: Wanted, depth: int) -> bool:
        scopes = view.scopes
        if not scopes or any(one.width < 0 or not one.items for one in scopes):
            return False
        if not view.columns and all(self._is_all(one) for one in scopes):
            return all(self._is_own_column([name], one, wanted, depth) for one in scopes)
        names: list[str | None] = [*view.columns] or [self._output(item) for item in scopes[0].items]
        if None in names or names.count(self._catalog.fold(name)) != 1:
            return False
        at = names.index(self._catalog.fold(name))
        return all(
            at < len(one.items)
            and not any(self.is_star(item) for item in one.items[: at + 1])
            and self.is_own(one.items[at], one, wanted, depth)
            for one in scopes
        )

    def _output(self, item: Span) -> str | None:
        """Return the name that a SELECT gives to a column; ``None`` where only the database knows."""
        last = self._tokens[item[1] - 1]
        named = item[1] - item[0] == 1 or self._tokens[item[1] - 2].upper in ("AS", ".")
        return self._catalog.fold(last) if last.is_name and named else None

    def _is_all(self, scope: Scope) -> bool:
        return len(scope.items) == 1 and self.is_star(scope.items[0]) and scope.width == 1

    def is_star(self, span: Span) -> bool:
        """Tell whether an item stands for every column."""
        return self._tokens[span[1] - 1].text == "*"

    def _copies(self, source: Placement, token: Token, wanted: Wanted) -> bool:
        key, column, needed = wanted
        if source.kind == "shared" or (needed and self._may_be_null(source, token)):
            return False
        same = self._catalog.same
        if source.key == key and same(token, column):
            return True
        if source.kind == "owned" and source.column is not None and same(token, source.column):
            target = self._catalog.tenancy.find_key(key)
            return target is not None and target.kind == "owned" and target.column == column
        return any(
            parent == key and len(pairs) == 1 and pairs[0][1] == column and same(token, pairs[0][0])
            for parent, pairs in self._catalog.links(source.key)
        )

    def _may_be_null(self, source: Placement, token: Token) -> bool:
        if source.kind == "through" and any(self._catalog.same(token, ours) for ours, _ in source.link):
            return False  # the predicate asks for its parent
        if source.kind == "owned" and source.column is not None and self._catalog.same(token, source.column):
            return False  # and for the tenant
        table = self._catalog.tables.get(source.key)
        columns = [c for c in table.c if self._catalog.same(token, c.name)] if table is not None else []
        return len(columns) != 1 or bool(columns[0].nullable)
