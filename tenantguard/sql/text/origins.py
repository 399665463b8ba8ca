"""Where a value comes from: whether an expression can only give what stands in the tenant's own rows."""

from __future__ import annotations

from tenantguard.sql.text.frames import Derived, Frame, Span
from tenantguard.sql.text.lexer import Lexeme
from tenantguard.sql.text.queries import Queries
from tenantguard.tenancy import Key, Placement

_DEEPEST = 8  # queries in queries that are followed; a recursive one is never followed to its end


class Origins(Queries):
    """Follow a value through queries, common table expressions and RETURNING to a column of a table."""

    def _own(self, span: Span, frame: Frame, key: Key, column: str, depth: int = 0) -> bool:
        """Tell whether an expression copies ``column`` of the tenant's rows in the table ``key``, or is NULL."""
        if depth > _DEEPEST:
            return False
        found = self.queries.get(span[0])
        if found is not None and found[1] == span[1]:
            inner = found[0]
            return all(
                len(one.items) == 1
                and not self._is_star(one.items[0])
                and self._own(one.items[0], one, key, column, depth + 1)
                for one in inner
            )
        tokens = self._bare(span)
        if len(tokens) == 3 and tokens[1].text == ".":
            name = self.names.fold(tokens[0])
            sources = [s for s in frame.sources if s.name == name]
            derived = [d for known, d in frame.derived.items() if known == name]
        elif len(tokens) == 1 and frame.width == 1:
            sources, derived = frame.sources, list(frame.derived.values())
        else:
            return False
        if len(sources) + len(derived) != 1 or tokens[-1].kind not in ("word", "quoted"):
            return False
        if derived:
            return self._gives(derived[0], tokens[-1], key, column, depth + 1)
        source = sources[0]
        return (
            source.placement.kind != "shared"
            and not source.renamed
            and self._copies(source.placement, tokens[-1], key, column)
        )

    def _bare(self, span: Span) -> list[Lexeme]:
        """Return the tokens of an expression without its alias, and without a ``min`` or ``max`` around them."""
        tokens = self.tokens[span[0] : span[1]]
        if len(tokens) >= 3 and tokens[-2].upper == "AS":
            tokens = tokens[:-2]
        if len(tokens) in (4, 6) and tokens[0].upper in ("MIN", "MAX") and tokens[1].text == "(":
            tokens = tokens[2:-1]
        return tokens

    def _gives(self, derived: Derived, name: Lexeme, key: Key, column: str, depth: int) -> bool:
        """Tell whether a column of a query in a FROM, whatever part of the query a row is from, is such a copy."""
        frames = derived.frames
        if not frames or any(one.width < 0 or not one.items for one in frames):
            return False
        if not derived.columns and all(self._is_all(one) for one in frames):
            return all(self._all_give(one, name, key, column, depth) for one in frames)
        names = derived.columns or [self._output(item) for item in frames[0].items]
        wanted = self.names.fold(name)
        if names.count(wanted) != 1:
            return False
        at = names.index(wanted)
        return all(
            at < len(one.items)
            and not any(self._is_star(item) for item in one.items[: at + 1])
            and self._own(one.items[at], one, key, column, depth)
            for one in frames
        )

    def _output(self, item: Span) -> str | None:
        """Return the name that a SELECT gives to a column; ``None`` where only the database knows."""
        token = self.tokens[item[1] - 1]
        return self.names.fold(token) if token.kind in ("word", "quoted") else None

    def _is_all(self, frame: Frame) -> bool:
        return len(frame.items) == 1 and self._is_star(frame.items[0]) and frame.width == 1

    def _all_give(self, frame: Frame, name: Lexeme, key: Key, column: str, depth: int) -> bool:
        if len(frame.sources) + len(frame.derived) != 1:
            return False
        for derived in frame.derived.values():
            return self._gives(derived, name, key, column, depth + 1)
        source = frame.sources[0]
        kept = source.placement.kind != "shared" and not source.renamed
        return kept and depth <= _DEEPEST and self._copies(source.placement, name, key, column)

    def _is_star(self, span: Span) -> bool:
        return self.tokens[span[1] - 1].text == "*"

    def _copies(self, source: Placement, token: Lexeme, key: Key, column: str) -> bool:
        if source.key == key and self.names.same(token, column):
            return True
        if source.kind == "owned" and source.column is not None and self.names.same(token, source.column):
            target = self.names.tenancy.find_key(key)
            return target is not None and target.kind == "owned" and target.column == column
        return any(
            parent == key
            and len(pairs) == 1
            and pairs[0][1] == column
            and self.names.same(token, pairs[0][0])
            for parent, pairs in self.names.links(source.key)
        )
