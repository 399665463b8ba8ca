"""The mutations: named ways to break a guard, each of which a test has to notice.

A mutation replaces one piece of one module's text. The piece must stand there exactly once; where the
module has moved on, the run says so, and the mutation is brought up to date with it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """Break one thing.

    Attributes:
        name: what is broken, as a reader would say it.
        module: the file, below ``tenantguard/``.
        old: the text that stands there once.
        new: what is put in its place.
        tests: the tests to ask first, on every database: where the others of its part come to it late, or
            only on one database.
    """

    name: str
    module: str
    old: str
    new: str
    tests: tuple[str, ...] = ()


def _of(module: str, *broken: tuple[str, ...]) -> tuple[Mutation, ...]:
    return tuple(Mutation(name, module, old, new, tuple(tests)) for name, old, new, *tests in broken)


MUTATIONS = (
    *_of(
        "sql/compile/reads.py",
        ("a SELECT loses its predicates", "return (*predicates, *enclosed(where))", "return where"),
        (
            "a row rule widens nothing",
            "predicates = self._tg_conditions(leaves, [], conditions, read=read)",
            "predicates = self._tg_conditions(leaves, [], conditions, read=False)",
        ),
        (
            "the null-extended side of an outer join loses its predicate",
            "predicates = self._tg_conditions(right, left, conditions, read=True)",
            "predicates: list[Any] = []",
        ),
        (
            "the wrong side of an outer join is guarded in ON",
            "right = self._tg_preserved(join.right, conditions)",
            "right = self._tg_preserved(join.left, conditions)",
        ),
        (
            "the predicate of an outer join stands in WHERE",
            "            if from_.isouter:\n                return left\n",
            "",
        ),
        (
            "the tables of a FULL JOIN stay whole",
            "return Filtered(leaf) if leaf is not None else from_",
            "return from_",
        ),
        (
            "the EXISTS of a through table asks for any parent",
            "WHERE {link} AND {owned})",
            "WHERE {link})",
        ),
        (
            "the EXISTS of a through table asks for any row of the tenant's",
            "WHERE {link} AND {owned})",
            "WHERE {owned})",
        ),
        (
            "the tenant is compared as the collation likes",
            "if self.tg_predicates.is_exact(placement):",
            "if False:",
            "tests/sql/test_bad_input.py",
        ),
        (
            "an unknown table passes",
            "placement = self.tg_tables.get(key) or self.tg_guard.tenancy.find_key(key)",
            'placement = self.tg_guard.tenancy.find_key(key) or Placement(key, "shared")',
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
        (
            "the right side of an inner join is whole",
            "return left + self._tg_preserved(from_.right, conditions)",
            "return left",
        ),
        ("a table in an unknown place passes", "if id(table) not in known and", "if False and"),
        (
            "any owned table beside it vouches for a through table",
            "any(linked(leaf, p, equal) for p in known):",
            "known:",
        ),
        ("a refused statement counts as a plain one", "            and self.tg_fault is None\n", ""),
        (
            "a write counts as a plain statement",
            "self.tg_verified = self.tg_verified or not plan.is_idle",
            "pass",
        ),
        (
            "a derived table of a FULL JOIN is whole",
            "where = self.process(self.tg_predicates.owns(source, element.leaf.placement, read=True))",
            'where = "1 = 1"',
        ),
        (
            "a construct of the user's own is not looked at",
            "        if self.tg_custom:\n",
            "        if False:\n",
        ),
    ),
    *_of(
        "sql/compile/leaves.py",
        (
            "a criterion of the user's may bind weaker than the predicate",
            "return tuple([clause if _is_tight(clause) else Grouping(clause) for clause in where])",
            "return where",
        ),
        (
            "half of a composite key counts as a join on it",
            "    return all(\n        (hash(child.source), ours",
            "    return any(\n        (hash(child.source), ours",
        ),
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
        "sql/compile/fragments.py",
        (
            "SQL text passes",
            "if is_health_check(written) or is_begin(written, self.dialect.name):",
            "if True:",
        ),
        ("text inside a statement is not read", "elif textclause is not self._tg_read:", "elif False:"),
        (
            "a literal column is not read",
            "if text is not operator and text not in self._tg_own_text:",
            "if False:",
        ),
        (
            "a function is not looked at",
            "self.tg_fragment(function_fault(name, self.dialect.name), name)",
            "pass",
        ),
        (
            "an operator is not read",
            "self.tg_fragment(operator_fault(operator.opstring, self.dialect.name), operator.opstring)",
            "pass",
        ),
        (
            "a prefix is not read",
            "self.tg_fragment(affix_fault(prefix.text, self.dialect.name), prefix.text)",
            "pass",
        ),
    ),
    *_of(
        "sql/predicates.py",
        (
            "a tenant of another type is left to the database",
            "if expected is not None and type(tenant) is not expected:",
            "if False:",
        ),
        (
            "NULL counts as the tenant's own",
            "return value.is_distinct_from(parameter)",
            "return value != parameter",
        ),
        (
            "a foreign row is looked for among all rows",
            'select(literal_column("1")).select_from(source).where(values(source), other)',
            'select(literal_column("1")).select_from(source).where(other)',
        ),
    ),
    *_of(
        "sql/execute/execution.py",
        (
            "a statement made for one mode runs in another",
            'if getattr(compiled, "tg_mode", None) != mode or compiled.tg_guard is not self.dialect.tg_guard:',
            "if False:",
        ),
        ("a refusal of the compiler is forgotten", "if compiled.tg_fault is not None:", "if False:"),
        (
            "a plain statement passes under any binding",
            "and self.root_connection.tg_ready is binding\n",
            "and self.root_connection.tg_ready\n",
        ),
        (
            "a caller's value for the guard's parameter counts",
            "row[name] = binding._tenant  # type",
            "pass  # type",
        ),
        (
            "SQL for the driver passes",
            "            self._tg_driver_sql(guard, binding)\n",
            "            pass\n",
        ),
        ("DDL passes", "            self._tg_ddl(compiled)\n", "            pass\n"),
        ("writes are not verified", "if compiled.tg_writes:", "if False:"),
        (
            "a unit of work that matches nothing says so",
            'elif "compiled_cache" in self.execution_options:',
            "elif False:",
        ),
        ("a translated table is not looked at", "if compiled.schema_translate_map:", "if False:"),
        (
            "a listener may rewrite a statement",
            "if _without_comments(statement) != _without_comments(context.statement):",
            "if False:",
            "tests/testing/test_vectors.py",
        ),
        (
            "what a default fills in is not verified",
            "            verify_defaults(plans, self)\n",
            "            pass\n",
            "tests/testing/test_vectors.py",
        ),
        (
            "a listener may rewrite parameters",
            "if parameters is not sent and parameters != sent:",
            "if False:",
        ),
        ("an upsert that met a foreign row is silent", "and self.cursor.rowcount == 0:", "and False:"),
        (
            "what SQL text writes is not verified",
            "        if sent.checks:\n",
            "        if False:\n",
        ),
        (
            "a connection made by hand passes",
            "if not isinstance(connection, GuardedConnection):",
            "if False:",
        ),
        (
            "a session is not watched where it executes",
            "for session in connection.tg_sessions:",
            "for session in ():",
        ),
    ),
    *_of(
        "sql/execute/connections.py",
        (
            "the compiler of the last binding serves the next",
            "if binding is not self.tg_ready:",
            "if self.tg_ready is False:",
        ),
        (
            "a second engine on the pool passes",
            'if not hasattr(self._dialect, "tg_guard"):',
            "if False:",
        ),
        (
            "the dialect's own trust goes on",
            "            connection.tg_trusted = outer\n",
            "            pass\n",
        ),
        (
            "a raw connection is handed out",
            'caller == "sqlalchemy" or caller.startswith(',
            "True or caller.startswith(",
        ),
        (
            "a key that was found for one is known after another was served",
            "binding.tenants and learnt[0] != binding.tenants",
            "False",
        ),
        (
            "a key that was verified for one is known to another",
            "learnt[0] != tenants or ",
            "",
        ),
        (
            "an object that was planted vouches for its key",
            'return state is not None and not getattr(state, "tg_planted", False)',
            "return state is not None",
        ),
        (
            "a key that was verified stays known",
            " or learnt[1] is not outer or learnt[2] is not nested:",
            ":",
        ),
    ),
    *_of(
        "sql/execute/results.py",
        (
            "a result is read on under another tenant",
            "if now is None or now.mode",
            "if True or now.mode",
        ),
    ),
    *_of(
        "sql/sessions/events.py",
        ("a session serves the next tenant", "elif owner != binding.tenants:", "elif False:"),
        ("a new map has no owner", "            mine.owner = binding.tenants\n", "            pass\n"),
        (
            "a session of another tenant is tied in one step",
            "        or held.tg_seen is not binding\n",
            "",
            "tests/sql/test_sessions.py",
        ),
        ("rows of a bypass are served after it", "        self._wr.owner = _BYPASS\n", "        pass\n"),
        (
            "no session is tied to its connection",
            '    (Session, "after_begin", _after_begin, {}),\n',
            "",
        ),
        (
            "what a session took in before it executes is not looked at",
            '    (Session, "after_transaction_create", _after_transaction_create, {}),\n',
            "",
        ),
        (
            "a new object is not given its tenant",
            '    (Mapper, "before_insert", _before_insert, {"raw": True, "retval": True}),\n',
            "",
        ),
        (
            "an object is merged unread for another tenant",
            'if not kw.get("load", True) and binding is not None',
            "if False and binding is not None",
        ),
        ("rows of a bypass are not remembered", "            held.tg_taint()\n", "            pass\n"),
        (
            "an object of another tenant's session is taken in",
            "if held is not None and held != binding.tenants:",
            "if False:",
        ),
        (
            "a hit of the identity map is not looked at",
            "            self._tg_touch()\n        found = state.obj()",
            "            pass\n        found = state.obj()",
        ),
    ),
    *_of(
        "sql/execute/verify.py",
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
        (
            "only the keys of the first row of many are looked at",
            "keys = keys_of(link, context.compiled_parameters)",
            "keys = keys_of(link, context.compiled_parameters[:1])",
        ),
        (
            "another tenant's row counts as one that is gone",
            '        if not plan.key or plan.placement.kind == "shared" or binding is None:\n',
            "        if True:\n",
        ),
        (
            "SQL text may write a row of nobody",
            "elif check.required and any(None in key for key in values):",
            "elif False:",
            "tests/sql/test_backstops.py",
        ),
        ("an expression may name another tenant", "for probe in plan.probes:", "for probe in ():"),
        ("a missing tenant is not stamped", "            parameters[name] = only\n", "            pass\n"),
        ("a shared table is written under a tenant", "if not plan.placement.writable:", "if False:"),
        (
            "SQL text may name another tenant",
            "                if value not in binding.tenants:\n",
            "                if False:\n",
        ),
    ),
    *_of(
        "sql/execute/parents.py",
        (
            "a key may point at another tenant's row",
            "if hidden or not all(row[-1] for row in found):",
            "if False:",
        ),
        (
            "one of several keys may point at another tenant's row",
            "if owns == 0 or (owns is None and hides):",
            "if False:",
            "tests/sql/test_foreign_keys.py",
        ),
        (
            "a parent that nobody has is known from then on",
            "        if owns is not None:\n",
            "        if True:\n",
            "tests/sql/test_foreign_keys.py",
        ),
    ),
    *_of(
        "sql/compile/changes.py",
        (
            "an UPDATE or a DELETE loses its predicate",
            "criteria = self.tg_guarded(target, core._where_criteria, read=False)",
            "criteria = core._where_criteria",
        ),
        (
            "a row rule widens what is written",
            "criteria = self.tg_guarded(target, core._where_criteria, read=False)",
            "criteria = self.tg_guarded(target, core._where_criteria, read=True)",
        ),
        (
            "the second table of an UPDATE is read whole",
            "return tuple(self._tg_conditions(leaves, around, conditions, read=True))",
            "return ()",
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
        "sql/compile/watched.py",
        (
            "the tenant of a row is not looked at",
            "                plan.tenant.append(name)\n",
            "                pass\n",
        ),
    ),
    *_of(
        "sql/compile/inserts.py",
        (
            "an INSERT for several tenants need not say for whom",
            "            self._tg_must_name(placement, column.key, state)\n",
            "",
        ),
        (
            "only the first row of VALUES is looked at",
            "for number, row in enumerate(rows):",
            "for number, row in enumerate(rows[:1]):",
        ),
        (
            "an INSERT is not stamped",
            "            self._tg_stamp(core.table, state, placement, toplevel)\n",
            "            pass\n",
        ),
        (
            "an INSERT from a SELECT is not stamped",
            "insert_stmt = self._tg_stamped_select(insert_stmt)",
            "pass",
        ),
        (
            "INSERT OR REPLACE passes",
            "            self._tg_no_replace(core, placement)\n",
            "            pass\n",
        ),
        (
            "a row may belong to nobody",
            'if any(getattr(columns.get(name), "nullable", False) for name in missing):',
            "if False:",
            "tests/sql/test_orphans.py",
        ),
    ),
    *_of(
        "sql/compile/upserts.py",
        (
            "ON CONFLICT DO UPDATE overwrites any row",
            "self.tg_predicates.owns(table, placement), *enclosed(",
            "true(), *enclosed(",
        ),
        (
            "ON DUPLICATE KEY UPDATE overwrites any row",
            "(mine, element_of(value)),",
            '(literal_column("1") == literal_column("1"), element_of(value)),',
            "tests/sql/test_upserts.py",
        ),
        (
            "a conflict clause may give a row away",
            'watched = {placement.column} if placement.kind == "owned" else set()',
            "watched: set[Any] = set()",
        ),
        (
            "a conflict clause may point a row anywhere",
            "                watched |= {ours for ours, _ in pairs}\n",
            "                pass\n",
            "tests/sql/forms",
        ),
    ),
    *_of(
        "sql/guard.py",
        (
            "every foreign key counts as one that includes the tenant",
            "and (placement.column, owner.column) in tuple(pairs)",
            "",
        ),
        ("a tenancy with faults is installed", "    tenancy.verify()\n", ""),
    ),
    *_of(
        "context.py",
        (
            "carry takes nothing along",
            "        _set(self._binding)\n        set_request_id",
            "        set_request_id",
        ),
        (
            "a bypass needs no reason",
            "if not isinstance(reason, str) or not reason.strip():",
            "if False:",
        ),
        ("a bypass is not recorded", "                observe(binding, True)\n", "                pass\n"),
        (
            "a binding outlives its block",
            "            leave(binding)\n\n\ndef _entered_twice",
            "            pass\n\n\ndef _entered_twice",
        ),
        (
            "a bypass goes on in tasks that outlive it",
            '_put(binding, "mode", "closed")  # a task',
            "pass  # a task",
        ),
        (
            "a block does not restore the outer one",
            "        if peek() is not binding.outer:  # the block",
            "        _set(node)\n        if False:  # the block",
        ),
        (
            "a block that ends in another task closes nothing",
            '    if not undone:\n        _put(binding, "mode", "closed")\n',
            "",
        ),
        (
            "a generator forgets its own block between steps",
            "            self._binding = peek()\n",
            "",
        ),
        (
            "a step leaves its binding behind",
            "            self._binding = peek()\n            _set(binding)\n",
            "            self._binding = peek()\n",
        ),
        (
            "an end that cannot be recorded hides the error of the block",
            "            if error is None:\n                raise\n",
            "            raise\n",
        ),
        ("an empty collection of tenants is bound", "        if not found:\n", "        if False:\n"),
    ),
    *_of(
        "principal.py",
        ("an empty tenant is bound", "if text.strip() and text.isprintable():", "if True:"),
        (
            "a truth value is a tenant",
            "isinstance(value, int) and not isinstance(value, bool)",
            "isinstance(value, int)",
        ),
        (
            "claims can be changed",
            'put("claims", _frozen(dict(self.claims)))',
            'put("claims", dict(self.claims))',
        ),
    ),
    *_of(
        "belonging.py",
        (
            "a nullable tenant column passes",
            "if found.nullable and not nullable and not is_view(table):",
            "if False:",
        ),
        (
            "a parent key need not be unique",
            "if not any(unique <= theirs for unique in _unique_columns(parent)):",
            "if False:",
        ),
    ),
    *_of(
        "tenancy.py",
        ("a table may be declared twice", "if len(said) > 1:", "if False:"),
        ("a chain may end at a shared table", 'if parent.kind == "shared":', "if False:"),
    ),
    *_of(
        "audit/record.py",
        (
            "a violation is not recorded",
            "        record(event)\n    except ExceptionGroup as failed:",
            "        pass\n    except ExceptionGroup as failed:",
        ),
        ("a failing sink is passed over", "    if failures:\n", "    if False:\n"),
    ),
    *_of(
        "audit/events.py",
        ("values of a statement are recorded", '_LITERAL.sub("?", statement[:_READ])', "statement[:_READ]"),
    ),
    *_of(
        "identity/claims.py",
        ("a token counts before its time", "if begins is not None and begins > now + leeway:", "if False:"),
        (
            "a required claim may hold anything",
            "if not any(type(held) is type(value) and held == value for value in values):",
            "if False:",
        ),
        (
            "a token for nobody in particular is for everybody",
            "if not isinstance(listed, list) or not listed or not all(isinstance(one, str) for one in listed):",
            "if listed is None:\n        return\n    if not isinstance(listed, list):",
        ),
        ("a token need not expire", "if expires is None and must_expire:", "if False:"),
        ("an expired token passes", "if expires is not None and now >= expires + leeway:", "if False:"),
        ("a token of another audience passes", "if audiences.isdisjoint(listed):", "if False:"),
        (
            "a token of another issuer passes",
            "if issuers and not (isinstance(named, str)",
            "if False and not (isinstance(named, str)",
        ),
    ),
    *_of(
        "identity/verifier.py",
        (
            "a signature is not verified",
            "        if key is None:\n            raise TokenError(",
            "        if key is None:\n            key = (await self._keys.find(None))[0]\n        if False:\n"
            "            raise TokenError(",
        ),
        (
            "any algorithm is accepted",
            "        if signed.algorithm not in self._algorithms:\n",
            "        if False:\n",
        ),
    ),
    *_of(
        "identity/cache.py",
        (
            "a token is remembered beyond its end",
            "return entry[0] if self._clock() < entry[1] else None",
            "return entry[0]",
        ),
    ),
    *_of(
        "identity/jws.py",
        (
            "a signature is taken on trust",
            "        if not any(map(self._is_of, keys)):\n",
            "        if False:\n",
        ),
        ("a header may name parameters that change its meaning", "    if refused:\n", "    if False:\n"),
        (
            "a token of any type is taken",
            'if not isinstance(named, str) or not _is_type(named.lower().removeprefix("application/"), typ):',
            "if False:",
        ),
    ),
    *_of(
        "asgi/middleware.py",
        (
            "a request's company stays bound after it",
            "            leave(binding)\n            if request_id()",
            "            if request_id()",
        ),
        (
            "a websocket's company stays bound after it",
            "            leave(binding)\n            forget(scope)\n\n    def _refused",
            "            forget(scope)\n\n    def _refused",
        ),
        (
            "an exempt path keeps what is bound around it",
            "await _unbound(self.app, scope, receive, send)",
            "await self.app(scope, receive, send)",
        ),
        (
            "a refusal after the answer began is answered again",
            "            if answer is None or started:\n",
            "            if answer is None:\n",
        ),
    ),
    *_of(
        "asgi/paths.py",
        (
            "an exempt path covers every path that begins like it",
            'tuple(path + "/" for path',
            "tuple(path for path",
        ),
        ("an exempt path may be left again", "and is_plain(path))", "and True)"),
    ),
    *_of(
        "asgi/tokens.py",
        (
            "the last of two tokens counts",
            "            if found is not None:\n                raise _two()\n",
            "",
        ),
        ("a token may be of any length", "if len(token) > most_bytes:", "if False:"),
    ),
)
