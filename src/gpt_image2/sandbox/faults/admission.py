"""Which fault a request is to meet, and whether it is let in at all."""

from __future__ import annotations

from starlette.requests import Request

from ..api.access import check_key, key_of
from ..api.errors import Refused
from .fault import Fault
from .table import FAULTS, NO_FAULT


def fault_of(request: Request) -> Fault:
    """The fault in a request's path."""
    name = request.path_params.get("fault")
    if name is None:
        return NO_FAULT
    if name not in FAULTS:
        message = f"There is no fault '{name}'. The faults are: {', '.join(FAULTS)}."
        raise Refused(404, message, code="unknown_fault")
    return FAULTS[name]


def admit(request: Request) -> None:
    """Check fault and key of a request to an endpoint that costs nothing."""
    fault_of(request)
    check_key(key_of(request))
