"""Lists: `{"data": […], "next_cursor": null|"…"}`."""

import base64
from collections.abc import Callable
from itertools import islice
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from pynamodb.models import Model
from pynamodb.pagination import ResultIterator

from hookwatch import errors

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=1024)]
_PAGES_AT_MOST = 10


def page(
    found: ResultIterator[Any], of: type[Model], view: Callable[[Any], dict[str, Any]], *names: str
) -> dict[str, Any]:
    """What `found`, a query of `of` whose pages are as long as the limit, holds in its first page that is not empty: of
    ten at most, for a filter may let nothing through. A cursor has the attributes `names` of the last item read."""
    data: list[dict[str, Any]] = []
    for read_so_far in islice(found.page_iter, _PAGES_AT_MOST):
        data = [view(of.from_raw_data(item)) for item in read_so_far["Items"]]
        if data:
            break
    last = found.page_iter.last_evaluated_key
    return {"data": data, "next_cursor": cursor(*(last[name]["S"] for name in names)) if last else None}


def start(named: str | None, *names: str, **fixed: str) -> dict[str, dict[str, str]] | None:
    """Where a query goes on: the key of which a cursor has the attributes `names`, and the query itself `fixed`.

    Raises:
        errors.Problem: 422, it is not a cursor.
    """
    values = read(named, len(names))
    if values is None:
        return None
    return {name: {"S": value} for name, value in (*fixed.items(), *zip(names, values, strict=True))}


def read(named: str | None, number: int) -> tuple[str, ...] | None:
    """What a cursor has, which are `number` texts.

    Raises:
        errors.Problem: 422, it is not a cursor.
    """
    if named is None:
        return None
    try:
        values = msgspec.json.decode(base64.b64decode(named, altchars=b"-_", validate=True), type=tuple[str, ...])
    except (ValueError, msgspec.MsgspecError):  # ValueError: no base64, or no ASCII
        raise not_a_cursor() from None
    if len(values) != number or not all(values):
        raise not_a_cursor()
    return values


def not_a_cursor() -> errors.Problem:
    return errors.invalid("The cursor is not one of ours.", {"loc": ["cursor"], "msg": "not a cursor"})


def cursor(*values: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(values)).decode()
