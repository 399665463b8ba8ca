"""Read the conflict clause of an INSERT: it may change the tenant's rows only."""

from __future__ import annotations

from tenantguard.errors import CrossTenantError
from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Source
from tenantguard.sql.text.lexer import MYSQL, ascii_lower, unquoted
from tenantguard.sql.text.names import refusal
from tenantguard.sql.text.targets import Assignment, Targets, Watched


class Conflicts(Targets):
    """Read ON CONFLICT and ON DUPLICATE KEY UPDATE."""

    def _conflicts(self, env: Environment, target: Source, watched: Watched) -> None:
        while self.took("ON"):
            if self.which == MYSQL:
                self.expect("DUPLICATE", "KEY", "UPDATE")
                self._on_duplicate(env, target, watched)
                return
            self.expect("CONFLICT")
            self._conflict_target(env)
            self.expect("DO")
            if self.took("NOTHING"):
                continue
            self.expect("UPDATE", "SET")
            self._keeps(self._assignments(env), watched)
            self.add_where([target], self.where(env))

    def _conflict_target(self, env: Environment) -> None:
        if self.took("ON", "CONSTRAINT"):
            self.identifier()
        elif self.sees("("):
            self.group(env)
            self.where(env)

    def _on_duplicate(self, env: Environment, target: Source, watched: Watched) -> None:
        """Let each assignment keep what another tenant's row holds; MariaDB has no WHERE here."""
        assignments = self._assignments(env)
        self._keeps(assignments, watched)
        predicate = self.predicate(target)
        if target.placement.kind == "through":
            raise refusal(
                f"ON DUPLICATE KEY UPDATE of {target.placement.name}, which belongs through another table"
            )
        for assignment in assignments if predicate else ():
            kept = f"{target.qualifier}.{assignment.names[-1].text}"
            self.put(self.start(assignment.value[0]), "IF(", *predicate, ", (")
            self.put(self.end(assignment.value[1]), f"), {kept})")

    def _keeps(self, assignments: list[Assignment], watched: Watched) -> None:
        """Refuse a conflict clause that could move a row, or point it at another tenant's, unseen."""
        columns = watched.columns()
        for assignment in assignments:
            touched = {c for c in columns for name in assignment.names if self.names.same(name, c)}
            if touched and not (assignment.single and self._is_excluded(assignment)):
                raise CrossTenantError(
                    f"the conflict clause of an INSERT into {watched.placement.name} sets {touched.pop()}; there it "
                    "may only be set to the value that was inserted",
                    kind="upsert",
                    table=watched.placement.name,
                )

    def _is_excluded(self, assignment: Assignment) -> bool:
        tokens = self.tokens[assignment.value[0] : assignment.value[1]]
        name = ascii_lower(unquoted(assignment.names[-1].text))
        texts = [ascii_lower(unquoted(token.text)) for token in tokens]
        return texts in (["excluded", ".", name], ["values", "(", name, ")"])
