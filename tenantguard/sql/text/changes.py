"""Read an UPDATE or a DELETE: their tables are predicated like those of a query."""

from __future__ import annotations

from tenantguard.sql.text.expressions import Environment
from tenantguard.sql.text.frames import Frame, Source, Span
from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, unquoted
from tenantguard.sql.text.names import refusal
from tenantguard.sql.text.targets import Assignment, Targets, Watched
from tenantguard.sql.text.values import Literal, Value
from tenantguard.tenancy import full_name


class Changes(Targets):
    """Read an UPDATE or a DELETE."""

    def _update(self, env: Environment) -> list[Frame]:
        self.expect("UPDATE")
        if self.took("OR", "REPLACE"):
            raise refusal("UPDATE OR REPLACE deletes whatever row holds the key, another tenant's too")
        if self.took("OR"):
            self.hidden |= {self.start(self.at - 1), self.token().start}
            if self.token().upper not in ("IGNORE", "ABORT", "FAIL", "ROLLBACK"):
                raise self.unexpected("IGNORE, ABORT, FAIL or ROLLBACK was expected")
            self.at += 1
        while self.token().upper in ("LOW_PRIORITY", "IGNORE"):
            self.at += 1
        frame = Frame()
        if self.which == MYSQL:
            self._many(env, frame, "update")
        else:
            target = self._target("update")
            frame.sources, frame.names, frame.width = [target], {target.name}, 1
        self.expect("SET")
        assignments = self._assignments(env)
        alone = frame.width == 1 and not self.sees("FROM")
        if self.which != MYSQL and self.took("FROM"):
            self._beside(env, frame)
        self._assigned(assignments, frame, alone=alone)
        return self._changed(env, frame)

    def _changed(self, env: Environment, frame: Frame) -> list[Frame]:
        """Read the end of an UPDATE or DELETE and put the predicates in."""
        self._place(frame, self.where(env))
        self._tail(env)
        return self._returning(env, frame)

    def _beside(self, env: Environment, frame: Frame) -> None:
        """Read the FROM of an UPDATE or the USING of a DELETE: the target is no part of its joins."""
        beside = Frame(names=frame.names)
        self.sources(env, beside)
        frame.sources = [*frame.sources, *beside.sources]
        frame.derived.update(beside.derived)
        frame.width += beside.width

    def _many(self, env: Environment, frame: Frame, verb: str) -> None:
        self.verbs.append(verb)
        self.sources(env, frame)
        if any(source.place == "derived" for source in frame.sources):
            raise refusal(f"an {verb.upper()} joins its tables in a form that cannot carry the predicate")

    def _assigned(self, assignments: list[Assignment], frame: Frame, *, alone: bool) -> None:
        """Verify what an UPDATE sets, and that it may write the tables whose columns it sets."""
        for target in self._targets(assignments, frame):
            self._writable("update", target.placement)
            watched = self._watched(target.placement)
            columns = watched.columns()
            mine: dict[str, Value | None] = {}
            for assignment in assignments:
                for name in assignment.names:
                    for column in (c for c in columns if self.names.same(name, c)):
                        mine[column] = self._assigned_value(assignment, column, target, frame, alone=alone)
            self._note_update(mine, watched)

    def _targets(self, assignments: list[Assignment], frame: Frame) -> list[Source]:
        if self.which != MYSQL:
            return frame.sources[:1]
        if frame.width == 1:
            return frame.sources
        found = []
        for assignment in assignments:
            if len(assignment.names) != 2:
                raise refusal(
                    "an UPDATE of several tables does not say whose column it sets; write table.column"
                )
            name = self.names.fold(assignment.names[0])
            meant = [source for source in frame.sources if source.name == name]
            if not meant:
                raise refusal(f"it sets a column of {name!r}, which is none of its tables")
            found += meant
        return list({source.name: source for source in found}.values())

    def _assigned_value(
        self, assignment: Assignment, column: str, target: Source, frame: Frame, *, alone: bool
    ) -> Value | None:
        value = self._value(assignment.value) if assignment.single else None
        if value is not None and value != Literal(None):
            return value
        tenant = target.placement.kind == "owned" and column == target.placement.column
        if value is not None and not tenant:
            return value
        tokens = self.tokens[assignment.value[0] : assignment.value[1]]
        if alone and assignment.single and len(tokens) == 1 and self.names.same(tokens[0], column):
            return None  # the row's own value
        if assignment.single and not tenant and self._leads_to_own(assignment.value, column, target, frame):
            return None
        raise refusal(
            f"{target.placement.name}.{column} is given by an expression; give a value or a parameter"
        )

    def _leads_to_own(self, value: Span, column: str, target: Source, frame: Frame) -> bool:
        """Tell whether what is set can only be the key of a parent of the tenant's own, for each parent it names."""
        links = [
            (parent, pairs)
            for parent, pairs in self.names.links(target.placement.key)
            if any(ours == column for ours, _ in pairs)
        ]
        return all(
            len(pairs) == 1 and self._own(value, frame, parent, pairs[0][1]) for parent, pairs in links
        )

    def _note_update(self, mine: dict[str, Value | None], watched: Watched) -> None:
        placement = watched.placement
        if watched.tenant in mine:
            self._note_tenant(placement, watched.tenant or "", "update", [mine[watched.tenant or ""]])
        for parent, pairs in watched.links:
            values = [mine.get(ours) for ours, _ in pairs]
            known = tuple(value for value in values if value is not None)
            if known and len(known) != len(pairs):
                raise refusal(f"half of a key of {full_name(parent)} is set; set all of its columns")
            if known:
                self._note_key(placement, parent, pairs, "update", [known])

    def _delete(self, env: Environment) -> list[Frame]:
        self.expect("DELETE")
        while self.which == MYSQL and self.token().upper in ("LOW_PRIORITY", "QUICK", "IGNORE"):
            self.at += 1
        frame = Frame()
        if self.which == MYSQL and not self.sees("FROM"):
            self._delete_many(env, frame)
        else:
            self.expect("FROM")
            target = self._target("delete")
            frame.sources, frame.names, frame.width = [target], {target.name}, 1
            if self.which == POSTGRESQL and self.took("USING"):
                self._beside(env, frame)
        return self._changed(env, frame)

    def _delete_many(self, env: Environment, frame: Frame) -> None:
        """Read MariaDB's ``DELETE a, b FROM a JOIN b``."""
        targets = [self.identifier()]
        while self.took(","):
            targets.append(self.identifier())
        self.expect("FROM")
        self._many(env, frame, "delete")
        self.mentioned += [self.names.fold(token) for token in targets]
        for token in targets:
            meant = [source for source in frame.sources if source.name == self.names.fold(token)]
            if len(meant) != 1:
                raise refusal(f"{unquoted(token.text)!r} is to be emptied and is none of the tables read")
            self._writable("delete", meant[0].placement)
