"""Rules for the live database, whichever it is: TG301 and on."""

from __future__ import annotations

from tenantguard.checks.finding import Rule

DATABASE = (
    Rule(
        "TG301",
        "rows-cross",
        "error",
        "Rows of one tenant point at rows of another one.",
        "They were written before the guard, or around it. The guard hides the parent, so code that joins the two no "
        "longer sees the row; without the guard one tenant reads the other's data through the key.",
        "Decide whose each row is and correct the key; --keys lists them. Then a composite foreign key keeps it so.",
    ),
    Rule(
        "TG302",
        "rows-without-tenant",
        "error",
        "The database lets the tenant column be NULL though the model does not, or holds rows without a tenant.",
        "Such rows are seen by nobody but a bypass.",
        "Fill the column, then ALTER COLUMN ... SET NOT NULL in a migration.",
    ),
    Rule(
        "TG303",
        "table-unknown",
        "warning",
        "The database has a table that no model knows.",
        "The guard refuses statements that name it, and nobody has said whose its rows are.",
        "Give it a model and a placement, or drop it.",
    ),
    Rule(
        "TG304",
        "table-missing",
        "warning",
        "A table of the models is not in the database.",
        "The database is older than the models, or another one, so what was checked is not what runs.",
        "Run the migrations, or check the database that the models describe.",
    ),
    Rule(
        "TG305",
        "column-differs",
        "error",
        "A column that says how rows belong is missing in the database, or has another type there.",
        "The guard's predicate compares this column; where the database converts, it compares other values.",
        "Write the migration that makes model and database agree.",
    ),
    Rule(
        "TG306",
        "live-index-missing",
        "warning",
        "The models have an index that begins with the tenant column, and the database has none.",
        "Every statement reads the rows of all tenants to find its own.",
        "Create the index.",
    ),
    Rule(
        "TG307",
        "live-unique-without-tenant",
        "warning",
        "The database has a unique constraint or index without the tenant, of which the models say nothing.",
        "A value that another tenant took is refused, which tells that it exists.",
        "Drop it, or make it include the tenant; say it in the models.",
    ),
    Rule(
        "TG308",
        "live-key-missing",
        "error",
        "The models declare a foreign key that says how rows belong, and the database does not have it.",
        "Nothing keeps a row from pointing at a parent that is not there, or that is another tenant's later.",
        "Create the foreign key in a migration.",
    ),
    Rule(
        "TG309",
        "live-cascade",
        "error",
        "A foreign key of the database cascades to the tenants' rows, and the models say nothing of it.",
        "The guard reads the models to know which rows a delete or an update changes along with its own.",
        "Say the action in the models, or take it out of the database.",
    ),
)
