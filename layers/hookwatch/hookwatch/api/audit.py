"""Routes: the audit, who changed what of Hookwatch's own configuration or read a secret."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import AwareDatetime
from pynamodb.expressions.condition import Condition

from hookwatch import audit, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import paging, scope
from hookwatch.audit import KEPT_DAYS, Action

router = APIGatewayRouter()

_READS_AT_MOST = 15  # of a page each: all months that are kept, if there is nothing in them


def view(item: tables.Audit) -> dict[str, Any]:
    return asdict(audit.from_item(item))


@router.get("/audit")
def list_audit(
    application_id: Annotated[str | None, Query()] = None,
    actor: Annotated[str | None, Query()] = None,
    action: Annotated[Action | None, Query()] = None,
    target: Annotated[str | None, Query()] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> dict[str, Any]:
    """Newest first; `since` is in it, `until` is not. Of `*` it is everything, of whatever application. A page may be
    short though there are more."""
    application_id = scope(router, application_id)
    table = tables.Audit
    condition = table.expires_at > int(times.now().timestamp())
    for attribute, value in ((table.actor, actor), (table.action, action), (table.target, target)):
        if value is not None:
            condition &= attribute == value
    first, last = paging.between(since, until)
    if application_id == EVERY_APPLICATION:
        return _of_every_application(first, last, condition, limit, cursor)
    found = table.query(
        application_id,
        table.listed_at.between(first, max(first, last)),
        filter_condition=condition,
        scan_index_forward=False,
        page_size=limit,
        last_evaluated_key=paging.start(router.current_event, cursor, "listed_at", application_id=application_id),
    )
    return paging.page(router.current_event, found, table, view, "listed_at")


def _of_every_application(
    first: str, last: str, condition: Condition, limit: int, cursor: str | None
) -> dict[str, Any]:
    """Back from month to month. A cursor has the month, and the last item read in it, if any."""
    request, table, now = router.current_event, tables.Audit, times.now()
    oldest = max(first, times.to_text(now - timedelta(days=KEPT_DAYS)))[:7]
    month, *read = paging.read(request, cursor, 3) or (min(last, times.to_text(now))[:7], "", "")
    data: list[dict[str, Any]] = []
    for _ in range(_READS_AT_MOST):
        if data or month < oldest:
            break
        found = table.by_month.query(
            month,
            table.listed_at.between(first, max(first, last)),
            filter_condition=condition,
            scan_index_forward=False,
            page_size=limit,
            last_evaluated_key=_key(month, *read) if all(read) else None,
        )
        data = [view(table.from_raw_data(item)) for item in next(found.page_iter)["Items"]]
        end = found.page_iter.last_evaluated_key
        read = [end["listed_at"]["S"], end["application_id"]["S"]] if end else ["", ""]
        month = month if end else _before(month)
    return {"data": data, "next_cursor": None if month < oldest else paging.cursor(request, month, *read)}


def _key(month: str, listed_at: str, application_id: str) -> dict[str, dict[str, str]]:
    return {"month": {"S": month}, "listed_at": {"S": listed_at}, "application_id": {"S": application_id}}


def _before(month: str) -> str:
    """`2026-12` for `2027-01`."""
    year, number = map(int, month.split("-"))
    return f"{year - 1:04}-12" if number == 1 else f"{year:04}-{number - 1:02}"
