"""Sealed policies alone, as a mechanism to attack: what ``tenantguard.postgres`` installs, with the guard taken away.

The transaction is told its tenant when it begins, and by nobody else: whatever the session, the pool or the application
does in between, the database is left to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, inspect, select

from tenantguard import Tenancy
from tenantguard.context import peek
from tenantguard.postgres import Roles, Seal, install
from tenantguard.testing.attack import Report
from tenantguard.testing.vectors import Outcome
from tenantguard.testing.vectors.copies import sync_url

ROLES = Roles("mechanisms_sealed", maintenance="mechanisms_sealed_maintenance")
SEAL = Seal(b"a key that stands in scripts alone")
# what gets through, and why a database cannot hold it: there is no statement, or none that tells what it is for
NOT_THE_DATABASES = {
    "the answer comes out of the process's memory: objects, results and contexts that the victim's turn left behind":
        "async_switch_then_get scoped_session_reused async_scoped_session_reused subclassed_session_reused "
        "frozen_result_thawed merged_without_load carried_to_a_session_that_picks_its_engine "
        "switch_then_get switch_then_get_in_new_transaction "
        "switch_then_legacy_get switch_then_merge switch_then_lazy_load_from_map own_child_meets_held_parent "
        "switch_inside_stream switch_inside_result context_of_victim_entered switch_back_and_forth",
    "it goes on in the transaction that was begun, and told, for the victim":
        "async_lazy_load_in_run_sync async_eager_after_switch populate_existing held_inside_savepoint "
        "connection_of_victims_session switch_then_query switch_then_lazy_load switch_then_lazy_children "
        "switch_then_expire_one switch_then_flush_change switch_then_delete switch_with_autoflush",
    "it connects as the owner, by another pool or engine, whom the kit gives no policy":
        "pool_replaced creator_of_ones_own rule_parameter_overwritten rule_correlated rule_of_an_earlier_tenant "
        "fk_defined_after_the_guard rule_that_searches_for_the_tenant row_that_a_search_shows_is_written "
        "row_rekeyed_that_others_are_shown",
    "it acts for the victim, whose binding outlived its request":
        "stream_closed_after_its_request callback_after_its_request",
    "it asks what a person may do within a tenant, by an engine whom the kit gives no policy":
        "permission_missing_in_a_subquery permission_missing_for_a_write permission_missing_for_whoever_acts "
        "permission_missing_for_a_result_handed_on granted_rows_by_an_overwritten_parameter granted_rows_by_sql_text "
        "granted_rows_given_away granted_rows_of_an_earlier_person granted_rows_of_a_result_handed_on",
}  # fmt: skip


class SealedPolicies:
    """Connect as the application's role of a database that holds the policies.

    Args:
        tenancy: what the policies are written from.
    """

    def __init__(self, tenancy: Tenancy) -> None:
        self._tenancy = tenancy
        self._ready: set[str | None] = set()

    def __call__(self, engine: Any) -> Any:
        """Protect one more engine, and its database where it has no policies yet."""
        core: Engine = getattr(engine, "sync_engine", engine)
        if core.url.database not in self._ready:
            self._secure(core)
        event.listen(core, "do_connect", lambda _d, _r, _a, given: given.update(user=ROLES.application))
        event.listen(core, "begin", _tell)
        return engine

    def _secure(self, core: Engine) -> None:
        owner = create_engine(sync_url(core.url))
        with owner.begin() as connection:
            if inspect(connection).get_table_names():
                self._ready.add(core.url.database)
                install(connection, self._tenancy, ROLES, seal=SEAL)
        owner.dispose()


def _tell(connection: Any) -> None:
    bound = peek()
    tenant = str(bound.tenant) if bound is not None and len(bound.tenants) == 1 else ""
    process = connection.execute(select(func.pg_backend_pid())).scalar()
    values = {"tenantguard.tenant": tenant, "tenantguard.seal": SEAL.sign(tenant, process)}
    connection.execute(select(*(func.set_config(name, value, True) for name, value in values.items())))


def account(report: Report) -> Iterable[str]:
    """Yield why the database does not hold what got through, reason by reason, and what has no reason."""
    through = {r.vector.name for r in report.results if r.outcome in (Outcome.LEAKED, Outcome.LIMIT)}
    for reason, names in NOT_THE_DATABASES.items():
        known = through & set(names.split())
        through -= known
        yield f"{len(known)}: {reason}"
    yield f"{len(through)} that a database could see{''.join(f', {name}' for name in sorted(through))}"
