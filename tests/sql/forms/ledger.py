"""The parts of statements: constructs that are no form by themselves, and why each kind needs no row."""

from __future__ import annotations

_PARTS = {
    "an expression: a table that stands in it stands in a subquery, which has rows": """
        AsBoolean BinaryExpression BindParameter BooleanClauseList Case Cast ClauseList CollationClause ColumnElement
        ElementList ExpressionClauseList Extract False_ FunctionAsBinary Grouping IndexExpression KeyedColumnElement
        NamedColumn Null OperatorExpression OrderByList Slice True_ TryCast TypeClause TypeCoerce UnaryExpression
        WrapsColumnExpression ilike_case_insensitive _OffsetLimitParam _OverrideBinds _label_reference
        _textual_label_reference _IdentifiedClause DMLTargetCopy
        and_() asc() between() bindparam() bitwise_not() case() cast() collate() desc() extract() false() from_dml_column()
        literal() not_() nulls_first() nulls_last() nullsfirst() nullslast() or_() outparam() true() try_cast() type_coerce()
        ColumnOperators.all_ ColumnOperators.any_ ColumnOperators.between ColumnOperators.bitwise_and
        ColumnOperators.bitwise_lshift ColumnOperators.bitwise_not ColumnOperators.bitwise_or
        ColumnOperators.bitwise_rshift ColumnOperators.bitwise_xor ColumnOperators.collate ColumnOperators.concat
        ColumnOperators.contains ColumnOperators.distinct ColumnOperators.endswith ColumnOperators.icontains
        ColumnOperators.iendswith ColumnOperators.ilike ColumnOperators.in_ ColumnOperators.is_
        ColumnOperators.is_distinct_from ColumnOperators.is_not ColumnOperators.is_not_distinct_from
        ColumnOperators.isnot ColumnOperators.isnot_distinct_from ColumnOperators.istartswith ColumnOperators.like
        ColumnOperators.match ColumnOperators.not_ilike ColumnOperators.not_in ColumnOperators.not_like
        ColumnOperators.notilike ColumnOperators.notin_ ColumnOperators.notlike ColumnOperators.regexp_match
        ColumnOperators.regexp_replace ColumnOperators.startswith Operators.bool_op Operators.op Operators.operate
        Operators.reverse_operate OrderingOperators.asc OrderingOperators.desc OrderingOperators.nulls_first
        OrderingOperators.nulls_last OrderingOperators.nullsfirst OrderingOperators.nullslast
        ExpressionElementRole.label UnaryExpression.self_group FunctionElement.as_comparison
        match mysql.match() hstore postgresql.hstore() postgresql.All() postgresql.Any()
        """,
    "a function that reads no table": """
        AnsiFunction GenericFunction OrderedSetAgg ReturnTypeFromArgs ReturnTypeFromOptionalArgs aggregate_strings
        char_length coalesce concat count cume_dist current_date current_time current_timestamp current_user dense_rank
        localtime localtimestamp max min mode now percent_rank percentile_cont percentile_disc pow random rank
        session_user sum sysdate user FunctionElement.within_group_type
        _HStoreArrayFunction _HStoreDefinedFunction _HStoreDeleteFunction _HStoreKeysFunction _HStoreMatrixFunction
        _HStoreSliceFunction _HStoreValsFunction _regconfig_fn
        to_tsquery to_tsvector plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline
        postgresql.to_tsquery() postgresql.to_tsvector() postgresql.plainto_tsquery() postgresql.phraseto_tsquery()
        postgresql.websearch_to_tsquery() postgresql.ts_headline()
        """,
    "a part of a schema: nothing that executes": """
        CallableColumnDefault CheckConstraint ColumnCollectionConstraint ColumnDefault ColumnElementColumnDefault
        Constraint DefaultGenerator ExcludeConstraint ForeignKey ForeignKeyConstraint HasSchemaAttr Identity Index
        MetaData PrimaryKeyConstraint ScalarElementColumnDefault SchemaItem SchemaVisitable UniqueConstraint
        _InsertSentinelColumnDefault Table.add_is_dependent_on Table.append_column Table.append_constraint
        Table.insert_column Table.set_creator_ddl Table.set_dropper_ddl Table.to_metadata Table.tometadata
        TableClause.append_column TableClause.insert_column NotNullable() Nullable() FromClause.with_cols
        """,
    "an abstract base, or machinery of SQLAlchemy's own": """
        ClauseElement CompilerColumnElement CompilerElement DQLDMLClauseElement Executable ExecutableReturnsRows
        ExecutableStatement ExternallyTraversible GenerativeSelect HasCTE NamedFromClause ReturnsRows SelectBase
        Selectable SelectsRows SupportsAnnotations SupportsCloneAnnotations SupportsWrappingAnnotations
        TypedReturnsRows UpdateBase ValuesBase Visitable _CompileLabel _MemoizedSelectEntities _multiparam_column
        AbstractTextClause.self_group AliasedReturnsRows.is_derived_from CompoundSelect.is_derived_from
        CompoundSelect.set_label_style DialectKWArgs.get_dialect_option FromClause.is_derived_from
        FunctionElement.self_group GenerativeSelect.get_label_style GroupedElement.self_group
        HasTraverseInternals.get_children Join.is_derived_from Join.self_group ReturnsRows.is_derived_from
        ScalarSelect.self_group Select.get_children Select.get_final_froms Select.is_derived_from Select.self_group
        SelectBase.as_scalar SelectBase.get_label_style SelectBase.set_label_style SelectStatementRole.subquery
        Selectable.corresponding_column Selectable.replace_selectable Subquery.as_scalar TextClause.self_group
        TextualSelect.set_label_style UpdateBase.corresponding_column UpdateBase.is_derived_from
        create_engine() create_pool_from_url() engine_from_config() make_url() result_tuple()
        """,
    "a way to say a mapping or a loader option: what it loads is a statement, which has rows": """
        Executable.options _AttributeStrategyLoad _ClassStrategyLoad _LoadElement _TokenStrategyLoad AppenderQuery
        orm.add_mapped_attribute() orm.as_declarative() orm.as_typed_table() orm.attribute_keyed_dict()
        orm.attribute_mapped_collection() orm.backref() orm.class_mapper() orm.clear_mappers() orm.close_all_sessions()
        orm.column_keyed_dict() orm.column_mapped_collection() orm.configure_mappers() orm.contains_alias()
        orm.create_session() orm.declarative_base() orm.declarative_mixin() orm.dynamic_loader() orm.foreign()
        orm.has_inherited_table() orm.keyfunc_mapping() orm.make_transient() orm.make_transient_to_detached()
        orm.mapped_as_dataclass() orm.mapped_collection() orm.mapper() orm.noload() orm.object_mapper() orm.raiseload()
        orm.reconstructor() orm.remote() orm.synonym_for() orm.unmapped_column() orm.unmapped_dataclass()
        orm.validates() orm.was_deleted()
        """,
    "a method of Query that a method of Select stands for": """
        Query.add_column Query.add_columns Query.add_entity Query.apply_labels Query.autoflush Query.correlate
        Query.distinct Query.enable_assertions Query.enable_eagerloads Query.execution_options
        Query.get_execution_options Query.group_by Query.having Query.instances Query.limit Query.offset
        Query.only_return_tuples Query.populate_existing Query.reset_joinpoint Query.set_label_style Query.slice
        Query.tuples Query.values Query.with_entities Query.with_for_update Query.with_labels Query.with_parent
        Query.with_session Query.with_transformation
        """,
}
PARTS: dict[str, tuple[str, ...]] = {why: tuple(names.split()) for why, names in _PARTS.items()}
