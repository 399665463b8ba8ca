"""The mutations: named ways to break a guard, each of which a test has to notice.

A mutation replaces one piece of one function's code; see :mod:`scripts.anchors`. The piece must stand there exactly
once; where the function has changed, the run says so, and the mutation is brought up to date with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """A way to break one thing.

    Attributes:
        name: what is broken, as a reader would say it.
        part: the package or module below ``tenantguard/`` that holds the function, as ``"sql"`` or ``"context"``.
        function: the function, with its class where its name alone does not tell.
        old: the code that stands there once.
        new: what is put in its place.
        tests: the tests to ask first, on every database: where the others of its part come to it late, or
            only on one database.
    """

    name: str
    part: str
    function: str
    old: str
    new: str
    tests: tuple[str, ...] = ()

    @property
    def place(self) -> str:
        """Return where it stands, for a message."""
        return f"{self.part}: {self.function}"


def _of(part: str, function: str, *broken: tuple[str, ...]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, part, function, old, new, tuple(tests)) for name, old, new, *tests in broken)


MUTATIONS = (
    *_of(
        "postgres",
        "Policy.create",
        ("a policy has no USING", "f' USING ({self.using})'", "' USING (true)'"),
        ("a policy has no WITH CHECK", "f' WITH CHECK ({self.check})'", "' WITH CHECK (true)'"),
        ("the seal gives rows in place of taking them", "' AS RESTRICTIVE' * self.restrictive", "''"),
    ),
    *_of(
        "postgres",
        "_permitted",
        ("policies ask for no permission", "if permissions is None:", "if True:"),
        (
            "policies keep reading from nobody",
            "if is_parent or not permissions.read or (not permissions.write):",
            "if True:",
        ),
        (
            "a look-up of a parent takes a permission",
            "if is_parent or not permissions.read or (not permissions.write):",
            "if not permissions.read or not permissions.write:",
        ),
    ),
    *_of(
        "postgres",
        "_policies",
        (
            "rows are written for whoever a row rule shows them to",
            "'INSERT', check=belongs)",
            "'INSERT', check=shown)",
        ),
        (
            "rows are changed by whoever a row rule shows them to",
            "'UPDATE', using=belongs, check=belongs)",
            "'UPDATE', using=shown, check=shown)",
        ),
    ),
    *_of(
        "postgres",
        "commands",
        ("the seal is asked for nowhere", "_restrictive(floor) if sealed else", "() if sealed else"),
        (
            "an empty setting is a tenant",
            "[_for_all(SETTINGS.somebody)]",
            "[_for_all('true')]",
        ),
    ),
    *_of(
        "postgres",
        "_belongs",
        (
            "a statement is for two tenants",
            "return owned(placement, read)",
            "return owned(placement, read) if read is not SEALED else read.somebody",
        ),
    ),
    *_of(
        "postgres",
        "_ties",
        ("no key is held", "if parent is None", "if True or parent is None"),
        (
            "a row fulfils its own rule",
            "before=ruled_parent, still=None if ruled_parent else leads(",
            "before=False, still=None if ruled_parent else leads(",
        ),
    ),
    *_of(
        "postgres",
        "_covers",
        (
            "a key is held by any policy",
            "return placement.kind == parent.kind == 'owned' and",
            "return True or",
        ),
    ),
    *_of(
        "postgres",
        "_deferred",
        ("a deferred key is asked at once", "not reference.constraint.deferrable", "True"),
    ),
    *_of(
        "postgres",
        "_grants",
        ("shared tables are written", "and (not placement.writable)", "and False"),
        ("every column of a shown table is changed", "f'UPDATE ({columns})'", "'UPDATE'"),
    ),
    *_of(
        "postgres",
        "_made",
        (
            "the owner is exempt",
            "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "ENABLE ROW LEVEL SECURITY",
        ),
        (
            "row security is not enabled",
            "ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
            "FORCE ROW LEVEL SECURITY",
        ),
    ),
    *_of(
        "postgres",
        "_granted",
        (
            "what was granted before stays",
            "f'REVOKE ALL ON {table.name} FROM PUBLIC, {application}'",
            "'SELECT 1'",
        ),
        (
            "sequences are read",
            "REVOKE ALL ON SEQUENCE %s FROM PUBLIC, %s",
            "REVOKE UPDATE ON SEQUENCE %s FROM PUBLIC, %s",
        ),
    ),
    *_of(
        "postgres",
        "ground",
        ("temporary tables are made", "REVOKE CREATE, TEMPORARY ON DATABASE", "REVOKE CONNECT ON DATABASE"),
        ("tables are made in the schema", "REVOKE CREATE ON SCHEMA", "REVOKE USAGE ON SCHEMA"),
    ),
    *_of(
        "postgres",
        "table_statements",
        ("a view is read as its owner", "(security_invoker = true)", "(security_invoker = false)"),
    ),
    *_of(
        "postgres",
        "seal_statements",
        (
            "the keys are read",
            "f'REVOKE ALL ON {KEYS} FROM PUBLIC, {application}'",
            "f'GRANT SELECT ON {KEYS} TO PUBLIC'",
        ),
        ("the seal is checked with the rights of who asks", "SECURITY DEFINER", "SECURITY INVOKER"),
        (
            "the seal is checked on any search path",
            "SET search_path = pg_catalog, pg_temp",
            "SET work_mem = 4096",
        ),
        ("no parallel plan is made", "PARALLEL SAFE SET", "PARALLEL UNSAFE SET"),
    ),
    *_of(
        "postgres",
        "sealed_body",
        ("any signature is right", "AND split_part({_SEAL}, '.', 4) =", "AND '' <>"),
        (
            "a tenant takes part of a seal along",
            "AND split_part({_SEAL}, '.', 4) = encode",
            "AND right({_SEAL}, 64) = encode",
        ),
        ("a permission takes part of a tenant along", "replace({_SAID}, chr(10), '')", "{_SAID}"),
        ("a seal of any session holds", "AND split_part({_SEAL}, '.', 3) IN", "AND '0' IN"),
        ("a seal never expires", "AND {_EXPIRY} >=", "AND '9' >="),
        ("a retired key signs", "WHERE (k.retires IS NULL OR k.retires >", "WHERE (true OR k.retires >"),
        ("the tenant is not what was signed", "END || {_TENANT}, 'UTF8'", "END || 'acme', 'UTF8'"),
        ("permissions are not what was signed", "CASE {_SAID} WHEN", "CASE '' WHEN"),
    ),
    *_of(
        "postgres",
        "drops",
        (
            "an old trigger stays",
            "format('DROP FUNCTION %s CASCADE', function)",
            "format('COMMENT ON FUNCTION %s IS NULL', function)",
        ),
    ),
    *_of(
        "sql",
        "RowSecurity.values",
        (
            "whoever was told before stays",
            "{SETTING: told}",
            "{SETTING: told or 'acme'}",
            "tests/sql/test_database_mode.py",
        ),
        (
            "a bypass says no reason",
            "values[REASON] = str(binding.reason)",
            "pass",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "Seal.sign",
        (
            "the seal holds in every session",
            "0 if self.pooled else process",
            "0",
            "tests/postgres/test_seal.py",
        ),
        ("the seal never expires", "8) + self.lifetime", "8) + 10 ** 9", "tests/postgres/test_seal.py"),
    ),
    *_of(
        "sql",
        "_Telling.commit",
        (
            "what was told outlives its transaction",
            "self.tg_values = None",
            "pass",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "_Telling.rollback",
        (
            "what was told outlives a rollback",
            "self.tg_values = None",
            "pass",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "_Telling._start_query",
        (
            "settings travel without a BEGIN",
            "self._get_tx_start_command() if begins else b''",
            "b''",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "Flight.__exit__",
        (
            "a statement that is not sent loses the tenant",
            "self._conn.tg_values = self.tg_values",
            "pass",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "_query",
        (
            "the setting stays for the session",
            "${2 * number + 2}, true)",
            "${2 * number + 2}, false)",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "made",
        (
            "literals can be read by others",
            "if 0 < padding <= MOST_PADDING",
            "if False",
            "tests/postgres/test_telling.py",
        ),
        ("literals stay for the session", "}, true)", "}, false)", "tests/postgres/test_telling.py"),
    ),
    *_of(
        "sql",
        "_literal",
        ("a quote ends a literal", '.replace("\'", "\'\'")', "", "tests/postgres/test_telling.py"),
    ),
    *_of(
        "sql",
        "tell",
        (
            "a stream is read on for another",
            "if _streams(context) and context.tg_binding is not binding",
            "if False",
            "tests/postgres/test_telling.py",
        ),
        (
            "what a savepoint took back is not told again",
            "connection.tg_told == (*_within(connection), binding)",
            "connection.tg_told is not None and connection.tg_told[2] is binding",
            "tests/postgres/test_telling.py",
        ),
        (
            "several tenants are told as none",
            "if binding is not None and binding.mode == 'tenants':",
            "if False:",
            "tests/postgres/test_telling.py",
        ),
        (
            "autocommit is told",
            "if connection._is_autocommit_isolation() or",
            "if",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "_verify_role",
        (
            "a tenant uses the maintenance role",
            "if not is_bypass(binding):",
            "if False:",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "_verify_seal",
        (
            "a pooler is not noticed",
            "if known != process and (not said.seal.pooled):",
            "if False:",
            "tests/postgres/test_pgbouncer.py",
        ),
    ),
    *_of(
        "sql",
        "follows",
        (
            "a policy that was changed by hand is taken for ours",
            "said[2:] == [content, rule_mark(placement)]",
            "said[3] == rule_mark(placement)",
            "tests/postgres/test_policies.py",
        ),
        (
            "a policy of another row rule is taken for this one's",
            "said[2:] == [content, rule_mark(placement)]",
            "said[2] == content",
            "tests/postgres/test_policies.py",
        ),
    ),
    *_of(
        "sql",
        "short_context",
        (
            "a plain statement is sent without the tenant",
            "tell(self.root_connection)",
            "pass",
            "tests/postgres/test_telling.py",
        ),
    ),
    *_of(
        "sql",
        "permit",
        (
            "whoever lacks a permission is served",
            "if principal is None or not statement.asks <= principal.permissions:",
            "if False:",
            "tests/sql/test_permissions.py",
        ),
        (
            "the values of a rule are those of whoever came first",
            "row[name] = value",
            "row.setdefault(name, value)",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "sql",
        "verify_moved",
        (
            "rows stay behind where the one that they name moves to another tenant",
            "if is_left:",
            "if False:",
            "tests/sql/test_bypass_writes.py",
        ),
    ),
    *_of(
        "sql",
        "verify_named",
        (
            "a row names no tenant while several are bound",
            "if column.default is not None or column.server_default is not None:",
            "if True:",
            "tests/sql/test_writes.py",
        ),
    ),
    *_of(
        "sql",
        "permit_reading",
        (
            "a result is read on without the permission that it took",
            "if asked and (had is None or not all((needed <= had for needed in asked.values()))):",
            "if False:",
            "tests/sql/test_permissions.py",
        ),
        (
            "a result is read on by who would be granted other rows",
            "if placement.has_rows",
            "if False",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "sql",
        "StoredCursor._leads_well",
        (
            "what an UPDATE on MariaDB stored of a strange value is not looked at",
            "return bool(rows) and (not missing_parents(context, [(link, rows)], plan.tried))",
            "return True",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "key_parameters",
        (
            "one of several rows is taken for the one that an UPDATE meets",
            "and clause.operator is operators.and_",
            "",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "granted_rows",
        (
            "a rule of rows is left out",
            "if leaf.placement.has_rows",
            "if False",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "sql",
        "refuse_read_only",
        (
            "whoever may only read writes",
            "if actor is not None and actor.read_only:",
            "if False:",
            "tests/test_break_glass.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.tg_enter",
        (
            "a session serves one person what another has loaded",
            "self._tg_hand_over()",
            "pass",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "identity",
        "Policy._may_grant",
        ("an issuer grants what it likes", "if self.may_grant is None:", "if True:"),
    ),
    *_of(
        "identity",
        "Acting.actor",
        (
            "somebody acts inside any company",
            "if not tenants or not all((self._may_enter(subject, tenant) for tenant in tenants)):",
            "if False:",
        ),
        (
            "somebody acts for ever",
            "if not timed or not 0 <= expires - issued <= self.seconds:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "guarded",
        ("a SELECT loses its predicates", "return (*predicates, *enclosed(where))", "return where"),
        (
            "a row rule widens nothing",
            "predicates = predicates_of(compiler, leaves, [], conditions, read=read)",
            "predicates = predicates_of(compiler, leaves, [], conditions, read=False)",
        ),
    ),
    *_of(
        "sql",
        "guarded_join",
        (
            "the null-extended side of an outer join loses its predicate",
            "predicates = predicates_of(compiler, right, left, conditions, read=True)",
            "predicates: list[Any] = []",
        ),
        (
            "the wrong side of an outer join is guarded in ON",
            "right = preserved_leaves(compiler, join.right, conditions)",
            "right = preserved_leaves(compiler, join.left, conditions)",
        ),
    ),
    *_of(
        "sql",
        "preserved_leaves",
        ("the predicate of an outer join stands in WHERE", "if from_.isouter:\n    return left", ""),
        (
            "the right side of an inner join is whole",
            "return left + preserved_leaves(compiler, from_.right, conditions)",
            "return left",
        ),
    ),
    *_of(
        "sql",
        "derived",
        (
            "the tables of a FULL JOIN stay whole",
            "return Filtered(leaf) if leaf is not None else from_",
            "return from_",
        ),
    ),
    *_of(
        "sql",
        "belongs",
        ("the EXISTS of a through table asks for any parent", "WHERE {link} AND {owned})", "WHERE {link})"),
        (
            "the EXISTS of a through table asks for any row of the tenant's",
            "WHERE {link} AND {owned})",
            "WHERE {owned})",
        ),
        (
            "the tenant is compared as the collation likes",
            "if exact is not None:",
            "if False:",
            "tests/sql/test_bad_input.py",
        ),
        (
            "the tenant is compared by order",
            'return f"{mine} {comparison} {parameter}"',
            'return f"{mine} >= {parameter}"',
        ),
        (
            "rows of nobody are everybody's",
            'return f"{mine} {comparison} {parameter}"',
            'return f"({mine} {comparison} {parameter} OR {mine} IS NULL)"',
        ),
    ),
    *_of(
        "sql",
        "Statement.place",
        (
            "an unknown table passes",
            "placement = self.tables.get(key) or self.guard.placed.find_key(key)",
            "placement = self.guard.placed.find_key(key) or Placement(key, 'shared')",
        ),
    ),
    *_of(
        "sql",
        "verify_known",
        (
            "a table in an unknown place passes",
            "if placement.kind != 'shared' or placement.has_rows:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "predicates_of",
        ("any owned table beside it vouches for a through table", "linked(leaf, p, equal)", "True"),
    ),
    *_of(
        "sql",
        "Statement.settle",
        ("a refused statement counts as a plain one", "and self.fault is None", ""),
    ),
    *_of(
        "sql",
        "Statement.finish",
        (
            "a write counts as a plain statement",
            "self.verified = any(not plan.is_idle for plan in self.writes)",
            "self.verified = False",
        ),
    ),
    *_of(
        "sql",
        "GuardedCompiler.__init__",
        ("a construct of the user's own is not looked at", "if tg.custom:", "if False:"),
        (
            "a CTE may take the name of a table that a predicate reads",
            "if tg.ctes & tg.relied:",
            "if False:",
            "tests/sql/test_names.py",
        ),
    ),
    *_of(
        "sql",
        "filtered_table",
        (
            "a derived table of a FULL JOIN is whole",
            "where = ' AND '.join(map(compiler.process, conditions))",
            "where = '1 = 1'",
        ),
    ),
    *_of(
        "sql",
        "enclosed",
        (
            "a criterion of the user's may bind weaker than the predicate",
            "return tuple([clause if _is_tight(clause) else Grouping(clause) for clause in where])",
            "return where",
        ),
    ),
    *_of(
        "sql",
        "equalities",
        (
            "an equation beside text that binds weaker than AND is trusted",
            "pending.extend(holding(clause.clauses))",
            "pending.extend(clause.clauses)",
        ),
    ),
    *_of(
        "sql",
        "linked",
        ("half of a composite key counts as a join on it", "return all(", "return any("),
    ),
    *_of(
        "sql",
        "equalities",
        (
            "an equality under OR counts as a join on the key",
            "and clause.operator is operators.and_:",
            "and clause.operator in (operators.and_, operators.or_):",
        ),
        (
            "any comparison counts as a join on the key",
            "isinstance(clause, BinaryExpression) and clause.operator is operators.eq:",
            "isinstance(clause, BinaryExpression):",
        ),
    ),
    *_of(
        "sql",
        "whole",
        (
            "SQL text passes",
            "if is_health_check(written) or is_begin(written, compiler.dialect.name):",
            "if True:",
        ),
    ),
    *_of(
        "sql",
        "read_text",
        (
            "text inside a statement is not read",
            "return with_text(textclause, _read_fragment(compiler, textclause.text, shown=shown).text)",
            "return textclause",
        ),
    ),
    *_of(
        "sql",
        "read_literal",
        (
            "a literal column is not read",
            "return _read_fragment(compiler, str(text), style='none').text",
            "return text",
        ),
    ),
    *_of(
        "sql",
        "read_function",
        (
            "a function is not looked at",
            "compiler.tg.refuse(RawSQLError(told, kind='function', statement=name))",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "read_operator",
        (
            "an operator is not read",
            "compiler.tg.refuse_fragment(operator_fault(text, compiler.dialect.name), text)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "prefixes_text",
        ("a prefix is not read", "compiler.tg.refuse_fragment(fault, affix.text)", "pass"),
    ),
    *_of(
        "sql",
        "tenant_value",
        (
            "a tenant of another type is left to the database",
            "if expected is not None and type(tenant) is not expected:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "Predicates.of",
        (
            "SQL text goes without a permission rule",
            "if not placement.has_rows:",
            "if True:",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "sql",
        "ruled",
        (
            "a WITH of SQL text hides what a rule reads",
            "if not element.hidden.isdisjoint(names):",
            "if False:",
            "tests/sql/test_permissions.py",
        ),
    ),
    *_of(
        "sql",
        "Predicates.differs",
        (
            "NULL counts as the tenant's own",
            "return value.is_distinct_from(parameter)",
            "return value != parameter",
        ),
    ),
    *_of(
        "sql",
        "Predicates.foreign",
        (
            "a foreign row is looked for among all rows",
            'select(literal_column("1")).select_from(source).where(values(source), other)',
            'select(literal_column("1")).select_from(source).where(other)',
        ),
    ),
    *_of(
        "sql",
        "_admit_compiled",
        (
            "a statement made for one mode runs in another",
            "if getattr(compiled, 'tg_mode', None) != mode or compiled.tg_guard is not context.dialect.tg_guard:",
            "if False:",
        ),
        (
            "a refusal of the compiler is forgotten",
            "refuse_again(compiled.tg.fault, compiled.string)",
            "pass",
        ),
        ("writes are not verified", "verify(compiled.tg.writes, context)", "pass"),
        ("a translated table is not looked at", "if compiled.schema_translate_map:", "if False:"),
    ),
    *_of(
        "sql",
        "connecting.connection_for_bind",
        ("a session is not watched where it executes", "judge(self.session, self, connection)", "pass"),
        (
            "a session of another tenant is tied in one step",
            "self.session.identity_map.tg_seen is peek()",
            "self.session.identity_map.tg_seen is not None",
            "tests/sql/test_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "ShortContext.create_cursor",
        (
            "a plain statement passes under any binding",
            "self.root_connection.tg_ready is binding",
            "self.root_connection.tg_ready",
        ),
        ("a caller's value for the guard's parameter counts", "row[name] = tenant", "pass"),
        (
            "one row may name a tenant of another type",
            "type(tenant) in statement.serves",
            "statement.serves",
            "tests/sql/test_tenant_column.py",
        ),
        (
            "what a plain statement gives is not verified",
            "self.tg_given = statement",
            "pass",
            "tests/sql/test_writes.py",
        ),
    ),
    *_of(
        "sql",
        "admit",
        ("SQL for the driver passes", "admit_text(context, guard, binding)", "pass"),
        ("DDL passes", "_admit_ddl(context, compiled)", "pass"),
        (
            "a connection made by hand passes",
            "if not isinstance(connection, GuardedConnection):",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "GuardedContext._setup_dml_or_text_result",
        ("a unit of work that matches nothing says so", "verify_matched(self, plans)", "pass"),
    ),
    *_of(
        "sql",
        "verify_sent",
        (
            "a context in place of the guard's admits",
            "if not hasattr(context, 'tg_kept'):",
            "if not hasattr(context, 'statement'):",
            "tests/sql/test_doors.py",
        ),
        (
            "a listener may rewrite a statement",
            "if not _is_same(context.statement if kept is None else kept[0], statement):",
            "if False:",
            "tests/testing/test_vectors.py",
        ),
        (
            "what comes by a way of its own is sent",
            "_refuse('a statement reached the driver in a way that the guard does not know', statement)",
            "return",
            "tests/sql/test_doors.py",
        ),
        (
            "what is sent beside a statement has any parameters",
            "_verify_parameters(statement, beside[1], parameters)",
            "pass",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "_verify_parameters",
        ("a listener may rewrite parameters", "if not _are_same(admitted, parameters):", "if False:"),
    ),
    *_of(
        "sql",
        "values_with_defaults",
        (
            "what a default fills in is not verified",
            "return {**given, **found}",
            "return dict(given)",
            "tests/testing/test_vectors.py",
        ),
    ),
    *_of(
        "sql",
        "verify_inserted",
        ("an upsert that met a foreign row is silent", "and context.cursor.rowcount == 0:", "and False:"),
    ),
    *_of(
        "sql",
        "_rewrite",
        ("what SQL text writes is not verified", "if sent.checks:", "if False:"),
    ),
    *_of(
        "sql",
        "GuardedConnection._execute_clauseelement",
        (
            "the compiler of the last binding serves the next",
            "if binding is not self.tg_ready:",
            "if self.tg_ready is False:",
        ),
    ),
    *_of(
        "sql",
        "guarded_pool.connect",
        ("a second engine on the pool passes", "if not hasattr(self._dialect, 'tg_guard'):", "if False:"),
    ),
    *_of(
        "sql",
        "takes_trust",
        ("the dialect's own trust goes on", "connection.tg_own = None", "pass", "tests/sql/test_doors.py"),
        (
            "whatever executes beside the dialect's own is trusted",
            "if statement is not trusted:",
            "if False:",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "only_sqlalchemy",
        ("a raw connection is handed out", "caller == 'sqlalchemy'", "True"),
    ),
    *_of(
        "sql",
        "GuardedConnection.tg_serve",
        ("a key that was found for one is known after another was served", "self._tg_learnt = None", "pass"),
    ),
    *_of(
        "sql",
        "learnt_in",
        (
            "a key that was verified for one is known to another",
            "learnt[0] != tenants or",
            "",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a key that was verified stays known",
            "or learnt[1] is not outer or (learnt[2] is not nested)",
            "",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a key stays known under AUTOCOMMIT",
            "if connection._is_autocommit_isolation():",
            "if False:",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "_verify",
        (
            "a result is read on under another tenant",
            "if same_tenants(now.tenants, then.tenants):",
            "if True:",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.tg_enter",
        ("a session serves the next tenant", "elif not same_tenants(owner, binding.tenants):", "elif False:"),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.tg_enter",
        ("a new map has no owner", "self._wr.owner = binding.tenants", "pass"),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap._tg_incoming",
        ("rows of a bypass are served after it", "return self._tg_lift()", "return self._wr"),
    ),
    *_of(
        "sql",
        "patch_sqlalchemy",
        (
            "no session is tied to its connection",
            "(SessionTransaction, '_connection_for_bind', connecting), (",
            "(",
        ),
        (
            "what a session took in before it executes is not looked at",
            "(SessionTransaction, '__init__', beginning), (",
            "(",
        ),
        (
            "a new object is not given its tenant",
            "event.listen(Mapper, 'before_insert', before_insert, raw=True, retval=True)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "merging.merge",
        (
            "an object is merged unread for another tenant",
            "if not kw.get('load', True) and binding is not None and binding.tenants:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "judge",
        (
            "rows of a bypass are not remembered",
            "remember(session, held, binding)",
            "pass",
            "tests/sql/test_lifted_sessions.py",
        ),
        (
            "what was added for one tenant is flushed for another",
            "switched(began.tenants, binding)",
            "pass",
            "tests/sql/test_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "_watch_tenant",
        ("the tenant of a row is not looked at", "plan.tenant.append(given.plain[name])", "pass"),
        (
            "a tenant that the database computes is not read back",
            "_read_back(plan).tenant = True",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap._tg_take",
        (
            "an object of another tenant's session is taken in",
            "not same_tenants(owner, binding.tenants)",
            "False",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.get",
        ("a hit of the identity map is not looked at", "self._tg_served(state)", "pass"),
    ),
    *_of(
        "sql",
        "is_only",
        (
            "one row may name another tenant",
            "all(map(is_, values, repeat(only)))",
            "len(values) == 1",
            "tests/sql/test_writes.py",
        ),
    ),
    *_of(
        "sql",
        "verify_tenant",
        (
            "a row may name another tenant",
            "any((is_stored_alike(value, tenant, type_, dialect) for tenant in bound))",
            "True",
        ),
        ("only the first row of many is looked at", "_distinct(values)", "_distinct(values[:1])"),
    ),
    *_of(
        "sql",
        "Shape.depends_on",
        (
            "a row may become somebody else's",
            "if columns is None or not known.issuperset(columns):",
            "if columns is None:",
            "tests/sql/test_granted_writes.py",
        ),
        (
            "a rule that looks at other rows judges no change",
            "isinstance(element, TableClause)",
            "False",
            "tests/sql/test_granted_writes.py",
        ),
    ),
    *_of(
        "sql",
        "Statement._note_stored",
        (
            "SQL text makes rows of somebody else",
            "self.stores.append((placement.key, columns))",
            "pass",
            "tests/sql/test_granted_writes.py",
        ),
    ),
    *_of(
        "sql",
        "verify_stored",
        (
            "a new row may be somebody else's",
            "_refuse_row(context, read, tried)",
            "pass",
            "tests/sql/test_granted_writes.py",
        ),
        (
            "an expression may name another tenant",
            "_refuse_tenant(context, read, tried)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
        (
            "a key that only the database knows may point anywhere",
            "verify_parents(context, wanted, tried, context.tg_binding)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
        (
            "a row that was read back may belong to nobody",
            "_refuse_orphan(context, read, link)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "verify",
        ("a shared table is written under a tenant", "_refuse_shared(plan, binding, context)", "continue"),
    ),
    *_of(
        "sql",
        "_stamp",
        (
            "a tenant of another type is written",
            "if expected is not None and type(tenant) is not expected:",
            "if False:",
            "tests/sql/test_tenant_column.py",
        ),
        ("a missing tenant is not stamped", "row[name] = tenant", "pass"),
    ),
    *_of(
        "sql",
        "_keys",
        ("only the keys of the first row of many are looked at", "return found", "return found[:1]"),
    ),
    *_of(
        "sql",
        "_unmatched",
        (
            "a row that is another tenant's, or gone, is answered by SQLAlchemy alone",
            "if not plan.key or plan.placement.kind == 'shared' or binding is None:",
            "if True:",
        ),
        ("a row of the tenant's own counts as gone", "counted < len(set(chunk))", "True"),
    ),
    *_of(
        "sql",
        "verify_text",
        ("SQL text may write a row of nobody", "check.required", "False", "tests/sql/test_backstops.py"),
        (
            "SQL text may name another tenant",
            "verify_tenant(placement, check.verb, values, binding, context)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "verify_parents",
        (
            "a key may point at another tenant's row",
            "refuse_parent(context, link, key, tried, binding)",
            "continue",
        ),
    ),
    *_of(
        "sql",
        "_not_found",
        (
            "one of several keys may point at another tenant's row",
            "missing.append((link, key))",
            "pass",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a parent that nobody has is known from then on",
            "if is_there:",
            "known_keys(context, link).add(mark(key))\n        if is_there:",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a value that is stored as another one is not looked up",
            "missing = [single for single in singles if is_strange(single[1])]",
            "missing = []",
            "tests/sql/test_foreign_keys.py",
        ),
    ),
    *_of(
        "sql",
        "guarded_change",
        (
            "an UPDATE or a DELETE loses its predicate",
            "criteria = guarded(compiler, target, core._where_criteria, read=False)",
            "criteria = core._where_criteria",
        ),
        (
            "a row rule widens what is written",
            "criteria = guarded(compiler, target, core._where_criteria, read=False)",
            "criteria = guarded(compiler, target, core._where_criteria, read=True)",
        ),
        (
            "a row rule widens the second table that is written",
            "if len(written) > 1:",
            "if False:",
            "tests/sql/test_row_rules.py",
        ),
    ),
    *_of(
        "sql",
        "plan_changes",
        (
            "an UPDATE of several tables looks at the first",
            "change.written",
            "change.written[:1]",
            "tests/sql/test_writes.py",
        ),
    ),
    *_of(
        "sql",
        "extra_predicates",
        (
            "the second table of an UPDATE is read whole",
            "return tuple(predicates_of(compiler, leaves, around, conditions, read=True))",
            "return ()",
        ),
    ),
    *_of(
        "sql",
        "stamp",
        (
            "an INSERT for several tenants need not say for whom",
            "verify_named(compiler, placement, column, state)",
            "",
        ),
    ),
    *_of(
        "sql",
        "_plan_values",
        ("only the first row of VALUES is looked at", "enumerate(rows)", "enumerate(rows[:1])"),
    ),
    *_of(
        "sql",
        "guarded_insert",
        ("an INSERT is not stamped", "stamp(compiler, core.table, state, placement, toplevel)", "pass"),
        (
            "an INSERT from a SELECT is not stamped",
            "stamped = stamped_select(compiler, given)",
            "stamped = given",
        ),
        ("INSERT OR REPLACE passes", "refuse_replace(compiler, core, placement)", "pass"),
    ),
    *_of(
        "sql",
        "verify_parent_given",
        (
            "a row may belong to nobody",
            "compiler.tg.refuse(orphan(placement, ', '.join(missing)))",
            "pass",
            "tests/sql/test_orphans.py",
        ),
    ),
    *_of(
        "sql",
        "guarded_conflict",
        (
            "ON CONFLICT DO UPDATE overwrites any row",
            "clone.update_whereclause = and_(*mine,",
            "clone.update_whereclause = and_(",
        ),
    ),
    *_of(
        "sql",
        "guarded_duplicate",
        (
            "ON DUPLICATE KEY UPDATE overwrites any row",
            "if met:",
            "if False:",
            "tests/sql/test_upserts.py",
        ),
    ),
    *_of(
        "sql",
        "verify_set",
        (
            "a conflict clause may give a row away",
            'watched = {placement.column} if placement.kind == "owned" else set()',
            "watched: set[Any] = set()",
        ),
        (
            "a conflict clause may point a row anywhere",
            "watched.update(*[link.ours for link in compiler.tg_guard.ties.verified(placement)])",
            "pass",
            "tests/sql/forms",
        ),
    ),
    *_of(
        "sql",
        "Ties.covered",
        (
            "MariaDB tells by its collation whose a key with the tenant in it is",
            "theirs is None or",
            "True or",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "Ties.includes_tenant",
        (
            "every foreign key counts as one that includes the tenant",
            "(placement.column, owner.column) in pairs",
            "True",
        ),
    ),
    *_of(
        "sql",
        "_verify_start",
        ("a tenancy with faults is installed", "tenancy.verify()", ""),
    ),
    *_of(
        "sql",
        "GuardedContext._process_execute_defaults",
        (
            "a tenant that a default leaves out is not stamped",
            "stamp_defaults(self.compiled.tg.writes, self)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "verify_given",
        (
            "what only the database knows is not read back",
            "store(context, partial(made, context=context, read=given.stored))",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "StoredCursor._refuse_missing",
        (
            "a row that MariaDB's UPDATE meets keeps a key that no look-up found",
            "mark(key) in marks",
            "False",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "_verify_settings",
        ("SQL text may set any setting", "if not is_harmless_setting(name, local):", "if False:"),
    ),
    *_of(
        "sql",
        "StoredCursor._verify",
        (
            "what was read back is not verified",
            "verify_stored(self._context, self._read, self._found)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "StoredCursor._execute",
        (
            "the database's own answer tells a parent that is not there",
            "return missing_parent(self._context, self._read, recorded=False)",
            "raise",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "StoredCursor._undo",
        (
            "what was read back and refused stays written",
            "self._do(f'ROLLBACK TO SAVEPOINT {_NAME}')",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "_begin",
        (
            "what cannot be taken back is written",
            "refuse_unverifiable(context, 'each statement is a transaction of its own, and cannot be taken back')",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "returned",
        (
            "a write that cannot be read back passes",
            "_refuse(compiler, stored, fault)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "_watch_link",
        (
            "a key that is given is not looked up",
            "plan.links.append(link)",
            "pass",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a key that the database computes is not read back",
            "stored.links.append(link)",
            "pass",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "find_each",
        (
            "a parent that is not found counts as one that is there",
            "cell is not None",
            "True",
            "tests/sql/test_foreign_keys.py",
        ),
    ),
    *_of(
        "sql",
        "_parent",
        (
            "a look-up finds the rows of everybody",
            ".where(picked, owns)",
            ".where(picked)",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a key that two tenants' rows share leads to either",
            "query = query.where(not_(_foreign_twin(columns, link, context)))",
            "pass",
            "tests/sql/test_foreign_keys.py",
        ),
    ),
    *_of(
        "sql",
        "_locked",
        (
            "PostgreSQL does not hold a parent",
            "return query.with_for_update(read=True, key_share=not is_isolated(context), of=locked)",
            "return query",
            "tests/sql/test_parents.py",
        ),
        (
            "MariaDB does not hold a parent",
            "return query.with_for_update(read=True)",
            "return query",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "hold",
        (
            "SQLite takes its lock with the write",
            "send(connection, 'BEGIN IMMEDIATE')",
            "pass",
            "tests/sql/test_parents.py",
        ),
        (
            "a look-up under AUTOCOMMIT is over before the write",
            "send(connection, 'BEGIN')",
            "return",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "note",
        (
            "a key that may come later is not looked at again",
            "connection.tg_noted = (*connection.tg_noted, noted)",
            "pass",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "verify_noted",
        (
            "a key that came to nothing is committed",
            "refuse_parent(context, one.link, one.key, one.tried, binding)",
            "pass",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedConnection._commit_impl",
        (
            "what is left to the end is not verified",
            "verify_ending(self)",
            "pass",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedConnection._release_savepoint_impl",
        (
            "the release of a savepoint commits what was not verified",
            "verify_ending(self)",
            "pass",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "_is_plain",
        (
            "the type that a variant takes the place of decides",
            " and dialect not in type_._variant_mapping",
            "",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "exact_column",
        (
            "only what SQLAlchemy calls a text is compared exactly",
            "loose.match(name_of(type_, dialect)) is not None",
            "False",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "Predicates._owned",
        (
            "SQL text compares the tenant as the column likes",
            "if exact is None:",
            "if True:",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "Rule.condition",
        (
            "a row rule compares the tenant as the column likes",
            "exact = any(",
            "exact = False and any(",
            "tests/sql/test_row_rules.py",
        ),
    ),
    *_of(
        "sql",
        "uncut",
        (
            "asyncpg casts the tenant to its first character",
            "kind.length is not None",
            "True",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "is_stored_alike",
        (
            "a CHAR of PostgreSQL gives another tenant back",
            'value.rstrip(" ")',
            "value",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "_sqlite_faults",
        (
            "nobody asks SQLite for the collation of a column",
            "rows_of(driver, same) != [(0,)]",
            "False",
            "tests/sql/test_collations.py",
        ),
    ),
    *_of(
        "sql",
        "_postgresql_faults",
        (
            "nobody asks PostgreSQL whether a column is a CHAR",
            "found is False",
            "False",
            "tests/sql/test_collations.py",
        ),
    ),
    *_of(
        "sql",
        "_collation_fault",
        (
            "a column that ignores case may hold the tenant",
            "if cause is None:",
            "if True:",
            "tests/sql/test_guard.py",
        ),
    ),
    *_of(
        "sql",
        "Given._key",
        (
            "a key with the tenant in it is half given by SQL text",
            "[*values[:at], Bound(), *values[at + 1:]]",
            "[None] * len(values)",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "postgres",
        "owned",
        (
            "a policy drops the blanks of an id",
            "{exact.format(column)} = {tenant} AND ",
            "",
            "tests/postgres/test_policies.py",
        ),
    ),
    *_of(
        "sql",
        "is_kept",
        (
            "a CHAR keeps the blanks of an id",
            'not value.endswith(" ")',
            "True",
            "tests/sql/test_tenant_column.py",
        ),
        (
            "a tenant's id is cut to another's",
            "bool(_text(value, kind, dialect) == value)",
            "True",
            "tests/sql/test_tenant_column.py",
        ),
    ),
    *_of(
        "sql",
        "MeetingCursor._verify",
        (
            "an UPDATE on MariaDB meets other rows than were found",
            "self._cursor.rowcount != len(self._met)",
            "False",
            "tests/sql/test_stored_values.py",
        ),
        (
            "what an UPDATE on MariaDB stores is not verified",
            "verify_stored(self._context, self._read, _stored(self._context, self._read, keys))",
            "pass",
            "tests/sql/forms/test_forms.py",
        ),
    ),
    *_of(
        "sql",
        "_is_plain",
        (
            "text in a WHERE is asked a second time",
            "not getattr(part, 'is_literal', False)",
            "True",
            "tests/sql/test_stored_values.py",
        ),
    ),
    *_of(
        "sql",
        "_is_written",
        (
            "a key that was taken back is refused where another tenant's row names it",
            "placement.kind == 'owned'",
            "False",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "begin_around",
        (
            "a savepoint of SQLite's stands outside of any transaction",
            "send(connection, 'BEGIN')",
            "pass",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "verify_orphans",
        (
            "rows that have lost their parent are committed",
            "if _count(connection, placement) > before:",
            "if False:",
            "tests/sql/test_parents.py",
        ),
    ),
    *_of(
        "sql",
        "verify_bypassed",
        ("a bypass ties the rows of two tenants unseen", "_verify_write(context, tied)", "pass"),
    ),
    *_of(
        "sql",
        "is_known",
        (
            "a row that goes the short way names any tenant",
            "row[place] is not tenant",
            "False",
            "tests/sql/test_shortcuts.py",
        ),
    ),
    *_of(
        "sql",
        "_are_known",
        (
            "a row that goes the short way names any parent after another did",
            "together in learnt.rows.get(statement, ())",
            "True",
            "tests/sql/test_shortcuts.py",
        ),
        (
            "a row that goes the short way names any parent",
            "mark(tuple([row[place] for place in places])) not in known_keys(context, link)",
            "False",
            "tests/sql/test_shortcuts.py",
        ),
    ),
    *_of(
        "sql",
        "_sending_again._init_statement",
        (
            "a text is sent again though the server is to be asked anew",
            "monotonic() < guard.ask_at",
            "True",
            "tests/sql/test_calls.py",
        ),
    ),
    *_of(
        "sql",
        "short_context.ShortContext.create_cursor",
        (
            "a statement goes the short way though the server is to be asked anew",
            "monotonic() < guard.ask_at",
            "True",
            "tests/sql/test_calls.py",
        ),
    ),
    *_of(
        "sql",
        "ask_in_time",
        (
            "a server is not asked in each transaction for what only its users could have made",
            "calls and _is_new(connection)",
            "False",
            "tests/sql/test_calls.py",
        ),
        (
            "a server is asked again by each statement",
            "connection.tg_asked = connection._transaction",
            "pass",
            "tests/sql/test_calls.py",
        ),
    ),
    *_of(
        "sql",
        "_admit_compiled",
        (
            "a statement that a new answer refuses goes the short way next",
            "compiled.tg.settle(translated=bool(compiled.schema_translate_map))",
            "pass",
            "tests/sql/test_calls.py",
        ),
    ),
    *_of(
        "sql",
        "calls_something",
        (
            "an operator that PostgreSQL does not have is taken for its own",
            "not _OPERATORS.issuperset(said.names['operator'])",
            "False",
            "tests/sql/test_catalogue.py",
        ),
        (
            "a field of an alias is any table's column",
            "tables.get(relation, given)",
            "given",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "as_stored",
        (
            "a key is compared in the type that its column had",
            "link.storing[0] != types",
            "False",
            "tests/sql/test_definitions.py",
        ),
    ),
    *_of(
        "sql",
        "_sending_again._init_statement",
        *(
            (f"a text is sent again {how}", old, new, "tests/sql/test_repeats_both_ways.py")
            for how, old, new in (
                ("for a tenant of another type", "type(tenant) is sent.expected", "True"),
                ("after its binding has ended", "binding.mode == 'tenant'", "True"),
                ("for whoever acts beyond their time", "binding.principal.actor is None", "True"),
                ("though another catalogue was learnt", "sent.catalogue is guard.catalogue", "True"),
                ("though row security is told", "not guard.tells", "True"),
                ("though rows were left without a parent", "not connection.tg_orphans", "True"),
                (
                    "on a connection on which a bypass has left something",
                    "not (guard.left and find_left(connection) is not None)",
                    "True",
                ),
                ("with more parameters", "len(row) == sent.takes", "True"),
                (
                    "past a context of somebody else's",
                    "and (cls is short):",
                    ":",
                ),
                ("as a listener made it", "binding, (sent.text, row)", "binding, None"),
                (
                    "for nobody in particular",
                    "tenant = (rows or _NOTHING, binding._tenant)",
                    "tenant = (rows or _NOTHING, 'acme')",
                ),
            )
        ),
    ),
    *_of(
        "sql",
        "_is_named",
        *(
            (f"parameters by name are sent again {how}", old, new, "tests/sql/test_repeats_both_ways.py")
            for how, old, new in (
                ("with another among them", "row.keys() == sent.takes", "True"),
                ("as a listener made them", "not heard", "True"),
            )
        ),
    ),
    *_of(
        "sql",
        "Sent.settle",
        (
            "a text whose values are verified is sent again without",
            "if self.writes or self.checks or self.permissions or self.calls:",
            "if self.calls:",
            "tests/sql/test_repeats_both_ways.py",
        ),
    ),
    *_of(
        "sql",
        "_do_execute.do_execute",
        (
            "what is sent is not compared",
            "verify_sent(self, statement, parameters, context)",
            "pass",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "_do_executemany.do_executemany",
        (
            "what is sent for many rows is not compared",
            "verify_sent(self, statement, parameters, context)",
            "pass",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedContext.pre_exec",
        (
            "parameters are compared with what a listener made of them",
            "if connection._has_events or connection.engine._has_events or self.dialect._has_events:",
            "if False:",
            "tests/sql/test_doors.py",
        ),
        (
            "a statement is compared with what a listener put in its place",
            "self.tg_kept = None if rows is None else (self.statement, rows)",
            "self.tg_kept = None",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "_recovering.do_recover_twophase",
        (
            "a tenant sees what was prepared for others",
            "_is_mine(self, xid)",
            "True",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "_ending.end",
        (
            "a tenant ends what was prepared for others",
            "_is_mine(self, xid)",
            "True",
            "tests/sql/test_doors.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap._tg_served",
        (
            "what a bypass has loaded is served unread",
            "expire(state, self._modified)",
            "pass",
            "tests/sql/test_lifted_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap._tg_own",
        (
            "a listing shows what a bypass has loaded",
            "return [state for state in states if state._instance_dict is not self.tg_lifted]",
            "return states",
            "tests/sql/test_lifted_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "_closed",
        (
            "what a bypass loaded into a tenant's objects stays",
            "_restore(state, load, names, session)",
            "pass",
            "tests/sql/test_lifted_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "unpickling.setstate",
        (
            "a pickled object forgets whose it was",
            "self.tg_owner = state_dict.get('tg_owner', UNKNOWN)",
            "pass",
            "tests/sql/test_lifted_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "verify_frozen",
        (
            "a frozen result is given to another tenant",
            "switched(owner, binding, 'a result that was frozen')",
            "pass",
            "tests/sql/test_lifted_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "_watched",
        ("the objects of a result are read on under another tenant", "_verify(context)", "pass"),
    ),
    *_of(
        "sql",
        "render_custom",
        (
            "a construct of the user's own is sent as it was rendered",
            "return composed",
            "return text",
            "tests/sql/test_constructs.py",
        ),
    ),
    *_of(
        "sql",
        "_whole_fault",
        (
            "a construct of the user's own may render another table",
            "if hidden:",
            "if False:",
            "tests/sql/test_constructs.py",
        ),
    ),
    *_of(
        "sql",
        "verify_allowed",
        (
            "rows that a rule shows to others are changed",
            "compiler.tg.refuse(CrossTenantError(fault, kind=kind, table=placement.name))",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "write_values",
        (
            "a caller's value for a row rule's parameter counts",
            "row[name] = asked[id(rule.placement)][place]",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "Rule.values",
        ("a row rule may become another condition", "if shape != self._shape:", "if False:"),
    ),
    *_of(
        "sql",
        "tell",
        (
            "row security is told the first tenant only",
            "connection.tg_told == (*_within(connection), binding)",
            "connection.tg_told is not None",
            "tests/sql/test_database_mode.py",
        ),
        (
            "another tenant is told while a stream is open",
            "if _streams(context) and context.tg_binding is not binding:",
            "if False:",
            "tests/sql/test_database_mode.py",
        ),
    ),
    *_of(
        "stepwise",
        "_steps",
        ("a step is taken under what its caller has bound", "item = step(call)", "item = call()"),
    ),
    *_of(
        "stepwise",
        "_async_generator.call",
        (
            "a step of an asynchronous generator is taken under what its caller has bound",
            "item = await _wait(waited, step)",
            "item = await waited",
        ),
    ),
    *_of(
        "handover",
        "_Inside.step",
        ("carry takes nothing along", "put(self._binding)", "pass"),
        ("a generator forgets its own block between steps", "self._binding = peek()", "pass"),
        ("a step leaves its binding behind", "put(binding)", "pass"),
    ),
    *_of(
        "handover",
        "carry",
        ("what is carried ends with its request", "copied(peek())", "peek()"),
    ),
    *_of(
        "handover",
        "_collecting",
        ("the garbage collector finalises as whoever is bound", "put_mode(binding, ASIDE)", "pass"),
        ("a collection opens what has ended meanwhile", "if binding.mode is ASIDE:", "if True:"),
    ),
    *_of(
        "handover",
        "_forked",
        (
            "a worker process goes on as whoever forked it",
            "while binding is not None:\n    put_mode(binding, 'closed')\n    binding = binding.outer\nput(None)",
            "pass",
        ),
    ),
    *_of(
        "binding",
        "Binding.tenant",
        ("a bypass or several tenants tell one", "if self._tenant is None:", "if False:"),
    ),
    *_of(
        "binding",
        "live_within",
        ("a block does not end with its request", "life.append(ref(binding, life.remove))", "pass"),
    ),
    *_of(
        "binding",
        "end_life",
        ("what was entered in a request goes on after it", "put_mode(inside, 'closed')", "pass"),
        ("the first block of a request goes on after it", "life.insert(0, None)", "pass"),
    ),
    *_of(
        "context",
        "current",
        (
            "a binding that has ended counts",
            "if binding is None or binding.mode == 'closed':",
            "if binding is None:",
        ),
    ),
    *_of(
        "context",
        "tenants_of",
        ("a principal of no tenant is bound", "if not tenants:", "if False:"),
    ),
    *_of(
        "context",
        "enter",
        ("a block inside of a request's binding has no end", "live_within(binding, outer.life)", "pass"),
        ("a block of a request without a binding has no end", "live_within(binding, request.life)", "pass"),
    ),
    *_of(
        "context",
        "end",
        ("a request's binding goes on where it was copied", "put_mode(binding, 'closed')", "pass"),
        ("what a request entered goes on where it was copied", "end_life(life)", "pass"),
        ("a request leaves its binding in the context", "reset(token)", "pass"),
    ),
    *_of(
        "context",
        "bind.__del__",
        ("a block that nobody can leave goes on", "if binding is not None:", "if False:"),
    ),
    *_of(
        "context",
        "bypass.__del__",
        ("a bypass that nobody can leave goes on", "if binding is not None:", "if False:"),
    ),
    *_of(
        "context",
        "bypass.__init__",
        ("a bypass needs no reason", "if not isinstance(reason, str) or not reason.strip():", "if False:"),
    ),
    *_of(
        "context",
        "bypass.__enter__",
        ("a bypass is not recorded", "observe(binding, True)", "pass"),
    ),
    *_of(
        "context",
        "bind.__exit__",
        ("a binding outlives its block", "leave(binding)", "pass"),
    ),
    *_of(
        "context",
        "_close",
        ("a bypass goes on in tasks that outlive it", "put_mode(binding, 'closed')", "pass"),
    ),
    *_of(
        "context",
        "leave",
        ("a block does not restore the outer one", "if peek() is not outer:\n    put(outer)", "put(node)"),
        (
            "a block that was ended before the one inside of it comes back",
            "if peek() is not outer:",
            "if False:",
        ),
        (
            "a block that ends in another task closes nothing",
            "if not undone:\n    put_mode(binding, 'closed')",
            "pass",
        ),
    ),
    *_of(
        "context",
        "bypass.__exit__",
        (
            "an end that cannot be recorded hides the error of the block",
            "if error is None:\n    raise",
            "raise",
        ),
    ),
    *_of(
        "context",
        "_tenants",
        ("an empty collection of tenants is bound", "if not found:", "if False:"),
    ),
    *_of(
        "principal",
        "tenant_id",
        ("an empty tenant is bound", "if text.strip() and text.isprintable():", "if True:"),
        (
            "a truth value is a tenant",
            "isinstance(value, int) and not isinstance(value, bool)",
            "isinstance(value, int)",
        ),
    ),
    *_of(
        "principal",
        "Principal.__post_init__",
        (
            "claims can be changed",
            'put("claims", _frozen(dict(self.claims)))',
            'put("claims", dict(self.claims))',
        ),
    ),
    *_of(
        "placements",
        "owned",
        ("a nullable tenant column passes", "if found.nullable and", "if False and"),
        ("a tenant column that the database generates passes", "if found.computed is not None:", "if False:"),
    ),
    *_of(
        "placements",
        "_along",
        ("a parent key need not be unique", "unique <= theirs", "True"),
    ),
    *_of(
        "placements",
        "Placements._place_one",
        (
            "a table may be declared twice",
            "if len(said) > 1:",
            "said = set(sorted(said, key=repr)[:1])\n    if False:",
        ),
    ),
    *_of(
        "placements",
        "Placements.place",
        (
            "two mappings of a table may belong differently",
            "if len({one.way for one in placed}) > 1:",
            "if False:",
        ),
    ),
    *_of(
        "placements",
        "Placements.chain_faults",
        ("a chain may end at a shared table", "if parent.kind == 'shared':", "if False:"),
        (
            "a chain may end at a table that a rule shows to several",
            "if parent.kind == 'shown':",
            "if False:",
        ),
    ),
    *_of(
        "placements",
        "_of_keys",
        ("a shared table may hold what is a tenant's", "if placed.kind == 'shared' and", "if False and"),
    ),
    *_of(
        "placements",
        "_of_reference",
        (
            "the database may change rows of other tenants along with a shared one",
            "if deletes is None and rekeys is None:",
            "if True:",
        ),
    ),
    *_of(
        "tenancy",
        "Tenancy.verify",
        ("a tenancy with faults is none the worse", "if lines:", "if False:"),
    ),
    *_of(
        "audit",
        "refuse",
        (
            "a violation is not recorded",
            "record(event if scope is None else replace(event, **where(scope)))",
            "pass",
        ),
    ),
    *_of(
        "audit",
        "notice",
        ("what is let through is not recorded", "record(_violated(violation, reason))", "pass"),
    ),
    *_of(
        "audit",
        "record",
        ("a failing sink is passed over", "if failures:", "if False:"),
    ),
    *_of(
        "audit",
        "masked",
        (
            "values of a statement are recorded",
            '_LITERAL.sub(lambda match: match["name"] or "?" if names else "?", statement[:_READ])',
            "statement[:_READ]",
        ),
        (
            "a string in double quotes is recorded",
            'match["name"] or "?" if names else "?"',
            'match["name"] or "?"',
        ),
    ),
    *_of(
        "identity",
        "check_times",
        ("a token counts before its time", "if begins is not None and begins > now + leeway:", "if False:"),
        ("a token need not expire", "if expires is None and must_expire:", "if False:"),
        ("an expired token passes", "if expires is not None and now >= expires + leeway:", "if False:"),
    ),
    *_of(
        "identity",
        "check_required",
        ("a required claim may hold anything", "type(held) is type(value) and held == value", "True"),
    ),
    *_of(
        "identity",
        "check_audience",
        (
            "a token for nobody in particular is for everybody",
            "if listed is None and 'aud' not in claims",
            "if listed is None or 'aud' not in claims",
        ),
        ("a token of another audience passes", "if audiences.isdisjoint(listed):", "if False:"),
    ),
    *_of(
        "identity",
        "check_issuer",
        ("a token of another issuer passes", "if issuers and", "if False and"),
    ),
    *_of(
        "identity",
        "check_key_issuer",
        (
            "a key signs for issuers that it is not of",
            "if expected is None or claims.get('iss') != expected:",
            "if False:",
        ),
    ),
    *_of(
        "identity",
        "TokenVerifier._signer",
        (
            "a signature is not verified",
            "key = await signed.signer(await self._keys.find(signed.kid))",
            "key = next(iter(await self._keys.find(signed.kid)), None)",
        ),
    ),
    *_of(
        "identity",
        "TokenVerifier._signed_claims",
        ("any algorithm is accepted", "if signed.algorithm not in self._algorithms:", "if False:"),
    ),
    *_of(
        "identity",
        "TokenVerifier._verified",
        (
            "a token that was proven is kept for whoever bears it",
            "self._policy.asks_again(principal)",
            "False",
        ),
        ("a token that was refused as revoked is kept", "await self._policy.still(principal)", "pass"),
    ),
    *_of(
        "identity",
        "TokenVerifier.also_keeps_in",
        ("a key that is dropped goes on beside others", "self._parts.add(kept)", "pass"),
    ),
    *_of(
        "identity",
        "Policy._may_speak_for",
        (
            "an issuer speaks for any company",
            "if self._speaks_for_every() or self.speaks_for is None:",
            "if True:",
        ),
    ),
    *_of(
        "identity",
        "Policy.still",
        ("a revoked token passes", "await self.revocation.check(principal)", "pass"),
    ),
    *_of(
        "identity",
        "Mark.__init__",
        (
            "what one verifier verified answers for another",
            "self.borne, self.bound = secrets.token_bytes(16), secrets.token_bytes(16)",
            "self.borne, self.bound = (b'borne', b'bound')",
        ),
    ),
    *_of(
        "identity",
        "Part.forget",
        ("a part of a cache forgets nothing", "self.mark = Mark()", "pass"),
    ),
    *_of(
        "identity",
        "Part.get_warm",
        ("a warm token is remembered beyond its end", "if self._clock() < entry[1]", "if True"),
    ),
    *_of(
        "identity",
        "Part.get_guarded",
        ("a part of a cache answers whatever its guards say", "if not guard():", "if False:"),
    ),
    *_of(
        "identity",
        "recall_of",
        (
            "a verifier that checks more is not asked",
            "return verifier.recall if is_whole(verifier, 'recall') else None",
            "return getattr(verifier, 'recall', None)",
        ),
    ),
    *_of(
        "identity",
        "Cache.get",
        (
            "a token is remembered beyond its end",
            "entry is not None and self._clock() < entry[1]",
            "entry is not None",
        ),
    ),
    *_of(
        "identity",
        "Signed._is_of",
        (
            "a signature is taken on trust",
            "return key.verifies(self.algorithm, self.signing_input, self.signature)",
            "return True",
        ),
    ),
    *_of(
        "identity",
        "DPoP._check",
        ("a proof by any key will do", "if key_thumbprint != thumbprint:", "if False:"),
        ("a proof for another request counts", "self._check_request(claims, presentation.scope)", "pass"),
        (
            "a proof of any time counts",
            "if not now - self._age - leeway < issued <= now + leeway:",
            "if False:",
        ),
        (
            "a proof for another token counts",
            "if claims.get('ath') != encode_segment(sha256(token).digest()).decode():",
            "if False:",
        ),
        (
            "a proof counts again and again",
            "if not await self._first_use(",
            "if False and await self._first_use(",
        ),
    ),
    *_of(
        "identity",
        "DPoP._read",
        ("the first of two proofs counts", "if len(proofs) != 1:", "if not proofs:"),
        ("a proof need not be signed", "proof.verify([key])", "pass"),
    ),
    *_of(
        "identity",
        "DPoP._check_request",
        (
            "a proof for another method counts",
            "if claims.get('htm') != scope.get('method', 'GET'):",
            "if False:",
        ),
        (
            "a proof for another URL counts",
            "if place is None or place not in",
            "if place is None and place not in",
        ),
    ),
    *_of(
        "identity",
        "Replays.__call__",
        ("what was used counts as new", "if key in self._young or key in self._old:", "if False:"),
        (
            "more is let in than can be remembered",
            "if len(self._young) + len(self._old) >= self._most:",
            "if False:",
        ),
    ),
    *_of(
        "identity",
        "Confirmation.check",
        ("a token that is bound to nothing counts as a bound one", "if scheme != BEARER:", "if False:"),
        ("a token that is bound in an unknown way passes", "named.keys() <= {_KEY, _CERTIFICATE}", "True"),
        (
            "no proof of a key is asked for",
            "await self.dpop.check(token, named[_KEY], presentation, now, leeway)",
            "pass",
        ),
        ("no certificate is asked for", "self._check_certificate(named[_CERTIFICATE], presentation)", "pass"),
    ),
    *_of(
        "identity",
        "door_of.bearers_only",
        ("a proof that nobody checks counts", "if presentation.scheme != BEARER:", "if False:"),
    ),
    *_of(
        "identity",
        "MemoryCutOffs.put",
        (
            "an earlier cut-off takes the place of a later one in the store",
            "if held is None or held[0] < moment:",
            "if True:",
        ),
    ),
    *_of(
        "identity",
        "SQLCutOffs._put",
        (
            "an earlier cut-off takes the place of a later one in the database",
            "elif before < moment:",
            "elif True:",
        ),
    ),
    *_of(
        "identity",
        "Revocation.check",
        ("the earliest cut-off decides", "max([", "min(["),
        ("a token older than cut-offs are kept passes", "self._clock() - self.keep", "float('-inf')"),
    ),
    *_of(
        "identity",
        "Revocation._take",
        (
            "an earlier cut-off takes the place of a later one that is known",
            "moment > self._known.get(name, _NEVER)",
            "True",
        ),
        ("a token seen before outlives its cut-off", "part.forget()", "pass"),
    ),
    *_of(
        "identity",
        "Revocation._lose",
        ("a store that is lost lets everybody in", "if begun >= ends:", "if False:"),
    ),
    *_of(
        "identity",
        "Revocation._refresh",
        ("a reading hides what was told while it went on", "if bell is not self._bell:", "if False:"),
    ),
    *_of(
        "identity",
        "Subscription._hear",
        (
            "nobody reads what was revoked before the subscription",
            'kinds - {"pong"}',
            'kinds - {"pong", "subscribe"}',
        ),
    ),
    *_of(
        "identity",
        "Subscription._goes_on",
        ("the child of a process hears nothing", "self._running.is_alive()", "True"),
    ),
    *_of(
        "identity",
        "Revocation.is_fresh",
        (
            "the cut-offs are never read again",
            "return self._ticks() < self._holds_until",
            "return self._read > float('-inf')",
        ),
    ),
    *_of(
        "identity",
        "_checked",
        ("a header may name parameters that change its meaning", "if refused:", "if False:"),
    ),
    *_of(
        "identity",
        "_is_type",
        (
            "a token of any type is taken",
            "return named in _TYPES if typ is None else named == typ.lower()",
            "return True",
        ),
    ),
    *_of(
        "asgi",
        "TenantMiddleware.__call__",
        ("a request's company stays bound after it", "end(bound)", "pass"),
        (
            "a refusal after the answer began is answered again",
            "if exchange.begun or refusal is None:",
            "if refusal is None:",
        ),
    ),
    *_of(
        "asgi",
        "Sockets._run",
        ("a websocket's company stays bound after it", "end(binding)", "pass"),
    ),
    *_of(
        "asgi",
        "Sockets._run.late",
        (
            "a handler that ignores the end of its token keeps its company",
            "put_mode(binding, 'closed')",
            "pass",
        ),
    ),
    *_of(
        "asgi",
        "Ending.of",
        ("the token of a connection is not verified again", "if error is not None:", "if False:"),
        ("an answer goes on after its token", "or outlives()", "or True"),
    ),
    *_of(
        "asgi",
        "Socket.send",
        ("a websocket sends on after the end of its token", "if self.over is not None:", "if False:"),
    ),
    *_of(
        "asgi",
        "Socket.receive",
        ("a websocket receives on after the end of its token", "if self.over is not None:", "if False:"),
    ),
    *_of(
        "asgi",
        "_is_same",
        ("a websocket goes on when its token speaks for another company", "who[0] == who[1] and", ""),
    ),
    *_of(
        "asgi",
        "Admission._settled",
        ("a company that is not active comes in", "if not await self._registry.admits(tenant):", "if False:"),
    ),
    *_of(
        "asgi",
        "Admission._stays_unbound",
        ("a token of no company is served everywhere", "if not listed(scope, self._optional):", "if False:"),
    ),
    *_of(
        "asgi",
        "Exchange.receive",
        ("the server receives inside of the binding", "token = put(self._before)", "token = put(peek())"),
    ),
    *_of(
        "asgi",
        "Exchange.send",
        ("the server sends inside of the binding", "token = put(self._before)", "token = put(peek())"),
        ("an answer that was cut goes on", "if self.over is not None:", "if False:"),
    ),
    *_of(
        "asgi",
        "Unbound.__init__",
        (
            "an exempt path keeps what is bound around it",
            "self._token = put(None)",
            "self._token = put(peek())",
        ),
    ),
    *_of(
        "asgi",
        "Unbound.end",
        ("what an exempt path entered goes on after it", "end_life(self._life)", "pass"),
    ),
    *_of(
        "asgi",
        "unbound",
        ("a token is verified under what is bound around", "token = put(None)", "token = put(peek())"),
    ),
    *_of(
        "asgi",
        "ExemptPaths.__init__",
        ("an exempt path covers every path that begins like it", "path + '/'", "path"),
    ),
    *_of(
        "asgi",
        "ExemptPaths.covers",
        (
            "one reading of a path is enough to exempt it",
            "all(map(self._covers, found))",
            "any(map(self._covers, found))",
        ),
    ),
    *_of(
        "asgi",
        "ExemptPaths._covers",
        ("an exempt path may be left again", "and is_plain(path)", "and True"),
    ),
    *_of(
        "asgi",
        "listed",
        ("a route of a list may be left again", "is_plain(path) and", "True and"),
    ),
    *_of(
        "asgi",
        "_one",
        ("a second token is passed over", "if len(tokens) + (header is not None) > 1:", "if False:"),
    ),
    *_of(
        "asgi",
        "authorization",
        ("the last of two tokens counts", "if found is not None:\n    raise _two()", ""),
    ),
    *_of(
        "asgi",
        "presented_token",
        ("a token may be of any length", "if len(token) > most_bytes:", "if False:"),
    ),
    *_of(
        "sql",
        "meanings",
        (
            "a hint hides what stands behind it from the catalogue of the users' functions",
            "one[:2] != '/*'",
            "'/*' not in statement",
            "tests/sql/test_catalogue.py",
        ),
        (
            "the type that a JSON function returns is no cast",
            "part.upper() in _BEFORE_TYPES",
            "part.upper() == 'AS'",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "_note_name",
        (
            "a field in quotes is none",
            "before == '.' and",
            'before == "." and parts[at][0] != \'"\' and',
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "_folded",
        (
            "a name of the users' is compared as it is written",
            "token.lower()",
            "token",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "_operators",
        (
            "the sign of a number is taken for a part of an operator",
            "plain[1:].rstrip('+-')",
            "plain[1:]",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "_standing",
        (
            "the row of a query is taken for that of no table",
            "return {''}",
            "return set()",
            "tests/sql/test_catalogue.py",
        ),
        (
            "an alias is not followed to its table",
            "return {_folded(before)} if",
            "return {_folded(parts[at])} if",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "Catalogue._may_be",
        (
            "any table's column comes before a function of another's row",
            "any(name not in columns.get(relation, ()) for relation in relations)",
            "all(name not in found for found in columns.values())",
            "tests/sql/test_catalogue.py",
        ),
    ),
    *_of(
        "sql",
        "refuse_split",
        (
            "signs that are one operator to PostgreSQL are read as several",
            "len(run) != end - start",
            "len(run) < end - start",
            "tests/sql/text/test_fragments.py",
        ),
    ),
    *_of(
        "sql",
        "note_raw",
        (
            "a connection that a bypass has changed goes back to the pool",
            "pooled.invalidate(soft=True)",
            "pass",
            "tests/sql/test_leftovers.py",
        ),
    ),
    *_of(
        "sql",
        "verify_left",
        (
            "a tenant is served on a connection on which a bypass has changed what names mean",
            "_state(connection) == connection.tg_left",
            "True",
            "tests/sql/test_leftovers.py",
        ),
    ),
    *_of(
        "sql",
        "leaves",
        (
            "only the first of several statements is asked what it leaves",
            "for one in statements",
            "for one in [tokens]",
            "tests/sql/test_leftovers.py",
        ),
    ),
)
