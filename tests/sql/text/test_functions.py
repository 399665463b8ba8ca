"""Functions that must not be called under a binding."""

from __future__ import annotations

import pytest

from tenantguard.sql.text import function_fault

REFUSED = {
    "postgresql": """
        query_to_xml query_to_xml_and_xmlschema query_to_xmlschema table_to_xml table_to_xmlschema
        table_to_xml_and_xmlschema schema_to_xml schema_to_xmlschema database_to_xml cursor_to_xml
        dblink dblink_exec dblink_connect pg_read_file pg_read_binary_file pg_ls_dir pg_ls_waldir
        lo_get lo_import lo_export loread pg_stat_file set_config pg_logical_slot_get_changes
        ts_stat ts_rewrite crosstab crosstab4 connectby xpath_table currval lastval
        pg_relation_size pg_total_relation_size pg_stat_get_live_tuples pg_sequence_last_value
        pg_terminate_backend get_raw_page pgstattuple pg_get_sequence_data""",
    "mysql": """
        load_file sys_exec sys_eval last_insert_id row_count found_rows lastval spider_direct_sql""",
    "mariadb": """
        LOAD_FILE Spider_Direct_SQL `load_file` sys.ps_thread_id""",
    "sqlite": """
        load_extension readfile writefile edit fts3_tokenizer pragma_table_info
        pragma_database_list dbstat sqlite_dbpage last_insert_rowid changes total_changes eval
        fsdir zipfile sqlite_log""",
}
ALLOWED = {
    "postgresql": """
        lower count array_agg json_build_object pg_sleep pg_notify pg_advisory_lock
        pg_try_advisory_xact_lock pg_advisory_unlock has_table_privilege pg_typeof nextval
        generate_series unnest now current_setting to_tsvector ts_rank similarity
        pg_get_serial_sequence pg_backend_pid pg_column_size gen_random_uuid xmlagg
        json_to_recordset regexp_matches width_bucket""",
    "mysql": "lower sleep get_lock release_lock json_extract group_concat json_table uuid benchmark",
    "sqlite": "lower json_each generate_series sqlite_version group_concat total strftime iif bm25 random",
}


@pytest.mark.parametrize(
    ("name", "dialect"), [(name, dialect) for dialect, names in REFUSED.items() for name in names.split()]
)
def test_a_function_that_reaches_further_is_refused(name: str, dialect: str) -> None:
    """What runs SQL, reads files or tells what others did is refused by name."""
    assert "()" in (function_fault(name, dialect) or "")


@pytest.mark.parametrize(
    ("name", "dialect"), [(name, dialect) for dialect, names in ALLOWED.items() for name in names.split()]
)
def test_an_ordinary_function_is_not(name: str, dialect: str) -> None:
    """Ordinary functions pass."""
    assert function_fault(name, dialect) is None


@pytest.mark.parametrize(
    "name",
    [
        "QUERY_TO_XML",
        '"query_to_xml"',
        "pg_catalog.query_to_xml",
        'pg_catalog . "query_to_xml"',
        ' "Query_To_Xml" ',
    ],
)
def test_case_quotes_and_schema_do_not_hide_a_function(name: str) -> None:
    """However it is spelled, the function is recognised."""
    assert "runs SQL" in (function_fault(name, "postgresql") or "")


def test_a_function_of_an_unknown_dialect_is_refused() -> None:
    """Functions of a database that was never proven are not judged harmless."""
    assert function_fault("lower", "oracle") is not None
