"""Dramatiq: the company travels in the options of the message, and the actor binds it before it runs."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.middleware import CurrentMessage
from sqlalchemy import update
from sqlalchemy.orm import sessionmaker

from examples.recipes.models import Task
from tenantguard import bind, current

sessions = sessionmaker()  # the worker binds it to the guarded engine: sessions.configure(bind=engine)


class CompanyActor(dramatiq.Actor[Any, Any]):
    """An actor that works for the company that its message was sent for."""

    def message_with_options(self, **options: Any) -> dramatiq.Message[Any]:
        """Return a message that names the company; NoTenantError where none is bound."""
        return super().message_with_options(**options, company=current().tenant)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run for the company of the message; the worker's broker needs the CurrentMessage middleware."""
        message = CurrentMessage.get_current_message()
        company: Any = message.options.get("company") if message else current().tenant
        with bind(company):
            return super().__call__(*args, **kwargs)


def close_tasks(project_id: int) -> None:
    """Close the tasks of a project; one of another company has none."""
    with sessions.begin() as session:
        session.execute(update(Task).where(Task.project_id == project_id).values(done=True))


def declare(broker: dramatiq.Broker) -> dramatiq.Actor[Any, Any]:
    """Return the actor, known to a broker."""
    broker.add_middleware(CurrentMessage())
    return dramatiq.actor(actor_class=CompanyActor, broker=broker)(close_tasks)
