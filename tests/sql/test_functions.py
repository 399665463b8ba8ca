"""Which functions of the database pass: known by their whole names, or declared."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData

from tenantguard import Tenancy
from tenantguard.sql.functions import passes, returns_rows

REFUSED = {
    "postgresql": """
        query_to_xml query_to_xml_and_xmlschema table_to_xml schema_to_xml database_to_xml cursor_to_xml dblink
        dblink_exec pg_read_file pg_ls_dir lo_get lo_import loread pg_stat_file set_config crosstab connectby
        pg_logical_slot_get_changes ts_stat ts_rewrite currval lastval setval pg_relation_size pg_terminate_backend
        get_raw_page pgstattuple txid_current note_of shop.lower public.lower pg_catalog.query_to_xml
        pg_catalog."query_to_xml" "Lower" lower.lower a.b.lower""",
    "mysql": """
        load_file sys_exec sys_eval last_insert_id row_count found_rows spider_direct_sql note_of shop.lower""",
    "mariadb": "LOAD_FILE `load_file` sys.ps_thread_id shop.lower `a`.`b` `count` `left` `Date`",
    "sqlite": """
        load_extension readfile writefile edit fts3_tokenizer pragma_table_info pragma_database_list dbstat eval
        sqlite_dbpage last_insert_rowid changes total_changes fsdir zipfile sqlite_log [load_extension]
        "load_extension" main.lower""",
    "oracle": "lower",
}
ALLOWED = {
    "postgresql": """
        lower LOWER "lower" pg_catalog.lower pg_catalog."lower" count array_agg json_build_object pg_sleep pg_notify
        pg_advisory_lock has_table_privilege pg_typeof nextval generate_series unnest now current_setting to_tsvector
        pg_get_serial_sequence pg_backend_pid gen_random_uuid uuidv7 xmlagg json_to_recordset json_table coalesce""",
    "mariadb": "lower `lower` sleep get_lock json_extract group_concat json_table uuid benchmark year regexp_replace",
    "sqlite": "lower json_each sqlite_version group_concat total strftime iif bm25 random slugify [slugify]",
}


@pytest.mark.parametrize(("name", "dialect"), [(n, d) for d, names in REFUSED.items() for n in names.split()])
def test_a_function_that_is_not_known_does_not_pass(name: str, dialect: str) -> None:
    """What reaches further, and what a schema or quotes make another function of, is refused."""
    assert not passes(name, dialect)


@pytest.mark.parametrize(("name", "dialect"), [(n, d) for d, names in ALLOWED.items() for n in names.split()])
def test_a_known_function_passes(name: str, dialect: str) -> None:
    """The database's own functions that compute from their arguments pass, however they are spelled."""
    assert passes(name, dialect)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a b", "lower(1)", '"', "lower\x00", "x" * 300])
@pytest.mark.parametrize("dialect", ["postgresql", "mariadb", "sqlite"])
def test_what_is_no_name_does_not_pass(name: str, dialect: str) -> None:
    """A name that cannot be read is no name of a harmless function."""
    assert not passes(name, dialect)


def test_a_declared_function_passes_by_its_whole_name() -> None:
    """``functions={...}`` of the tenancy names functions with their schema, and those alone."""
    tenancy = Tenancy(MetaData(), functions={"slugify", "shop.price"})
    assert passes("Slugify", "postgresql", tenancy)
    assert passes('shop."price"', "postgresql", tenancy)
    assert returns_rows("shop.price", "postgresql", tenancy)
    assert not passes("price", "postgresql", tenancy)
    assert not passes("other.slugify", "postgresql", tenancy)


def test_few_functions_stand_in_a_from() -> None:
    """There, only functions whose rows come from their arguments are known."""
    assert returns_rows("json_each", "sqlite")
    assert returns_rows("pg_catalog.unnest", "postgresql")
    assert not returns_rows("public.unnest", "postgresql")
    assert not returns_rows("pragma_table_info", "sqlite")
    assert not returns_rows("my_report", "sqlite")
