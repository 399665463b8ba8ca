"""The database functions that may be called under a binding: known by their full names, or declared.

PostgreSQL and MariaDB: closed lists of functions that compute from their arguments, or tell the session about
itself. SQLite has no functions in its database: what is registered on a connection is the application's own Python,
so there the few functions that reach further are named instead.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_POSTGRESQL = _words(
    """
    abbrev abs acos acosd acosh age any_value area array_agg array_append array_cat array_dims array_fill array_length
    array_lower array_ndims array_position array_positions array_prepend array_remove array_replace array_reverse
    array_sample array_shuffle array_sort array_to_json array_to_string array_to_tsvector array_upper ascii asin asind
    asinh atan atan2 atan2d atand atanh avg bit bit_and bit_count bit_length bit_or bit_xor bool_and bool_or bound_box
    box broadcast btrim cardinality casefold cbrt ceil ceiling center char char_length character_length chr circle
    clock_timestamp coalesce col_description concat concat_ws convert convert_from convert_to corr cos cosd cosh cot
    cotd count covar_pop covar_samp crc32 crc32c cube cume_dist current_catalog current_database current_date
    current_query current_role current_schema current_schemas current_setting current_time current_timestamp
    current_user date date_add date_bin date_part date_subtract date_trunc datemultirange daterange decode degrees
    dense_rank diagonal diameter div encode enum_first enum_last enum_range erf erfc every exp extract factorial family
    first_value float4 float8 floor format format_type gamma gcd gen_random_uuid generate_series generate_subscripts
    get_bit get_byte get_current_ts_config greatest grouping grouping_sets has_any_column_privilege
    has_column_privilege has_database_privilege has_function_privilege has_language_privilege has_schema_privilege
    has_sequence_privilege has_table_privilege has_tablespace_privilege has_type_privilege height host hostmask
    icu_unicode_version inet_client_addr inet_client_port inet_merge inet_same_family inet_server_addr
    inet_server_port initcap int2 int4 int4multirange int4range int8 int8multirange int8range interval is_normalized
    isclosed isempty isfinite isopen json json_agg json_agg_strict json_array json_array_elements
    json_array_elements_text json_array_length json_arrayagg json_build_array json_build_object json_each
    json_each_text json_exists json_extract_path json_extract_path_text json_object json_object_agg
    json_object_agg_strict json_object_agg_unique json_object_agg_unique_strict json_object_keys json_objectagg
    json_populate_record json_populate_recordset json_query json_scalar json_serialize json_strip_nulls json_table
    json_to_record json_to_recordset json_to_tsvector json_typeof json_value jsonb_agg jsonb_agg_strict
    jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object
    jsonb_concat jsonb_contains jsonb_delete jsonb_delete_path jsonb_each jsonb_each_text jsonb_exists
    jsonb_exists_all jsonb_exists_any jsonb_extract_path jsonb_extract_path_text jsonb_insert jsonb_object
    jsonb_object_agg jsonb_object_agg_strict jsonb_object_agg_unique jsonb_object_agg_unique_strict jsonb_object_keys
    jsonb_path_exists jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query
    jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first jsonb_path_query_first_tz
    jsonb_path_query_tz jsonb_populate_record jsonb_populate_record_valid jsonb_populate_recordset jsonb_pretty
    jsonb_set jsonb_set_lax jsonb_strip_nulls jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof
    justify_days justify_hours justify_interval lag last_value lcm lead least left length lgamma line ln localtime
    localtimestamp log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr8_set7bit make_date make_interval
    make_time make_timestamp make_timestamptz makeaclitem masklen max md5 merge_action min min_scale mod mode
    multirange netmask network next_value nextval normalize now npoints nth_value ntile nullif num_nonnulls num_nulls
    numeric nummultirange numnode numrange obj_description octet_length overlaps overlay parse_ident path pclose
    percent_rank percentile_cont percentile_disc phraseto_tsquery pi plainto_tsquery point polygon popen position
    pow power query quote_ident quote_literal quote_nullable querytree radians radius random random_normal range_agg
    range_intersect_agg range_merge rank regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr regr_avgx regr_avgy regr_count
    regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right rollup round row
    row_number row_to_json rpad rtrim scale session_user set_bit set_byte set_masklen setweight sha224 sha256 sha384
    sha512 shobj_description sign sin sind sinh slope split_part sqrt starts_with statement_timestamp stddev
    stddev_pop stddev_samp string_agg string_to_array string_to_table strip strpos substr substring sum system_user
    tan tand tanh text time timeofday timestamp timestamptz timezone to_ascii to_bin to_char to_date to_hex to_json
    to_jsonb to_number to_oct to_regclass to_regcollation to_regnamespace to_regoper to_regoperator to_regproc
    to_regprocedure to_regrole to_regtype to_regtypemod to_timestamp to_tsquery to_tsvector transaction_timestamp
    translate treat trim trim_array trim_scale trunc ts_delete ts_filter ts_headline ts_lexize ts_rank ts_rank_cd
    tsmultirange tsquery_phrase tsrange tstzmultirange tstzrange tsvector_to_array unicode_assigned unicode_version
    unistr unnest upper upper_inc upper_inf user uuid_extract_timestamp uuid_extract_version uuidv4 uuidv7 var_pop
    var_samp varchar variance version websearch_to_tsquery width width_bucket xml_is_well_formed
    xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlattributes xmlcomment xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable xmltext xpath xpath_exists
    aggregate_strings all any array some
    pg_advisory_lock pg_advisory_lock_shared pg_advisory_unlock pg_advisory_unlock_all pg_advisory_unlock_shared
    pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_backend_pid pg_basetype pg_char_to_encoding
    pg_client_encoding pg_collation_for pg_collation_is_visible pg_column_compression pg_column_is_updatable
    pg_column_size pg_conversion_is_visible pg_conf_load_time pg_describe_object pg_encoding_to_char
    pg_function_is_visible pg_get_catalog_foreign_keys pg_get_constraintdef pg_get_expr pg_get_function_arguments
    pg_get_function_identity_arguments pg_get_function_result pg_get_functiondef pg_get_indexdef pg_get_keywords
    pg_get_object_address pg_get_partition_constraintdef pg_get_partkeydef pg_get_ruledef pg_get_serial_sequence
    pg_get_statisticsobjdef pg_get_triggerdef pg_get_userbyid pg_get_viewdef pg_has_role pg_identify_object
    pg_identify_object_as_address pg_index_column_has_property pg_index_has_property pg_indexam_has_property
    pg_input_error_info pg_input_is_valid pg_is_in_recovery pg_is_other_temp_schema pg_jit_available
    pg_my_temp_schema pg_notify pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible
    pg_options_to_table pg_postmaster_start_time pg_relation_is_updatable pg_size_bytes pg_size_pretty pg_sleep
    pg_sleep_for pg_sleep_until pg_statistics_obj_is_visible pg_table_is_visible pg_tablespace_location
    pg_timezone_abbrevs pg_timezone_names pg_trigger_depth pg_try_advisory_lock pg_try_advisory_lock_shared
    pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared pg_ts_config_is_visible pg_ts_dict_is_visible
    pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_typeof
    """
)

_MYSQL = _words(
    """
    abs acos add_months adddate addtime aes_decrypt aes_encrypt any_value area asbinary ascii asin astext aswkb aswkt
    atan atan2 avg benchmark bin bin_to_uuid bit_and bit_count bit_length bit_or bit_xor buffer cast ceil ceiling
    centroid char char_length character_length charset chr coalesce coercibility collation column_add column_check
    column_create column_delete column_exists column_get column_json column_list compress concat concat_ws
    connection_id contains conv convert convert_tz cos cot count crc32 crc32c crosses cume_dist curdate current_date
    current_role current_time current_timestamp current_user curtime database date date_add date_format date_sub
    datediff day dayname dayofmonth dayofweek dayofyear decode default degrees dense_rank des_decrypt des_encrypt
    dimension disjoint elt encode encrypt envelope equals exp export_set extract extractvalue field find_in_set
    first_value floor format format_bytes format_pico_time from_base64 from_days from_unixtime geometrycollection
    geometryfromtext get_format get_lock glength greatest group_concat grouping hex hour if ifnull inet6_aton
    inet6_ntoa inet_aton inet_ntoa insert instr intersects interval is_free_lock is_ipv4 is_ipv4_compat is_ipv4_mapped
    is_ipv6 is_used_lock is_uuid isclosed isempty isnull isring issimple json_array json_array_append
    json_array_insert json_array_intersect json_arrayagg json_compact json_contains json_contains_path json_depth
    json_detailed json_equals json_exists json_extract json_insert json_key_value json_keys json_length json_loose
    json_merge json_merge_patch json_merge_preserve json_normalize json_object json_object_filter_keys
    json_object_to_array json_objectagg json_overlaps json_pretty json_query json_quote json_remove json_replace
    json_schema_valid json_schema_validation_report json_search json_set json_storage_free json_storage_size
    json_table json_type json_unquote json_valid json_value kdf lag last_day last_value lcase lead least left length
    lengthb linestring ln localtime localtimestamp locate log log10 log2 lower lpad ltrim make_set makedate maketime
    match max md5 median microsecond mid min minute mod month monthname multilinestring multipoint multipolygon
    name_const natural_sort_key next_value nextval now nth_value ntile nullif nvl nvl2 oct octet_length old_password
    ord overlaps password percent_rank percentile_cont percentile_disc period_add period_diff pi point polygon
    position pow power quarter quote radians rand random_bytes rank regexp_instr regexp_like regexp_replace
    regexp_substr release_all_locks release_lock repeat replace reverse right rollup round row row_number rpad rtrim
    schema sec_to_time second session_user sformat sha sha1 sha2 sign sin sleep soundex space sqrt srid
    st_area st_asbinary st_asgeojson st_astext st_aswkb st_aswkt st_boundary st_buffer st_centroid st_contains
    st_convexhull st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint
    st_envelope st_equals st_exteriorring st_geohash st_geomcollfromtext st_geometryn st_geometrytype
    st_geomfromgeojson st_geomfromtext st_geomfromwkb st_interiorringn st_intersection st_intersects st_isclosed
    st_isempty st_isring st_issimple st_isvalid st_latfromgeohash st_latitude st_length st_linefromtext
    st_longfromgeohash st_longitude st_makeenvelope st_numgeometries st_numinteriorrings st_numpoints st_overlaps
    st_pointfromtext st_pointn st_pointonsurface st_polyfromtext st_relate st_simplify st_srid st_startpoint
    st_swapxy st_symdifference st_touches st_transform st_union st_validate st_within st_x st_y
    std stddev stddev_pop stddev_samp str_to_date strcmp subdate substr substring substring_index subtime sum
    sys_guid sysdate system_user tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff
    to_base64 to_char to_days to_number to_seconds touches trim trunc truncate
    ucase uncompress uncompressed_length unhex
    unix_timestamp updatexml upper user utc_date utc_time utc_timestamp uuid uuid_short uuid_to_bin uuid_v4 uuid_v7
    validate_password_strength value values var_pop var_samp variance vec_distance vec_distance_cosine
    vec_distance_euclidean vec_fromtext vec_totext version week weekday weekofyear weight_string within x y year
    yearweek aggregate_strings all any random some
    """
)

# what PostgreSQL's grammar reads, and no look into its catalogue
GRAMMAR = _words(
    """
    all any array between bigint bit boolean cast char character coalesce cube current_catalog current_date
    current_role current_schema current_time current_timestamp current_user dec decimal exists extract float greatest
    grouping grouping_sets int integer interval least localtime localtimestamp national nchar next_value nullif
    numeric overlay position precision real rollup row session_user smallint some substring time timestamp treat trim
    user values varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot
    xmlserialize xmltable
    """
)
_GRAMMAR_SINCE = {
    "json_array": 16, "json_arrayagg": 16, "json_object": 16, "json_objectagg": 16, "system_user": 16,
    "json": 17, "json_exists": 17, "json_query": 17, "json_scalar": 17, "json_serialize": 17, "json_table": 17,
    "json_value": 17, "merge_action": 17,
}  # fmt: skip

# they load code, touch files, run SQL from a string, read or change tables that no one named, or tell of other rows
_NOT_ON_SQLITE = _words(
    """
    load_extension readfile writefile edit fsdir lsdir lsmode mkdir zipfile zipfile_cds csv vsv system shell
    shell_exec sqlar_compress sqlar_uncompress eval sha1_query sha3_query query execute statement dbdata dbptr dbpage
    dbstat tables_used bytecode fts3_tokenizer fts5 fts5_expr fts5_expr_tcl fts5_decode fts5_decode_none fts5_fold
    fts5_isalnum fts5_rowid fts5_source_id fts5_insttoken optimize rtreecheck changes total_changes
    last_insert_rowid sqlite_log sqlite_dbpage sqlite_dbdata sqlite_dbptr sqlite_stmt sqlite_memstat sqlite_db_config
    """
)
_ON_SQLITE = _words(
    "sqlite_version sqlite_source_id sqlite_offset sqlite_compileoption_get sqlite_compileoption_used"
)

_SQLITE_ROWS = _words("json_each json_tree jsonb_each jsonb_tree generate_series")
# without IGNORE_SPACE, MariaDB takes these for functions of its own only where the parenthesis stands right behind
_GLUED = _words(
    """
    adddate bit_and bit_or bit_xor cast count cume_dist curdate curtime date_add date_sub dense_rank extract first_value
    group_concat json_arrayagg json_objectagg lag lead max median mid min now nth_value ntile percent_rank
    percentile_cont percentile_disc position rank row_number session_user std stddev stddev_pop stddev_samp subdate
    substr substring sum sysdate system_user trim var_pop var_samp variance
    """
)
# and these only without quotes, as words of its grammar
_MYSQL_GRAMMAR = _GLUED | _words(
    """
    aggregate_strings all any ascii avg char charset column_add column_create column_delete column_get convert
    current_date current_role current_time current_timestamp current_user date day default geometrycollection
    get_format grouping hour if insert interval json_table last_value left linestring localtime localtimestamp match
    minute month multilinestring multipoint multipolygon next_value nextval point polygon random repeat replace right
    rollup row second some st_isvalid time timestamp timestampadd timestampdiff truncate user utc_date utc_time
    utc_timestamp value values weight_string year
    """
)

_FAMILIES = {"mariadb": "mysql"}
_QUOTES = frozenset('"`')
_PARTS = re.compile(r'\s*("(?:[^"]|"")+"|`(?:[^`]|``)+`|\[[^\]]+\]|[^\s\x00-\x1f."`\[\]()]+)\s*(?:\.|$)')


def passes(name: str, dialect: str, tenancy: Any = None) -> bool:
    """Tell whether a function may be called under a binding.

    Args:
        name: its whole name as it is written: with its schema, and quoted or not.
        dialect: SQLAlchemy's name of the dialect.
        tenancy: declares further functions in ``functions``, by their whole names.

    Example:
        >>> passes("lower", "postgresql"), passes("shop.lower", "postgresql"), passes("query_to_xml", "postgresql")
        (True, False, False)
    """
    family = _FAMILIES.get(dialect, dialect)
    whole = whole_name(name, family)
    if whole is None:
        return False
    if _is_declared(whole, family, tenancy):
        return True
    # in quotes a word of the grammar is the name of a function that somebody made
    grammar = {"postgresql": GRAMMAR, "mysql": _MYSQL_GRAMMAR}.get(family, frozenset())
    return _is_known(whole, family) and (whole not in grammar or not _QUOTES.intersection(name))


def is_glued(name: str) -> bool:
    """Tell whether a name with a space before its parenthesis calls a function of the users' on MariaDB."""
    return name.lower() in _GLUED


