"""Origins: whether an expression can only return values of the tenant's own rows."""

from __future__ import annotations

from tenantguard.sql.text.resolution.queries import Placements
from tenantguard.sql.text.resolution.scopes import Scope, View
from tenantguard.sql.text.tokens import Token
from tenantguard.sql.text.tree import Span
from tenantguard.tenancy import Key, Placement

_DEEPEST = 8  # nested queries that are followed; a recursive one is never followed to its end

Wanted = tuple[Key, str, bool]  # the table and column that must be copied, and whether NULL is refused


class Origins:
    """The way of a value through queries, common table expressions and RETURNING back to a column of a table."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements
        self._catalog = placements.catalog
        self._tokens = placements.tokens
        self._known: dict[tuple[int, str, Wanted], bool] = {}

    def is_own(self, span: Span, scope: Scope, wanted: Wanted, depth: int = 0) -> bool:
        """Tell whether an expression copies a column of the tenant's rows, or is NULL where NULL is allowed."""
        if depth > _DEEPEST:
            return False
        query, end = self._placements.cursor.queries.get(span[0], (None, 0))
        if end != span[1]:
            return self._is_own_column(self._bare(span, wanted[2]), scope, wanted, depth)
        scopes = self._placements.read.get(id(query), [])
        if wanted[2] or not scopes:
            return False  # a query of no row gives NULL
        return all(len(one.items) == 1 and self._gives_at(0, one, wanted, depth + 1) for one in scopes)

    def are_of_one_row(self, spans: list[Span], scope: Scope, parent: Key) -> bool:
        """Tell whether expressions are columns of one row of a table, so that together they form that row's key."""
        columns = [self._bare(span, True) for span in spans]
        if any(len(tokens) not in (1, 3) for tokens in columns):
            return False
        names = {self._name(tokens, scope) for tokens in columns}
        placed = [one for one in scope.placed if one.name in names]
        return len(names) == len(placed) == 1 and placed[0].placement.key == parent

    def _name(self, tokens: list[Token], scope: Scope) -> str | None:
        """Return the name of the table or query whose column this is; ``None`` if that is not certain."""
        if len(tokens) == 3 and tokens[1].text == ".":
            return self._catalog.fold(tokens[0])
        names = [*(placed.name for placed in scope.placed), *scope.views]
        return names[0] if len(tokens) == scope.width == len(names) == 1 else None

    def _is_own_column(self, tokens: list[Token], scope: Scope, wanted: Wanted, depth: int) -> bool:
        name = self._name(tokens, scope)
        if name is None or not tokens[-1].is_name or (wanted[2] and name in scope.filled):
            return False
        if name in scope.views:
            return self._gives(scope.views[name], tokens[-1], wanted, depth + 1)
        matches = [placed for placed in scope.placed if placed.name == name]
        return (
            len(matches) == 1
            and not matches[0].source.columns
            and self._copies(matches[0].placement, tokens[-1], wanted)
        )

    def _bare(self, span: Span, is_needed: bool) -> list[Token]:
        """Return the tokens of an expression without its alias, and without a ``min`` or ``max`` around them."""
        tokens = self._tokens[span[0] : span[1]] if span[1] - span[0] <= 8 else []
        if len(tokens) >= 3 and tokens[-2].upper == "AS":
            tokens = tokens[:-2]
        if len(tokens) in (4, 6) and tokens[0].upper in ("MIN", "MAX") and tokens[1].text == "(":
            return [] if is_needed else tokens[2:-1]
        return tokens

    def _gives(self, view: View, name: Token, wanted: Wanted, depth: int) -> bool:
        """Tell whether a column of a query is such a copy in every part of the query."""
        question = (id(view.scopes), self._catalog.fold(name), wanted)
        if question not in self._known:
            self._known[question] = False  # a query that depends on itself is not known
            self._known[question] = self._all_give(view, name, wanted, depth)
        return self._known[question]

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
        return all(self._gives_at(at, one, wanted, depth) for one in scopes)

    def _gives_at(self, at: int, scope: Scope, wanted: Wanted, depth: int) -> bool:
        """Tell whether the item at a place of a SELECT is such a copy; a ``*`` before it hides its place."""
        items = scope.items
        return (
            at < len(items)
            and not any(self._placements.is_star(item) for item in items[: at + 1])
            and self.is_own(items[at], scope, wanted, depth)
        )

    def _output(self, item: Span) -> str | None:
        """Return the name that a SELECT gives to a column; ``None`` if only the database knows it."""
        last = self._tokens[item[1] - 1]
        named = item[1] - item[0] == 1 or self._tokens[item[1] - 2].upper in ("AS", ".")
        return self._catalog.fold(last) if last.is_name and named else None

    def _is_all(self, scope: Scope) -> bool:
        return len(scope.items) == 1 and self._placements.is_star(scope.items[0]) and scope.width == 1

    def _copies(self, source: Placement, token: Token, wanted: Wanted) -> bool:
        key, column, is_needed = wanted
        if source.kind == "shared" or (is_needed and self._may_be_null(source, token)):
            return False
        same = self._catalog.same
        if source.key == key and same(token, column):
            return True
        if source.kind == "owned" and source.column is not None and same(token, source.column):
            target = self._catalog.tenancy.find_key(key)
            return target is not None and target.kind == "owned" and target.column == column
        return any(
            parent == key and len(pairs) == 1 and pairs[0][1] == column and same(token, pairs[0][0])
            for parent, pairs in self._catalog.watched(source).links
        )

    def _may_be_null(self, source: Placement, token: Token) -> bool:
        # the predicate asks for the tenant, and for the parent of a row that belongs through it
        owners = [source.column] if source.kind == "owned" else [ours for ours, _ in source.link]
        if any(self._catalog.same(token, column) for column in owners if column is not None):
            return False
        columns = self._catalog.columns(source.key, token)
        return len(columns) != 1 or bool(columns[0].nullable)
