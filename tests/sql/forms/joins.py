"""Rows of the table: joins."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    join,
    outerjoin,
    select,
    true,
)
from sqlalchemy.orm import aliased
from sqlalchemy.orm import join as orm_join
from sqlalchemy.orm import outerjoin as orm_outerjoin

from tests.models import Call, CallTag, Comment, Country, Label, Number, TagNote, User
from tests.sql.forms.form import Does, Group
from tests.sql.forms.reading import T, calls, comments, labels, numbers, tags, users

W, ON, D = Does.WHERE, Does.ON, Does.DERIVED
_c, _n = calls.c, numbers.c

JOINS = Group("Joins")

JOINS.add(
    "inner join",
    "`join(a, b)`, `.join()`, `.join_from()`",
    W,
    lambda db: select(_c.id, _n.digits).select_from(join(calls, numbers, true())),
    "join()", "Join", "FromClause.join", "Select.join", "Select.join_from", "Join.select",
)  # fmt: skip
JOINS.add(
    "inner join of classes",
    "`orm.join()`, `.join(Model.relationship)`",
    W,
    lambda db: select(Call.id, Number.id).select_from(orm_join(Call, Number, Call.number)),
    "orm.join()", "_ORMJoin",
)  # fmt: skip
JOINS.add(
    "left outer join",
    "`outerjoin(a, b)`, `.outerjoin()`",
    (W, ON),
    lambda db: select(_c.id, T["users"].c.email).select_from(outerjoin(calls, users, users.c.id > 0)),
    "outerjoin()", "FromClause.outerjoin", "Select.outerjoin", "Select.outerjoin_from",
)  # fmt: skip
JOINS.add(
    "left outer join of classes",
    "`orm.outerjoin()`",
    (W, ON),
    lambda db: select(User.id, Call.id).select_from(orm_outerjoin(User, Call, Call.user_id == User.id + 100)),
    "orm.outerjoin()",
)
JOINS.add(
    "outer join of an own child on its key",
    "`outerjoin(parent, child)`",
    W,
    lambda db: select(_c.id, tags.c.id).select_from(calls.outerjoin(tags, tags.c.call_id == _c.id)),
)
JOINS.add(
    "outer join of a child on anything else",
    "`outerjoin(parent, child, true())`",
    (W, ON),
    lambda db: select(_c.id, tags.c.id).select_from(calls.outerjoin(tags, true())),
)
JOINS.add(
    "chain of outer joins",
    "`a.outerjoin(b).outerjoin(c)`",
    (W, ON),
    lambda db: select(_c.id, users.c.id, _n.id).select_from(
        calls.outerjoin(users, users.c.id == _c.user_id + 100).outerjoin(numbers, _n.id >= _c.id)
    ),
)
JOINS.add(
    "nested join",
    "`a.outerjoin(b.join(c))`",
    (W, ON),
    lambda db: select(users.c.id, _c.id, _n.id).select_from(
        users.outerjoin(calls.join(numbers, _n.id >= _c.number_id), _c.user_id == users.c.id)
    ),
    "FromGrouping", "NamedFromGrouping", "GroupedElement",
)  # fmt: skip
JOINS.add(
    "outer join inside an outer join",
    "`a.outerjoin(b.outerjoin(c))`",
    (W, ON),
    lambda db: select(users.c.id, _c.id, _n.id).select_from(
        users.outerjoin(calls.outerjoin(numbers, _n.id >= 1), _c.user_id != users.c.id)
    ),
)
JOINS.add(
    "join of a table with itself",
    "`t.join(t.alias())`",
    W,
    lambda db: _with_itself(),
)
JOINS.add(
    "alias of a join",
    "a subquery of a join",
    W,
    lambda db: select(select(_c.id, _n.digits).select_from(calls.join(numbers)).subquery("j")),
)
JOINS.add(
    "FULL JOIN",
    "`.join(full=True)`",
    D,
    lambda db: select(_c.id, users.c.id).select_from(
        calls.join(users, users.c.id == _c.user_id + 100, full=True)
    ),
    on=("sqlite", "postgresql"),
)
JOINS.add(
    "FULL JOIN of aliases",
    "`aliased(A)`, `aliased(B)`, `full=True`",
    D,
    lambda db: _full_of_aliases(),
    on=("sqlite", "postgresql"),
)
JOINS.add(
    "FULL JOIN of joins",
    "`a.join(b).join(c, full=True)`",
    D,
    lambda db: select(_c.id, _n.id, users.c.id).select_from(
        calls.join(numbers, _n.id == _c.number_id).join(users, users.c.id == _c.user_id, full=True)
    ),
    on=("sqlite", "postgresql"),
)
JOINS.add(
    "FULL JOIN on the right of an outer join",
    "`a.outerjoin(b.join(c, full=True))`",
    (W, D),
    lambda db: select(users.c.id, _c.id, _n.id).select_from(
        users.outerjoin(calls.join(numbers, _n.id == _c.number_id + 1, full=True), _c.user_id == users.c.id)
    ),
    on=("postgresql",),
)
JOINS.add(
    "FULL JOIN with a through table",
    "`child.join(other, full=True)`",
    D,
    lambda db: select(tags.c.id, labels.c.id).select_from(
        tags.join(labels, labels.c.id == tags.c.id, full=True)
    ),
    on=("sqlite", "postgresql"),
)
JOINS.add(
    "join to a shared table",
    "`owned.join(shared)`",
    W,
    lambda db: select(Call.id, Country.name).join(Call.country),
)
JOINS.add(
    "join over an association table",
    "`.join(Model.many_to_many)`",
    W,
    lambda db: select(Call.id, Label.name).join(Call.labels),
)
JOINS.add(
    "join through several relationships",
    "`.join(A.b).join(B.c)`",
    W,
    lambda db: select(TagNote.body, Call.id).join(TagNote.tag).join(CallTag.call).join(Call.comments),
)
JOINS.add(
    "self-referential relationship",
    "`.join(Model.parent.of_type(alias))`",
    W,
    lambda db: _self_referential(),
)
JOINS.add(
    "LATERAL",
    "`lateral()`, `.lateral()`",
    W,
    lambda db: _lateral(),
    "lateral()", "Lateral", "LateralFromClause", "SelectBase.lateral", "Selectable.lateral",
    on=("postgresql",),
)  # fmt: skip


def _with_itself() -> Any:
    reply = comments.alias("r")
    return select(comments.c.id, reply.c.id).join_from(comments, reply, reply.c.parent_id >= comments.c.id)


def _full_of_aliases() -> Any:
    one, two = aliased(Call, name="one"), aliased(User, name="two")
    return select(one.id, two.id).select_from(orm_join(one, two, two.id == one.user_id, full=True))


def _self_referential() -> Any:
    parent = aliased(Comment, name="up")
    return select(Comment.id, parent.id).join(Comment.parent.of_type(parent))


def _lateral() -> Any:
    newest = select(tags.c.tag).where(tags.c.call_id >= _c.id).order_by(tags.c.id).limit(1).lateral("newest")
    return select(_c.id, newest.c.tag).select_from(calls.outerjoin(newest, true()))
