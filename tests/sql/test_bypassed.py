"""Writes in a bypass: rows of two tenants are not tied together, whichever statement came before."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from tenantguard import CrossTenantError, bypass
from tests.models import Call, Comment, Number
from tests.sql.world import World


def test_one_statement_is_not_judged_by_the_places_of_another(memory: World) -> None:
    """Inserts with parameters in other places follow one another; the last one ties, and is refused."""
    with bypass(reason="a repair"), memory.engine.begin() as connection:
        call = connection.execute(select(Call.id, Call.company_id, Call.number_id).order_by(Call.id)).first()
        assert call is not None
        row = {"company_id": call.company_id, "call_id": call.id, "body": "first"}
        connection.execute(insert(Comment).values(**row))
        number = connection.scalar(select(Number.id).where(Number.company_id != call.company_id))
        with pytest.raises(CrossTenantError):
            connection.execute(
                insert(Call).values(
                    seconds=1, country_code="AT", number_id=number, company_id=call.company_id
                )
            )
        connection.execute(insert(Comment).values(body="second", company_id=call.company_id, call_id=call.id))
