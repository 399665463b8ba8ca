"""Seal verification: the key table, and the functions that verify the seal once per table in a statement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from tenantguard.errors import ConfigurationError
from tenantguard.postgres.spelling import body
from tenantguard.sql.servers.rule_policies import OWN
from tenantguard.sql.telling.seal import SEAL, Seal
from tenantguard.sql.text.resolution.catalog import PERMISSIONS, SETTING

KEYS = f"{OWN}.keys"
_TENANT = f"current_setting('{SETTING}', true)"
_SAID = f"coalesce(current_setting('{PERMISSIONS}', true), '')"
_SEAL = f"current_setting('{SEAL}', true)"
# of ten digits each until the year 2286, and compared as texts: a seal may say anything
_EXPIRY = f"split_part({_SEAL}, '.', 2) COLLATE \"C\""
_BEGUN = "floor(date_part('epoch', transaction_timestamp()))::bigint::text"
_PERMITTED = f"""
BEGIN
  RETURN CASE WHEN {OWN}.sealed_tenant() IS NULL THEN '' ELSE {_SAID} END;
END
"""


def seal_statements(application: str) -> Iterator[str]:
    """Yield the statements that create the key table and the functions, whose callers cannot read the keys.

    A function is STABLE and PARALLEL SAFE, so a plan evaluates it once and can still be parallel.
    """
    yield (
        f"CREATE TABLE IF NOT EXISTS {KEYS} (id bigint PRIMARY KEY, inner_pad bytea NOT NULL, "
        "outer_pad bytea NOT NULL, made timestamptz NOT NULL DEFAULT now(), retires timestamptz)"
    )
    yield f"REVOKE ALL ON {KEYS} FROM PUBLIC, {application}"
    for name, statements in bodies().items():
        function = f"{OWN}.{name}()"
        yield (
            f"CREATE OR REPLACE FUNCTION {function} RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER "
            f"PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS {body(statements)}"
        )
        yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {application}"


def bodies() -> dict[str, str]:
    """Return the bodies of the functions, by name; each returns the values that it has verified."""
    return {"sealed_tenant": sealed_body(), "sealed_permissions": _PERMITTED}


def sealed_body() -> str:
    """Return what the function does that verifies the seal and returns the tenant.

    One query verifies a right seal: each further expression costs as much as the query's own condition, since
    plpgsql prepares it anew in each transaction. What is wrong is asked only once something is. The expiry is compared
    with the beginning of the transaction: a long one stays who it is. Nothing of a seal is converted, so that none
    makes an error of its own. What is signed is read in one way: a seal has four parts, and permissions no line break.
    """
    return f"""
DECLARE
  tenant text;
BEGIN
  SELECT {_TENANT} INTO tenant FROM {KEYS} AS k
    WHERE (k.retires IS NULL OR k.retires > transaction_timestamp())
      AND split_part({_SEAL}, '.', 4) = encode(sha256(k.outer_pad || sha256(k.inner_pad || convert_to(
        left({_SEAL}, -65) || CASE {_SAID} WHEN '' THEN '.' ELSE ':' || replace({_SAID}, chr(10), '') || chr(10)
        END || {_TENANT}, 'UTF8'))), 'hex')
      AND k.id::text = split_part({_SEAL}, '.', 1)
      AND split_part({_SEAL}, '.', 3) IN ('0', pg_backend_pid()::text)
      AND {_EXPIRY} >= {_BEGUN};
  IF tenant <> '' THEN
    RETURN tenant;
  ELSIF coalesce({_TENANT}, '') = '' THEN
    RETURN NULL;
  ELSIF coalesce({_SEAL}, '') = '' THEN
    RAISE insufficient_privilege USING MESSAGE = 'tenantguard: the tenant is not sealed';
  ELSIF NOT EXISTS (SELECT FROM {KEYS} AS k WHERE k.id::text = split_part({_SEAL}, '.', 1)
                    AND (k.retires IS NULL OR k.retires > transaction_timestamp())) THEN
    RAISE insufficient_privilege USING MESSAGE = 'tenantguard: the key of the seal is not known here';
  ELSIF {_EXPIRY} < {_BEGUN} THEN
    RAISE insufficient_privilege USING MESSAGE = 'tenantguard: the seal has expired';
  END IF;
  RAISE insufficient_privilege USING MESSAGE = 'tenantguard: the seal is not of this tenant and session';
END
"""


def add_key(connection: Connection, seal: Seal) -> None:
    """Add a key to the database, as the first step of a rotation.

    Then deploy it to every process of the application, and call ``retire_key`` for the old one.

    Args:
        connection: a connection whose role may write the key table.
        seal: the key and its number.

    Raises:
        ConfigurationError: another key has this number, or there is no key table.
    """
    if not isinstance(seal, Seal):
        raise ConfigurationError(f"the key comes in a Seal(key), not {type(seal).__name__}")
    _verify_table(connection)
    inner, outer = seal.pads
    given = {"id": seal.key_id, "inner": inner, "outer": outer}
    added = f"INSERT INTO {KEYS} (id, inner_pad, outer_pad) VALUES (:id, :inner, :outer) ON CONFLICT (id) DO NOTHING"
    _run(connection, added, given)
    same = f"SELECT retires, inner_pad = :inner AND outer_pad = :outer FROM {KEYS} WHERE id = :id"
    retires, is_same = _run(connection, same, given).one()
    if not is_same or retires is not None:
        what = "is retired" if is_same else "is another one"
        raise ConfigurationError(
            f"key {seal.key_id} {what} in the database; give the new key a number of its own"
        )


def retire_key(connection: Connection, key_id: int, *, after: int = 300) -> None:
    """Retire a key after some seconds, during which new transactions may still begin with it.

    Raises:
        ConfigurationError: the database has no such key, or no other that is not retired.
    """
    _verify_table(connection)
    others = f"SELECT count(*) FROM {KEYS} WHERE id <> :id AND retires IS NULL"
    if not _run(connection, others, {"id": key_id}).scalar():
        raise ConfigurationError(f"key {key_id} is the only one; add_key() the next one first")
    retired = f"UPDATE {KEYS} SET retires = now() + make_interval(secs => :after) WHERE id = :id"
    if _run(connection, retired, {"id": key_id, "after": after}).rowcount != 1:
        raise ConfigurationError(f"the database has no key {key_id}")


def _run(connection: Connection, statement: str, given: dict[str, Any]) -> Any:
    """Execute a statement on the key table; an error never contains a key."""
    try:
        return connection.execute(text(statement), given)
    except DBAPIError as error:
        error.params, error.hide_parameters = None, True
        said = str(error.orig).partition("\n")[0]
        raise ConfigurationError(
            f"the keys of the seal cannot be changed: {said}; connect to the primary as the tables' owner"
        ) from error


def _verify_table(connection: Connection) -> None:
    if connection.execute(text(f"SELECT to_regclass('{KEYS}')")).scalar() is None:
        raise ConfigurationError(
            f"the key table {KEYS} is not in the database, or the role may not see it; install() with a seal makes it"
        )
