"""Rules for the live database of any kind: from TG301."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

DATABASE = (
    Rule(
        "TG301",
        "rows-cross",
        "error",
        "Rows of one tenant point at rows of another one.",
        "They were written before the guard was installed, or around it. The guard hides the parent, "
        "so code that joins the two no "
        "longer sees the row; without the guard one tenant reads the other's data through the key.",
        (
            "Decide who owns each row and correct the key; --keys lists them. A composite foreign key "
            "then keeps it that way."
        ),
    ),
    Rule(
        "TG302",
        "rows-without-tenant",
        "error",
        "The database lets the tenant column be NULL though the model does not, or holds rows without a tenant.",
        "Only a bypass sees such rows.",
        "Fill the column, then ALTER COLUMN ... SET NOT NULL in a migration.",
    ),
    Rule(
        "TG303",
        "table-unknown",
        "warning",
        "The database has a table that is not in the models.",
        "The guard refuses statements that name it, and nobody has said whose its rows are.",
        "Give it a model and a placement, or drop it.",
    ),
    Rule(
        "TG304",
        "table-missing",
        "warning",
        "A table of the models is not in the database.",
        "The database is older than the models, or a different one, so the check does not describe what runs.",
        "Run the migrations, or check the database that the models describe.",
    ),
    Rule(
        "TG305",
        "column-differs",
        "error",
        "A column that decides who owns rows is missing in the database, or has another type there.",
        "The guard's predicate compares this column. If the database converts it, other values are compared.",
        "Write a migration that makes the model and the database agree.",
    ),
    Rule(
        "TG306",
        "live-index-missing",
        "warning",
        "The models have an index that begins with the tenant column, but the database does not.",
        "Every statement reads the rows of all tenants to find the ones it needs.",
        "Create the index.",
    ),
    Rule(
        "TG307",
        "live-unique-without-tenant",
        "warning",
        "The database has a unique constraint or index without the tenant that is not in the models.",
        "A value that another tenant uses is refused, which reveals that it exists.",
        "Drop it, or make it include the tenant, and declare it in the models.",
    ),
    Rule(
        "TG308",
        "live-key-missing",
        "error",
        "The models declare a foreign key that decides who owns rows, but the database does not have it.",
        "Nothing keeps a row from pointing at a parent that does not exist, or that later becomes another tenant's.",
        "Create the foreign key in a migration.",
    ),
    Rule(
        "TG309",
        "live-cascade",
        "error",
        "A foreign key of the database cascades to tenants' rows, and the models do not declare it.",
        "The guard relies on the models to know which other rows a delete or an update changes.",
        "Declare the action in the models, or remove it from the database.",
    ),
)
