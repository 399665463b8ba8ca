"""The first tables, and the plans, which are the same for all companies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    plans = op.create_table(
        "plans",
        sa.Column("code", sa.String(20), primary_key=True),
        sa.Column("seats", sa.Integer, nullable=False),
    )
    op.bulk_insert(plans, [{"code": "free", "seats": 3}, {"code": "team", "seats": 50}])
    op.create_table(
        "companies",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.String(80), nullable=False, unique=True),
        sa.Column("plan_code", sa.String(20), sa.ForeignKey("plans.code"), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("email", sa.String(120), nullable=False, unique=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("is_staff", sa.Boolean, nullable=False),
    )
    op.create_table(
        "members",
        sa.Column("id", sa.Uuid, primary_key=True),
        _company(),
        sa.Column("user_id", sa.Uuid, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.UniqueConstraint("company_id", "user_id"),
    )
    op.create_table(
        "invites",
        sa.Column("id", sa.Uuid, primary_key=True),
        _company(),
        sa.Column("email", sa.String(120), nullable=False),
        sa.Column("code", sa.String(60), nullable=False, unique=True),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Uuid, primary_key=True),
        _company(),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("created_at", sa.DateTime, nullable=False),
        sa.UniqueConstraint("company_id", "number"),
    )
    op.create_table(
        "tasks",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "project_id",
            sa.Uuid,
            sa.ForeignKey("projects.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("assignee_id", sa.Uuid, sa.ForeignKey("users.id")),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("minutes", sa.Integer, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )


def _company() -> sa.Column[object]:
    return sa.Column("company_id", sa.Uuid, sa.ForeignKey("companies.id"), nullable=False, index=True)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("tasks", "projects", "invites", "members", "users", "companies", "plans"):
        op.drop_table(name)
