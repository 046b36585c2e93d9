"""Routes: the audit, who changed what of Hookwatch's own configuration or read a secret."""

from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import AwareDatetime
from pynamodb.expressions.condition import Condition
from typing_extensions import TypedDict

from hookwatch import audit, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, paging, scope
from hookwatch.api.answers import Time, among, answers
from hookwatch.audit import KEPT_DAYS, Action

router = APIGatewayRouter()

_READS_AT_MOST = 15  # of a page each: all months that are kept, if there is nothing in them


class AuditView(TypedDict):
    """`before` and `after` are what `target` names, as the other routes show it, and null where there was none. A
    request has an id of API Gateway's and came from `source_ip`; what `hookwatch` does has neither."""

    audit_id: str
    application_id: str
    timestamp: Time
    actor: str
    action: Annotated[str, among(Action)]
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    request_id: str | None
    source_ip: str | None


def view(item: tables.Audit) -> AuditView:
    return {
        "audit_id": item.audit_id,
        "application_id": item.application_id,
        "timestamp": item.timestamp,
        "actor": item.actor,
        "action": item.action,
        "target": item.target,
        "before": audit.from_text(item.before),
        "after": audit.from_text(item.after),
        "request_id": item.request_id,
        "source_ip": item.source_ip,
    }


@router.get("/audit", responses=answers(paging.Page[AuditView]))
def list_audit(
    application_id: Annotated[str | None, Query()] = None,
    actor: Annotated[str | None, Query()] = None,
    action: Annotated[Action | None, Query()] = None,
    target: Annotated[str | None, Query()] = None,
    since: Annotated[AwareDatetime | None, Query()] = None,
    until: Annotated[AwareDatetime | None, Query()] = None,
    limit: paging.Limit = 50,
    cursor: paging.Cursor = None,
) -> Response[str]:
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
        return answer(200, _of_every_application(first, last, condition, limit, cursor))
    found = table.query(
        application_id,
        table.listed_at.between(first, last),
        filter_condition=condition,
        scan_index_forward=False,
        page_size=limit,
        last_evaluated_key=paging.start(router.current_event, cursor, "listed_at", application_id=application_id),
    )
    return answer(200, paging.page(router.current_event, found, table, view, "listed_at"))


def _of_every_application(
    first: str, last: str, condition: Condition, limit: int, cursor: str | None
) -> paging.Page[AuditView]:
    """Back from month to month. A cursor has the month, and the last item read in it, if any."""
    request, table, now = router.current_event, tables.Audit, times.now()
    oldest = max(first, times.to_text(now - timedelta(days=KEPT_DAYS)))[:7]
    month, *read = paging.read(request, cursor, 3) or (min(last, times.to_text(now))[:7], "", "")
    data: list[AuditView] = []
    for _ in range(_READS_AT_MOST):
        if data or month < oldest:
            break
        found = table.by_month.query(
            month,
            table.listed_at.between(first, last),
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