def returns_rows(name: str, dialect: str, tenancy: Any = None) -> bool:
    """Return whether a function may be used in FROM, where SQLite has tables that look like calls."""
    if dialect != "sqlite":
        return passes(name, dialect, tenancy)
    whole = whole_name(name, dialect)
    return whole is not None and (whole in _SQLITE_ROWS or _is_declared(whole, dialect, tenancy))


@lru_cache(maxsize=512)
def whole_name(name: str, dialect: str) -> str | None:
    """Return a function's name as the database compares it, with its schema, or ``None`` if it cannot be read."""
    parts: list[str] = []
    at = 0
    while at < len(name):
        found = _PARTS.match(name, at)
        if found is None:
            return None
        parts.append(_folded(found[1], dialect))
        at = found.end()
    return ".".join(parts) if parts and len(name) < 200 and not name.rstrip().endswith(".") else None


def _folded(part: str, dialect: str) -> str:
    quote = {'"': '"', "`": "`", "[": "]"}.get(part[0])
    if quote is None:
        return part.lower() if part.isascii() else part
    plain = part[1:-1].replace(quote * 2, quote)
    return plain if dialect == "postgresql" else plain.lower()


def _is_known(whole: str, family: str) -> bool:
    if family == "postgresql":
        return whole.removeprefix("pg_catalog.") in _POSTGRESQL
    if family == "mysql":
        return whole in _MYSQL
    if family != "sqlite" or "." in whole:
        return False
    own = whole.startswith(("sqlite_", "pragma_"))
    return whole in _ON_SQLITE if own else whole not in _NOT_ON_SQLITE


