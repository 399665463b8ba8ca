"""Functions that reach past the guard: they run SQL, read files, or tell what others did."""

from __future__ import annotations

import re
from functools import lru_cache

from tenantguard.sql.text.lexer import MYSQL, POSTGRESQL, SQLITE, Unreadable, family, unquoted

_RUNS_SQL = "runs SQL from a string, or reads tables that the statement does not name"
_READS_FILES = "reads or writes files of the server, or loads code"
_TELLS = "tells what other tenants did, from the state of the connection or of the server"
_RULES = "changes the settings or the state of the server"

_POSTGRESQL = {
    _RUNS_SQL: (
        r"(query|table|schema|database|cursor)_to_xml(_?and_?xmlschema|schema)?|ts_stat|ts_rewrite|dblink.*"
        r"|postgres_fdw_.*|crosstab.*|connectby|normal_rand_from_table|xpath_table|tablefunc_.*|plpgsql_check.*"
        r"|run_command_on_.*|master_run_on_worker|cron_.*|hypopg_.*|query_to_.*"
    ),
    _READS_FILES: r"lo_.*|loread|lowrite|file_fdw_.*|get_raw_page|heap_.*|bt_.*|brin_.*"
    r"|gin_.*|gist_.*|hash_.*|page_.*|fsm_.*|tuple_data_split",
    _TELLS: r"currval|lastval|setval|currtid.*|txid_.*|pgstat.*|pgrowlocks|pgbuffercache.*",
    _RULES: r"set_config|binary_upgrade_.*|amcheck.*|verify_heapam|ri_fkey.*|setseed",
}
# Of the names PostgreSQL keeps for itself these tell nothing of rows; every other one is refused.
_HARMLESS_PG = re.compile(
    r"pg_(typeof|basetype|sleep(_for|_until)?|notify|(try_)?advisory_(xact_)?(un)?lock(_shared|_all)?"
    r"|column_(size|compression)|backend_pid|client_encoding|size_(pretty|bytes)|is_in_recovery|trigger_depth"
    r"|has_role|\w+_is_visible|is_other_temp_schema|my_temp_schema|collation_for|input_is_valid"
    r"|input_error_info|postmaster_start_time|conf_load_time|listening_channels|blocking_pids|encoding_to_char"
    r"|char_to_encoding|timezone_\w+|get_(serial_sequence|userbyid|expr|constraintdef|indexdef|viewdef|triggerdef"
    r"|ruledef|functiondef|function_\w+|partkeydef|partition_constraintdef|statisticsobjdef\w*|keywords"
    r"|catalog_foreign_keys)|get_partkeydef|index_column_has_property|indexes?_has_property|indexam_has_property"
    r"|options_to_table|relation_is_updatable|column_is_updatable|describe_object|identify_object\w*"
    r"|get_object_address|tablespace_location|jit_available|safe_snapshot_blocking_pids)"
)
_MYSQL = {
    _RUNS_SQL: r"sys_(exec|eval|get|set)|spider_.*|lib_mysqludf_.*|do_system|http_.*",
    _READS_FILES: r"load_file|dumpfile|xml_load.*",
    _TELLS: r"last_insert_id|row_count|found_rows|lastval|setval|ps_\w+|format_statement|sys_\w+|wsrep_\w+"
    r"|binlog_gtid_pos|master_(gtid|pos)_wait|source_pos_wait|wait_for_executed_gtid_set\w*",
}
_SQLITE = {
    _RUNS_SQL: r"pragma_.*|eval|sha3_query|sha1_query|dbstat|tables_used|bytecode"
    r"|sqlite_(?!version$|source_id$|compileoption_\w+$|offset$).*|fts[0-9]\w*|rtreecheck|rtreenode|statement|query|execute|dbdata|dbpage",
    _READS_FILES: r"load_extension|readfile|writefile|edit|fsdir|lsdir|lsmode|zipfile|zipfile_cds|csv"
    r"|sqlar_\w+|vsv|ieee754_file|mkdir|system|shell",
    _TELLS: r"last_insert_rowid|changes|total_changes",
}
_KNOWN = {
    name: {why: re.compile(pattern) for why, pattern in groups.items()}
    for name, groups in ((POSTGRESQL, _POSTGRESQL), (MYSQL, _MYSQL), (SQLITE, _SQLITE))
}


@lru_cache(maxsize=2048)
def function_fault(name: str, dialect: str) -> str | None:
    """Tell why a function must not be called under a binding, or return ``None``.

    Args:
        name: as it is written: any case, quoted or not, with a schema before it or not.
        dialect: SQLAlchemy's name of the dialect.

    Returns:
        A sentence without its subject, such as ``"query_to_xml() runs SQL from a string"``, or ``None``.

    Example:
        >>> function_fault("lower", "postgresql") is None
        True
        >>> function_fault('pg_catalog."query_to_xml"', "postgresql").startswith("query_to_xml() runs SQL")
        True
    """
    try:
        which = family(dialect)
    except Unreadable as fault:
        return f"{name}() cannot be judged: {fault}"
    plain = _last_part(name)
    for why, pattern in _KNOWN[which].items():
        if pattern.fullmatch(plain):
            return f"{plain}() {why}"
    if which == POSTGRESQL and plain.startswith("pg_") and not _HARMLESS_PG.fullmatch(plain):
        return f"{plain}() is one of PostgreSQL's own functions that can reach past the predicates"
    return None


def _last_part(name: str) -> str:
    """Return the name without its schema and quotes, in lower case."""
    parts = re.findall(r'"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[^.\s]+', name)
    return unquoted(parts[-1]).strip().lower() if parts else ""
