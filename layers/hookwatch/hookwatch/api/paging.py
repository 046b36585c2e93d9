"""Lists: `{"data": […], "next_cursor": null|"…"}`."""

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.pagination import ResultIterator

from hookwatch import errors

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Item = TypeVar("Item")


def page(found: ResultIterator[Item], key_attribute: str, view: Callable[[Item], dict[str, Any]]) -> dict[str, Any]:
    """What `found`, a query with a limit, holds. A cursor names `key_attribute` of the last item that was read."""
    data = [view(item) for item in found]
    last = found.last_evaluated_key
    return {"data": data, "next_cursor": cursor(last[key_attribute]["S"].encode()) if last else None}


def start(named: str | None) -> str | None:
    """The key attribute that a cursor names.

    Raises:
        errors.Problem: 422, it is not a cursor.
    """
    if named is None:
        return None
    try:
        key = base64.b64decode(named, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError):
        key = ""
    if not key:
        raise not_a_cursor()
    return key


def not_a_cursor() -> errors.Problem:
    return errors.invalid("The cursor is not one of ours.", {"loc": ["cursor"], "msg": "not a cursor"})


def cursor(key: bytes) -> str:
    return base64.urlsafe_b64encode(key).decode()
