"""Rules for models and the tenancy: from TG101."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

MODELS = (
    Rule(
        "TG101",
        "table-unplaced",
        "error",
        "A table of the metadata is not placed: it is neither owned, through, shared nor visible by a row rule.",
        "guard() refuses to start until every table is placed, because nothing says who owns its rows.",
        'Give it the tenant column, or place it in Tenancy(...): columns={"table": "column"}, '
        'through={"table": "foreign_key"}, shared={"table"} or visible={"table": rule}.',
    ),
    Rule(
        "TG102",
        "tenancy-fault",
        "error",
        "The Tenancy declares something that cannot be enforced: a misspelt table, a key that leads nowhere, a table "
        "declared twice, a tenant column that the database generates.",
        "guard() refuses to start. The detail is the message that guard() would raise.",
        "Correct the argument of Tenancy(...) that the detail names.",
    ),
    Rule(
        "TG103",
        "shared-looks-owned",
        "error",
        "A table is declared shared and has the tenant column, or a foreign key to rows that belong to a tenant.",
        "Every tenant reads every row of a shared table.",
        "Remove it from shared, or use openly_shared={...} if every tenant may read all of it.",
    ),
    Rule(
        "TG104",
        "tenant-column-nullable",
        "error",
        "The tenant column of an owned table may be NULL.",
        "Only a bypass sees a row without a tenant, and code that forgets the column stores such rows.",
        "Make the column NOT NULL, or use nullable={...} if rows without a tenant are intended.",
    ),
    Rule(
        "TG105",
        "tenant-index-missing",
        "warning",
        "No index, unique constraint or primary key of an owned table begins with the tenant column.",
        "Every statement filters by tenant, and without such an index reads the rows of all tenants.",
        'Add an index that begins with the tenant column: mapped_column(index=True) or Index("ix", tenant, ...).',
    ),
    Rule(
        "TG106",
        "unique-without-tenant",
        "warning",
        "A unique constraint or index of a tenant's table does not include the tenant.",
        (
            "The database refuses a value that another tenant already uses. This reveals that it exists, "
            "and keeps a second tenant from using it."
        ),
        "Put the tenant column into the constraint: UniqueConstraint(tenant, column).",
    ),
    Rule(
        "TG107",
        "primary-key-without-tenant",
        "warning",
        "The primary key of an owned table is a value that the application chooses, and does not include the tenant.",
        "Two tenants cannot store the same key, and a refused insert reveals that another tenant has it.",
        "Make the key (tenant, value), or let the database or a UUID generate it.",
    ),
    Rule(
        "TG108",
        "key-not-composite",
        "note",
        "A foreign key between two owned tables does not include the tenant.",
        "The database alone would accept another tenant's row as a parent. The guard verifies the parent of each "
        "write, at the cost of a look-up. Writes that bypass the guard are not verified.",
        "Make it ForeignKeyConstraint([tenant, key], [parent.tenant, parent.id]) with a unique (tenant, id) there.",
    ),
    Rule(
        "TG109",
        "cascade-reaches-others",
        "warning",
        "A foreign key or a relationship() changes or deletes tenants' rows along with a row that is not one tenant's.",
        (
            "Deleting one shared row deletes or changes the rows of every tenant that points at it: in "
            "the database, where the guard does not see it, or by the ORM, in the bypass that deletes "
            "the shared row."
        ),
        "Remove ON DELETE and ON UPDATE actions from keys that lead to shared tables, and delete from cascade=.",
    ),
    Rule(
        "TG110",
        "type-differs",
        "error",
        "The tenant columns, or the two sides of a foreign key, have different types.",
        "A tenant id has one type. If the database converts between two types, different values can compare as equal.",
        "Use one type for all of them.",
    ),
    Rule(
        "TG111",
        "parent-optional",
        "warning",
        "A table belongs through a foreign key that may be NULL.",
        "A row without a parent belongs to nobody, and only a bypass sees it.",
        "Make the key NOT NULL, or give the table a tenant column of its own.",
    ),
)
