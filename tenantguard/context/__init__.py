"""The context: who the running code acts for at this moment, carried by context variables."""

from __future__ import annotations

from tenantguard.binding import Binding, no_tenant
from tenantguard.context.blocks import bind, bypass, bypass_observers, current
from tenantguard.context.entry import begin, end, enter, leave, time_over
from tenantguard.context.variables import (
    Request,
    peek,
    peek_request,
    put,
    put_request,
    request_id,
    reset,
    reset_request,
    served,
    set_request_id,
)
from tenantguard.principal import Principal, tenant_id

__all__ = [
    "Binding",
    "Principal",
    "Request",
    "begin",
    "bind",
    "bypass",
    "bypass_observers",
    "current",
    "end",
    "enter",
    "leave",
    "no_tenant",
    "peek",
    "peek_request",
    "put",
    "put_request",
    "request_id",
    "reset",
    "reset_request",
    "served",
    "set_request_id",
    "tenant_id",
    "time_over",
]
