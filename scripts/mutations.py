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
        "visit_join",
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
            "if compiler.tg_predicates.is_exact(placement):",
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
        "tg_placement",
        (
            "an unknown table passes",
            "placement = compiler.tg.tables.get(key) or compiler.tg_guard.tenancy.find_key(key)",
            'placement = compiler.tg_guard.tenancy.find_key(key) or Placement(key, "shared")',
        ),
    ),
    *_of(
        "sql",
        "visit_table",
        ("a table in an unknown place passes", "if id(table) not in known and", "if False and"),
    ),
    *_of(
        "sql",
        "predicates_of",
        (
            "any owned table beside it vouches for a through table",
            "any(linked(leaf, p, equal) for p in known):",
            "known:",
        ),
    ),
    *_of(
        "sql",
        "__init__",
        ("a refused statement counts as a plain one", "and compiler.tg.fault is None", ""),
        (
            "a write counts as a plain statement",
            "compiler.tg.verified = compiler.tg.verified or not plan.is_idle",
            "pass",
        ),
        ("a construct of the user's own is not looked at", "if compiler.tg.custom:", "if False:"),
    ),
    *_of(
        "sql",
        "visit_tenantguard_filtered",
        (
            "a derived table of a FULL JOIN is whole",
            "where = compiler.process(compiler.tg_predicates.owns(source, element.leaf.placement, read=True))",
            'where = "1 = 1"',
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
        "linked",
        (
            "half of a composite key counts as a join on it",
            "return all(\n    (hash(child.source), ours",
            "return any(\n    (hash(child.source), ours",
        ),
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
        "visit_textclause",
        ("text inside a statement is not read", "elif textclause is not compiler.tg.read:", "elif False:"),
    ),
    *_of(
        "sql",
        "escape_literal_column",
        (
            "a literal column is not read",
            "if text is not operator and text not in compiler.tg.own_text:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "visit_function",
        (
            "a function is not looked at",
            "compiler.tg.refuse_fragment(function_fault(name, compiler.dialect.name), name)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "custom_operator",
        (
            "an operator is not read",
            "compiler.tg.refuse_fragment(operator_fault(operator.opstring, compiler.dialect.name), operator.opstring)",
            "pass",
        ),
    ),
    *_of(
        "sql",
        "_generate_prefixes",
        (
            "a prefix is not read",
            "compiler.tg.refuse_fragment(affix_fault(prefix.text, compiler.dialect.name), prefix.text)",
            "pass",
        ),
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
            'if getattr(compiled, "tg_mode", None) != mode or compiled.tg_guard is not context.dialect.tg_guard:',
            "if False:",
        ),
        ("a refusal of the compiler is forgotten", "if compiled.tg_fault is not None:", "if False:"),
        ("writes are not verified", "if compiled.tg_writes:", "if False:"),
        ("a translated table is not looked at", "if compiled.schema_translate_map:", "if False:"),
        (
            "a session is not watched where it executes",
            "for session in connection.tg_sessions:",
            "for session in ():",
        ),
    ),
    *_of(
        "sql",
        "guarded_context.create_cursor",
        (
            "a plain statement passes under any binding",
            "and self.root_connection.tg_ready is binding",
            "and self.root_connection.tg_ready",
        ),
        (
            "a caller's value for the guard's parameter counts",
            "row[name] = binding._tenant  # type",
            "pass  # type",
        ),
    ),
    *_of(
        "sql",
        "admit",
        ("SQL for the driver passes", "context._tg_driver_sql(guard, binding)", "pass"),
        ("DDL passes", "context._tg_ddl(compiled)", "pass"),
        (
            "a connection made by hand passes",
            "if not isinstance(connection, GuardedConnection):",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "guarded_context._setup_dml_or_text_result",
        (
            "a unit of work that matches nothing says so",
            'elif "compiled_cache" in self.execution_options:',
            "elif False:",
        ),
    ),
    *_of(
        "sql",
        "verify_unchanged",
        (
            "a listener may rewrite a statement",
            "if _without_comments(statement) != _without_comments(context.statement):",
            "if False:",
            "tests/testing/test_vectors.py",
        ),
        (
            "a listener may rewrite parameters",
            "if parameters is not sent and parameters != sent:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "GuardedExecution._process_execute_defaults",
        (
            "what a default fills in is not verified",
            "verify_defaults(plans, self)",
            "pass",
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
        ("a second engine on the pool passes", 'if not hasattr(self._dialect, "tg_guard"):', "if False:"),
    ),
    *_of(
        "sql",
        "trusting.call",
        ("the dialect's own trust goes on", "connection.tg_trusted = outer", "pass"),
    ),
    *_of(
        "sql",
        "_only_sqlalchemy",
        (
            "a raw connection is handed out",
            'caller == "sqlalchemy" or caller.startswith(',
            "True or caller.startswith(",
        ),
    ),
    *_of(
        "sql",
        "GuardedConnection.tg_serve",
        (
            "a key that was found for one is known after another was served",
            "binding.tenants and learnt[0] != binding.tenants",
            "False",
        ),
    ),
    *_of(
        "sql",
        "GuardedConnection.tg_known",
        ("a key that was verified for one is known to another", "learnt[0] != tenants or", ""),
        ("a key that was verified stays known", "or learnt[1] is not outer or learnt[2] is not nested:", ":"),
    ),
    *_of(
        "sql",
        "_was_loaded",
        (
            "an object that was planted vouches for its key",
            'return state is not None and not getattr(state, "tg_planted", False)',
            "return state is not None",
        ),
    ),
    *_of(
        "sql",
        "_verify",
        ("a result is read on under another tenant", "if now is None or now.mode", "if True or now.mode"),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.tg_enter",
        ("a session serves the next tenant", "elif owner != binding.tenants:", "elif False:"),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.__init__",
        ("a new map has no owner", "mine.owner = binding.tenants", "pass"),
    ),
    *_of(
        "sql",
        "_is_usual",
        (
            "a session of another tenant is tied in one step",
            "or held.tg_seen is not binding",
            "",
            "tests/sql/test_sessions.py",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.tg_taint",
        ("rows of a bypass are served after it", "self._wr.owner = _BYPASS", "pass"),
    ),
    *_of(
        "sql",
        "?",
        ("no session is tied to its connection", '(Session, "after_begin", _after_begin, {}),', ""),
        (
            "what a session took in before it executes is not looked at",
            '(Session, "after_transaction_create", _after_transaction_create, {}),',
            "",
        ),
        (
            "a new object is not given its tenant",
            '(Mapper, "before_insert", _before_insert, {"raw": True, "retval": True}),',
            "",
        ),
    ),
    *_of(
        "sql",
        "_merging.copy",
        (
            "an object is merged unread for another tenant",
            'if not kw.get("load", True) and binding is not None',
            "if False and binding is not None",
        ),
    ),
    *_of(
        "sql",
        "watch",
        ("rows of a bypass are not remembered", "held.tg_taint()", "pass"),
        ("the tenant of a row is not looked at", "plan.tenant.append(name)", "pass"),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap._tg_take",
        (
            "an object of another tenant's session is taken in",
            "if held is not None and held != binding.tenants:",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "GuardedIdentityMap.get",
        (
            "a hit of the identity map is not looked at",
            "self._tg_touch()\nfound = state.obj()",
            "pass\nfound = state.obj()",
        ),
    ),
    *_of(
        "sql",
        "verify",
        (
            "one row may name another tenant",
            "row.get(name) is tenant)",
            "row.get(name) is not None)",
            "tests/sql/test_writes.py",
        ),
        (
            "one row may name a tenant of another type",
            "plan.placement.python_type in (None, type(tenant))",
            "True",
            "tests/sql/test_tenant_column.py",
        ),
        ("an expression may name another tenant", "for probe in plan.probes:", "for probe in ():"),
        ("a shared table is written under a tenant", "if not plan.placement.writable:", "if False:"),
    ),
    *_of(
        "sql",
        "_verify_tenant",
        ("a row may name another tenant", "elif value not in binding.tenants or (", "elif False or ("),
        (
            "a tenant of another type is written",
            "elif value not in binding.tenants or (expected is not None and not isinstance(value, expected)):",
            "elif value not in binding.tenants:",
        ),
        (
            "only the first row of many is looked at",
            "for value in _distinct(name, rows):",
            "for value in _distinct(name, rows[:1]):",
        ),
        ("a missing tenant is not stamped", "parameters[name] = only", "pass"),
    ),
    *_of(
        "sql",
        "_verify_link",
        (
            "only the keys of the first row of many are looked at",
            "keys = keys_of(link, context.compiled_parameters)",
            "keys = keys_of(link, context.compiled_parameters[:1])",
        ),
    ),
    *_of(
        "sql",
        "unmatched",
        (
            "another tenant's row counts as one that is gone",
            'if not plan.key or plan.placement.kind == "shared" or binding is None:',
            "if True:",
        ),
    ),
    *_of(
        "sql",
        "verify_text",
        (
            "SQL text may write a row of nobody",
            "elif check.required and any(None in key for key in values):",
            "elif False:",
            "tests/sql/test_backstops.py",
        ),
        ("SQL text may name another tenant", "if value not in binding.tenants:", "if False:"),
    ),
    *_of(
        "sql",
        "verify_keys",
        (
            "a key may point at another tenant's row",
            "if hidden or not all(row[-1] for row in found):",
            "if False:",
        ),
    ),
    *_of(
        "sql",
        "verify_one_row",
        (
            "one of several keys may point at another tenant's row",
            "if owns == 0 or (owns is None and hides):",
            "if False:",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a parent that nobody has is known from then on",
            "if owns is not None:",
            "if True:",
            "tests/sql/test_foreign_keys.py",
        ),
    ),
    *_of(
        "sql",
        "changed",
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
            "an UPDATE of several tables looks at the first",
            "for table in written]",
            "for table in written[:1]]",
            "tests/sql/test_writes.py",
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
            "verify_named(compiler, placement, column.key, state)",
            "",
        ),
    ),
    *_of(
        "sql",
        "plan_insert",
        (
            "only the first row of VALUES is looked at",
            "for number, row in enumerate(rows):",
            "for number, row in enumerate(rows[:1]):",
        ),
    ),
    *_of(
        "sql",
        "visit_insert",
        ("an INSERT is not stamped", "stamp(compiler, core.table, state, placement, toplevel)", "pass"),
        (
            "an INSERT from a SELECT is not stamped",
            "insert_stmt = stamped_select(compiler, insert_stmt)",
            "pass",
        ),
        ("INSERT OR REPLACE passes", "refuse_replace(compiler, core, placement)", "pass"),
    ),
    *_of(
        "sql",
        "verify_parent_given",
        (
            "a row may belong to nobody",
            'if any(getattr(columns.get(name), "nullable", False) for name in missing):',
            "if False:",
            "tests/sql/test_orphans.py",
        ),
    ),
    *_of(
        "sql",
        "visit_on_conflict_do_update",
        (
            "ON CONFLICT DO UPDATE overwrites any row",
            "compiler.tg_predicates.owns(table, placement), *enclosed(",
            "true(), *enclosed(",
        ),
    ),
    *_of(
        "sql",
        "visit_on_duplicate_key_update",
        (
            "ON DUPLICATE KEY UPDATE overwrites any row",
            "(mine, element_of(value)),",
            '(literal_column("1") == literal_column("1"), element_of(value)),',
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
            "watched |= {ours for ours, _ in pairs}",
            "pass",
            "tests/sql/forms",
        ),
    ),
    *_of(
        "sql",
        "Guard.covered",
        (
            "every foreign key counts as one that includes the tenant",
            "and (placement.column, owner.column) in tuple(pairs)",
            "",
        ),
    ),
    *_of(
        "sql",
        "_verify_start",
        ("a tenancy with faults is installed", "tenancy.verify()", ""),
    ),
    *_of(
        "context",
        "_Inside.step",
        ("carry takes nothing along", "_set(self._binding)\nset_request_id", "set_request_id"),
        ("a generator forgets its own block between steps", "self._binding = peek()", ""),
        (
            "a step leaves its binding behind",
            "self._binding = peek()\n_set(binding)",
            "self._binding = peek()",
        ),
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
        (
            "a binding outlives its block",
            "leave(binding)\n\n\ndef _entered_twice",
            "pass\n\n\ndef _entered_twice",
        ),
    ),
    *_of(
        "context",
        "_close",
        (
            "a bypass goes on in tasks that outlive it",
            '_put(binding, "mode", "closed")  # a task',
            "pass  # a task",
        ),
    ),
    *_of(
        "context",
        "leave",
        (
            "a block does not restore the outer one",
            "if peek() is not binding.outer:  # the block",
            "_set(node)\nif False:  # the block",
        ),
        (
            "a block that ends in another task closes nothing",
            'if not undone:\n    _put(binding, "mode", "closed")',
            "",
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
        "belonging",
        "owned",
        (
            "a nullable tenant column passes",
            "if found.nullable and not nullable and not is_view(table):",
            "if False:",
        ),
    ),
    *_of(
        "belonging",
        "_along",
        (
            "a parent key need not be unique",
            "if not any(unique <= theirs for unique in _unique_columns(parent)):",
            "if False:",
        ),
    ),
    *_of(
        "tenancy",
        "Tenancy._place_one",
        ("a table may be declared twice", "if len(said) > 1:", "if False:"),
    ),
    *_of(
        "tenancy",
        "Tenancy._faults_of",
        ("a chain may end at a shared table", 'if parent.kind == "shared":', "if False:"),
    ),
    *_of(
        "audit",
        "refuse",
        (
            "a violation is not recorded",
            "record(event)\nexcept ExceptionGroup as failed:",
            "pass\nexcept ExceptionGroup as failed:",
        ),
    ),
    *_of(
        "audit",
        "record",
        ("a failing sink is passed over", "if failures:", "if False:"),
    ),
    *_of(
        "audit",
        "masked",
        ("values of a statement are recorded", '_LITERAL.sub("?", statement[:_READ])', "statement[:_READ]"),
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
        (
            "a required claim may hold anything",
            "if not any(type(held) is type(value) and held == value for value in values):",
            "if False:",
        ),
    ),
    *_of(
        "identity",
        "check_audience",
        (
            "a token for nobody in particular is for everybody",
            "if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):",
            "if listed is None:\n        return\n    if not isinstance(listed, list):",
        ),
        ("a token of another audience passes", "if audiences.isdisjoint(listed):", "if False:"),
    ),
    *_of(
        "identity",
        "check_issuer",
        (
            "a token of another issuer passes",
            "if issuers and not (isinstance(named, str)",
            "if False and not (isinstance(named, str)",
        ),
    ),
    *_of(
        "identity",
        "TokenVerifier.verify",
        (
            "a signature is not verified",
            "signed.verify(await self._keys.again(signed.kid))",
            "await self._keys.again(signed.kid)",
        ),
        ("any algorithm is accepted", "if signed.algorithm not in self._algorithms:", "if False:"),
    ),
    *_of(
        "identity",
        "Cache.get",
        (
            "a token is remembered beyond its end",
            "return entry[0] if self._clock() < entry[1] else None",
            "return entry[0]",
        ),
    ),
    *_of(
        "identity",
        "Signed.verify",
        ("a signature is taken on trust", "if not self.is_of(keys):", "if False:"),
    ),
    *_of(
        "identity",
        "_checked",
        ("a header may name parameters that change its meaning", "if refused:", "if False:"),
        (
            "a token of any type is taken",
            'if not isinstance(named, str) or not _is_type(named.lower().removeprefix("application/"), typ):',
            "if False:",
        ),
    ),
    *_of(
        "asgi",
        "TenantMiddleware.__call__",
        ("a request's company stays bound after it", "leave(binding)\nif request_id()", "if request_id()"),
        (
            "a refusal after the answer began is answered again",
            "if answer is None or started:",
            "if answer is None:",
        ),
    ),
    *_of(
        "asgi",
        "TenantMiddleware._websocket",
        (
            "a websocket's company stays bound after it",
            "leave(binding)\n        forget(scope)\n\ndef _until",
            "forget(scope)\n\ndef _until",
        ),
    ),
    *_of(
        "asgi",
        "TenantMiddleware._aside",
        (
            "an exempt path keeps what is bound around it",
            "await _unbound(self.app, scope, receive, send)",
            "await self.app(scope, receive, send)",
        ),
    ),
    *_of(
        "asgi",
        "ExemptPaths.__init__",
        (
            "an exempt path covers every path that begins like it",
            'tuple(path + "/" for path',
            "tuple(path for path",
        ),
    ),
    *_of(
        "asgi",
        "ExemptPaths.covers",
        ("an exempt path may be left again", "and is_plain(path))", "and True)"),
    ),
    *_of(
        "asgi",
        "authorization",
        ("the last of two tokens counts", "if found is not None:\n    raise _two()", ""),
    ),
    *_of(
        "asgi",
        "bearer_token",
        ("a token may be of any length", "if len(token) > most_bytes:", "if False:"),
    ),
)
