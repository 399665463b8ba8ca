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
        "carrying",
        "_Inside.step",
        ("carry takes nothing along", "put(self._binding)", "pass"),
        ("a generator forgets its own block between steps", "self._binding = peek()", "pass"),
        ("a step leaves its binding behind", "put(binding)", "pass"),
    ),
    *_of(
        "carrying",
        "carry",
        ("what is carried ends with its request", "copied(peek())", "peek()"),
    ),
    *_of(
        "carrying",
        "_collecting",
        ("the garbage collector finalises as whoever is bound", "put_mode(binding, ASIDE)", "pass"),
        ("a collection opens what has ended meanwhile", "if binding.mode is ASIDE:", "if True:"),
    ),
    *_of(
        "carrying",
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
        "_of_principal",
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
        (
            "a binding outlives its block",
            "leave(binding)",
            "pass",
        ),
    ),
    *_of(
        "context",
        "_close",
        (
            "a bypass goes on in tasks that outlive it",
            "put_mode(binding, 'closed')",
            "pass",
        ),
    ),
    *_of(
        "context",
        "leave",
        (
            "a block does not restore the outer one",
            "if peek() is not outer:\n    put(outer)",
            "put(node)",
        ),
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
        "belonging",
        "owned",
        (
            "a nullable tenant column passes",
            "if found.nullable and",
            "if False and",
        ),
        ("a tenant column that the database generates passes", "if found.computed is not None:", "if False:"),
    ),
    *_of(
        "belonging",
        "_along",
        (
            "a parent key need not be unique",
            "unique <= theirs",
            "True",
        ),
    ),
    *_of(
        "belonging",
        "Placing._place_one",
        (
            "a table may be declared twice",
            "if len(said) > 1:",
            "said = set(sorted(said, key=repr)[:1])\n    if False:",
        ),
    ),
    *_of(
        "belonging",
        "Placing.place",
        (
            "two mappings of a table may belong differently",
            "if len({one.way for one in placed}) > 1:",
            "if False:",
        ),
    ),
    *_of(
        "belonging",
        "Placing.chain_faults",
        ("a chain may end at a shared table", "if parent.kind == 'shared':", "if False:"),
        (
            "a chain may end at a table that a rule shows to several",
            "if parent.kind == 'shown':",
            "if False:",
        ),
    ),
    *_of(
        "belonging",
        "_of_keys",
        ("a shared table may hold what is a tenant's", "if placed.kind == 'shared' and", "if False and"),
    ),
    *_of(
        "belonging",
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
        ("a tenancy with faults is none the worse", "if told:", "if False:"),
    ),
    *_of(
        "audit",
        "refuse",
        (
            "a violation is not recorded",
            "record(_violated(error, reason) if isinstance(error, Violation) else _event(error.kind, str(error)))",
            "pass",
        ),
    ),
    *_of(
        "audit",
        "notice",
        ("what is let through is not recorded", "record(_violated(violation, None))", "pass"),
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
            "type(held) is type(value) and held == value",
            "True",
        ),
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
        (
            "a token of another issuer passes",
            "if issuers and",
            "if False and",
        ),
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
        "TokenVerifier._verified",
        ("any algorithm is accepted", "if signed.algorithm not in self._algorithms:", "if False:"),
        ("a token that was proven is kept for whoever bears it", "if 'cnf' in claims:", "if False:"),
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
        "Policy.confirm",
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
            "return entry[0] if self._clock() < entry[1] else None",
            "return entry[0]",
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
        "DPoP.check",
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
        (
            "a token that is bound in an unknown way passes",
            "named.keys() <= {_KEY, _CERTIFICATE}",
            "True",
        ),
        (
            "no proof of a key is asked for",
            "await self.dpop.check(token, named[_KEY], presentation, now, leeway)",
            "pass",
        ),
        (
            "no certificate is asked for",
            "self._check_certificate(named[_CERTIFICATE], presentation)",
            "pass",
        ),
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
        ("the earliest cut-off decides", "max(moments,", "min(moments,"),
        (
            "a token older than cut-offs are kept passes",
            "self._clock() - self._keep",
            "float('-inf')",
        ),
    ),
    *_of(
        "identity",
        "Revocation._take",
        (
            "an earlier cut-off takes the place of a later one that is known",
            "moment > self._known.get(name, never)",
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
        ("a request's company stays bound after it", "end(binding)", "pass"),
        (
            "a refusal after the answer began is answered again",
            "refusal = None if begun else refusal_in(error)",
            "refusal = refusal_in(error)",
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
        "Sockets._ended",
        ("a websocket's token is not verified again", "if error is not None:", "if False:"),
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
        "Admission.ended",
        (
            "a websocket goes on when its token speaks for another company",
            "or (again.tenant, again.tenants) != (principal.tenant, principal.tenants)",
            "",
        ),
    ),
    *_of(
        "asgi",
        "Admission._settled",
        (
            "a company that is not active comes in",
            "if not await self._registry.admits(tenant):",
            "if False:",
        ),
    ),
    *_of(
        "asgi",
        "Admission._stays_unbound",
        (
            "a token of no company is served everywhere",
            "if not listed(scope, self._optional):",
            "if False:",
        ),
    ),
    *_of(
        "asgi",
        "outside.received",
        ("the server receives inside of the binding", "token = put(before)", "token = put(inside)"),
    ),
    *_of(
        "asgi",
        "outside.sent",
        ("the server sends inside of the binding", "token = put(before)", "token = put(inside)"),
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
)
