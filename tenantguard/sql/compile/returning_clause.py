"""The RETURNING clause of a write, kept as rendered, because the guard may put columns before it."""

from __future__ import annotations

from typing import Any


def keeping_returning(base: Any) -> Any:
    """Return a subclass of a dialect's statement compiler that keeps the RETURNING clause of the statement itself."""

    class KeepingCompiler(base):  # type: ignore[misc]  # of whatever dialect
        """A statement compiler whose ``tg_returning`` is the clause, ``None`` where there is none."""

        tg_returning: str | None = None

        def returning_clause(
            self, stmt: Any, returning_cols: Any, *, populate_result_map: bool, **kw: Any
        ) -> Any:
            text = super().returning_clause(
                stmt, returning_cols, populate_result_map=populate_result_map, **kw
            )
            if populate_result_map:  # of the statement itself
                self.tg_returning = text
            return text

    return KeepingCompiler