def is_declared(name: str, dialect: str, tenancy: Any) -> bool:
    """Tell whether the tenancy declares a function."""
    family = _FAMILIES.get(dialect, dialect)
    whole = whole_name(name, family)
    return whole is not None and _is_declared(whole, family, tenancy)


def is_own(name: str, tenancy: Any, version: int | None = None) -> bool:
    """Tell whether a name without a schema is a function of PostgreSQL's own, which can be named with its schema.

    Args:
        name: the name as it is written.
        tenancy: declares functions, which are the users' own.
        version: the server's, where it is known: what became a part of the grammar takes no schema since.
    """
    whole = whole_name(name, "postgresql")
    if whole not in _POSTGRESQL or whole in GRAMMAR or _is_declared(whole, "postgresql", tenancy):
        return False
    since = _GRAMMAR_SINCE.get(whole)
    return since is None or (version is not None and version < since)


def _is_declared(whole: str, family: str, tenancy: Any) -> bool:
    declared = getattr(tenancy, "functions", None) or ()
    return any(whole_name(one, family) == whole for one in declared)


def function_fault(name: str, dialect: str, tenancy: Any = None) -> str | None:
    """Tell in a sentence why a function must not be called under a binding, or return ``None``."""
    if passes(name, dialect, tenancy):
        return None
    return (
        f"{name}() is not known to read no rows; if it reads none, declare it: "
        f"Tenancy(functions={{{name.lower()!r}}})"
    )
