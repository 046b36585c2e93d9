"""Lists: `{"data": […], "next_cursor": null|"…"}`. A cursor is sealed: it is of one query and of one key."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from pynamodb.models import Model
from pynamodb.pagination import ResultIterator
from typing_extensions import TypedDict  # Pydantic reads Python's own from 3.12 on

from hookwatch import errors, secrets_manager, times
from hookwatch.api import identity_of
from hookwatch.settings import ApiSettings

settings = ApiSettings.from_environment()

Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str | None, Query(max_length=1024)]
_PAGES_AT_MOST = 10
Shown = TypeVar("Shown")


class Page(TypedDict, Generic[Shown]):
    """`next_cursor` is null on the last page; a page may be short though it is not."""

    data: list[Shown]
    next_cursor: str | None


def between(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """From where to where `listed_at` lies, a time and an id: `since` is in it, `until` is not. Never backwards, which
    DynamoDB refuses."""
    # No moment is written with more than milliseconds, and "#" sorts before every digit and letter of an id.
    first = times.to_text(since) if since else "0"
    last = times.to_text(until - timedelta(milliseconds=1)) + "#~" if until else "9"
    return first, max(first, last)


def page(
    request: APIGatewayProxyEvent,
    found: ResultIterator[Any],
    of: type[Model],
    view: Callable[[Any], Shown | None],
    *names: str,
) -> Page[Shown]:
    """What `found`, a query of `of` whose pages are as long as the limit, holds in its first page that is not empty: of
    ten at most, for a filter may let nothing through. What has no view is left out. A cursor has the attributes `names`
    of the last item read."""
    data: list[Shown] = []
    for read_so_far in islice(found.page_iter, _PAGES_AT_MOST):
        views = (view(of.from_raw_data(item)) for item in read_so_far["Items"])
        data = [shown for shown in views if shown is not None]
        if data:
            break
    last = found.page_iter.last_evaluated_key
    return {"data": data, "next_cursor": cursor(request, *(last[name]["S"] for name in names)) if last else None}


def start(
    request: APIGatewayProxyEvent, named: str | None, *names: str, **fixed: str
) -> dict[str, dict[str, str]] | None:
    """Where a query goes on: the key of which a cursor has the attributes `names`, and the query itself `fixed`.

    Raises:
        errors.Problem: 422, it is not a cursor.
    """
    values = read(request, named, len(names))
    if values is None:
        return None
    return {name: {"S": value} for name, value in (*fixed.items(), *zip(names, values, strict=True))}


def read(request: APIGatewayProxyEvent, named: str | None, number: int) -> tuple[str, ...] | None:
    """What a cursor has, which are `number` texts.

    Raises:
        errors.Problem: 422, it is not a cursor, or not one of this query and this key.
    """
    if named is None:
        return None
    try:
        decoded = base64.b64decode(named, altchars=b"-_", validate=True)
        seal, *values = msgspec.json.decode(decoded, type=tuple[str, ...])
    except (ValueError, msgspec.MsgspecError):  # ValueError: no base64, or no ASCII, or nothing in it
        raise not_a_cursor() from None
    if len(values) != number or not hmac.compare_digest(seal.encode(), _seal(request, values).encode()):
        raise not_a_cursor()
    return tuple(values)


def not_a_cursor() -> errors.Problem:
    return errors.invalid("The cursor is not one of this list.", {"loc": ["cursor"], "msg": "not a cursor"})


def cursor(request: APIGatewayProxyEvent, *values: str) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((_seal(request, values), *values))).decode()


def _seal(request: APIGatewayProxyEvent, values: Sequence[str]) -> str:
    """Over who asks, and for what: a cursor goes on with its own list, and for its own key."""
    query = {name: value for name, value in request.query_string_parameters.items() if name not in ("cursor", "limit")}
    parts = msgspec.json.encode([identity_of(request).key_id, request.path.rstrip("/"), sorted(query.items()), values])
    key = secrets_manager.get(settings.cursor_key_secret)
    return hmac.new(key.encode(), parts, hashlib.sha256).hexdigest()[:32]
