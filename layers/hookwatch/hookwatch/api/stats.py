"""Routes: statistics of what was attempted, by the hour or the day."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, NotRequired

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from typing_extensions import TypedDict

from hookwatch import activity, errors, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, scope
from hookwatch.api.answers import Time, answers
from hookwatch.observing import hours, records, stats
from hookwatch.observing.given import Moment
from hookwatch.observing.stats import Counts, Hour

router = APIGatewayRouter()

Granularity = Literal["hour", "day"]

LONGEST = {"hour": timedelta(days=31), "day": timedelta(days=400)}
_LENGTH = {"hour": 1, "day": 24}  # hours
_USUAL = {"hour": 24, "day": 31 * 24}  # hours
_RECORDS_AT_MOST = 10_000
# Of the years that a datetime can have.
_FIRST_HOUR = times.hour_of(datetime(1, 1, 1, tzinfo=UTC))
_LAST_HOUR = times.hour_of(datetime(9999, 12, 31, tzinfo=UTC))
_WORST = 10
_APPLICATIONS_AT_MOST = 100  # 17 queries each
_WORST_WITHIN = 32 * 24  # hours: of each of the ten, every hour is read


class StatsRow(TypedDict):
    """From `period_start` to before `period_end`. A percentile is at most 9.1 % off. Of what nobody reported, the
    summary's numbers are null."""

    application_id: str
    endpoint_id: str | None
    period_start: Time
    period_end: Time
    total_messages: int | None
    successful_messages: int | None
    failed_messages: int | None
    pending_messages: int | None
    attempts: int | None
    failed_attempts: int | None
    success_rate: float | None
    avg_delivery_time_ms: int | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    response_classes: dict[str, int]
    failures_by_cause: dict[str, int]


class StatsView(TypedDict):
    """Of an application also the ten endpoints with the most failed attempts, null over more than 32 days, and whether
    all of its endpoints were counted."""

    data: list[StatsRow]
    summary: StatsRow
    worst_endpoints: NotRequired[list[StatsRow] | None]
    complete: NotRequired[bool]


@router.get("/stats", responses=answers(StatsView))
def get_stats(
    application_id: Annotated[str | None, Query()] = None,
    endpoint_id: Annotated[str | None, Query()] = None,
    since: Annotated[Moment | None, Query()] = None,
    until: Annotated[Moment | None, Query()] = None,
    granularity: Annotated[Granularity, Query()] = "hour",
) -> Response[str]:
    """The last 24 hours, or 31 days, where nothing else is said; oldest first. `since` and `until` are moved outwards
    to whole hours, or whole days (UTC). Periods in which nothing was reported are left out. Of every application (`*`)
    where at most a hundred reported anything, and then without their worst endpoints."""
    application_id = scope(router, application_id)
    first, end = _period(since, until, granularity)
    if application_id == EVERY_APPLICATION:
        if endpoint_id is not None:
            raise errors.invalid("Name the endpoint's application.", {"loc": ["application_id"], "msg": "is every one"})
        return answer(200, _of_every_application(first, end, granularity))
    if endpoint_id is not None:
        counted = _of_endpoint(application_id, endpoint_id, first, end)
        return answer(200, _told(application_id, endpoint_id, counted, (first, end), granularity))
    counted, endpoints, is_complete = _of_application(application_id, first, end, granularity)
    told = _told(application_id, None, counted, (first, end), granularity)
    if end - first > _WORST_WITHIN:
        return answer(200, {**told, "worst_endpoints": None, "complete": is_complete})
    worst, are_all = _worst(application_id, endpoints, first, end)
    return answer(200, {**told, "worst_endpoints": worst, "complete": is_complete and are_all})


def view(application_id: str, endpoint_id: str | None, first: int, end: int, counts: Counts) -> StatsRow:
    """Hours from `first` to before `end`. A percentile is at most 9.1 % off (observing.stats)."""
    total, failed = counts.get("messages", 0), counts.get("failed_messages", 0)
    successful = counts.get("successful_messages", 0)
    timed = counts.get("timed", 0)
    return {
        "application_id": application_id,
        "endpoint_id": endpoint_id,
        "period_start": times.to_text(times.start_of(first)),
        "period_end": times.to_text(times.start_of(end)),
        "total_messages": total,
        "successful_messages": successful,
        "failed_messages": failed,
        "pending_messages": max(0, total - successful - failed),
        "attempts": counts.get("attempts", 0),
        "failed_attempts": counts.get("failed_attempts", 0),
        "success_rate": round(successful / (successful + failed), 6) if successful + failed else None,
        "avg_delivery_time_ms": round(counts["duration_ms"] / timed) if timed else None,
        "p50_ms": stats.percentile_ms(counts, 0.5),
        "p95_ms": stats.percentile_ms(counts, 0.95),
        "p99_ms": stats.percentile_ms(counts, 0.99),
        "response_classes": _named(counts, "class_"),
        "failures_by_cause": _named(counts, "cause_"),
    }


class _Unknown(TypedDict):
    total_messages: None
    successful_messages: None
    failed_messages: None
    pending_messages: None
    attempts: None
    failed_attempts: None


# What nobody reported is not known: not 0.
_UNKNOWN: _Unknown = {
    "total_messages": None,
    "successful_messages": None,
    "failed_messages": None,
    "pending_messages": None,
    "attempts": None,
    "failed_attempts": None,
}


def _told(
    application_id: str, endpoint_id: str | None, counted: dict[int, Counts], period: tuple[int, int], granularity: str
) -> StatsView:
    length = _LENGTH[granularity]
    periods: defaultdict[int, list[Counts]] = defaultdict(list)
    for hour, counts in counted.items():
        periods[hour // length * length].append(counts)
    rows = [
        view(application_id, endpoint_id, first, first + length, stats.summed(periods[first]))
        for first in sorted(periods)
    ]
    summary = view(application_id, endpoint_id, *period, stats.summed(counted.values()))
    return {"data": rows, "summary": summary if rows else {**summary, **_UNKNOWN}}


def _of_endpoint(application_id: str, endpoint_id: str, first: int, end: int) -> dict[int, Counts]:
    """
    Raises:
        errors.Problem: 404, nothing was ever heard of it.
    """
    try:
        item = tables.MonitoredEndpoint.get(application_id, endpoint_id)
    except tables.MonitoredEndpoint.DoesNotExist:
        raise errors.not_found("monitored endpoint") from None
    return _counted(application_id, endpoint_id, records.from_item(item).hour, first, end)


def _counted(application_id: str, endpoint_id: str, open_hour: Hour, first: int, end: int) -> dict[int, Counts]:
    counted = hours.of_endpoint(application_id, endpoint_id, first, end)
    # Where there is a row of the open hour, it was written since the record was read.
    if first <= open_hour.start < end and open_hour.start not in counted:
        counted[open_hour.start] = open_hour.counts
    return counted


def _of_application(
    application_id: str, first: int, end: int, granularity: Granularity
) -> tuple[dict[int, Counts], dict[str, Hour], bool]:
    """{hour: counts}, the open hours of its endpoints within, and whether they are all of them."""
    counted = hours.of_application(application_id, first, end, "hours" if granularity == "hour" else "days")
    found = tables.MonitoredEndpoint.query(
        application_id, attributes_to_get=["endpoint_id", "version", "record"], limit=_RECORDS_AT_MOST
    )
    endpoints = {item.endpoint_id: records.from_item(item).hour for item in found}
    is_complete = found.last_evaluated_key is None
    endpoints = {endpoint_id: hour for endpoint_id, hour in endpoints.items() if first <= hour.start < end}
    for hour in endpoints.values():
        counted[hour.start] = stats.summed((counted.get(hour.start, {}), hour.counts))
    # A row that only tells how many endpoints became active holds no attempts yet.
    return {hour: counts for hour, counts in counted.items() if "attempts" in counts}, endpoints, is_complete


def _of_every_application(first: int, end: int, granularity: Granularity) -> StatsView:
    """
    Raises:
        errors.Problem: 422, there are too many to be summed up in one answer.
    """
    named = {application_id for _, active in activity.between(first, end - 1) for application_id in active}
    if len(named) > _APPLICATIONS_AT_MOST:
        raise errors.invalid(
            "Too many applications reported something then.",
            {
                "loc": ["application_id"],
                "msg": f"stands for {len(named)}, and {_APPLICATIONS_AT_MOST} can be summed up",
            },
        )
    counted: defaultdict[int, Counts] = defaultdict(dict)
    are_complete = True
    for application_id in named:
        own, _, is_complete = _of_application(application_id, first, end, granularity)
        are_complete &= is_complete
        for hour, counts in own.items():
            counted[hour] = stats.summed((counted[hour], counts))
    told = _told(EVERY_APPLICATION, None, counted, (first, end), granularity)
    return {**told, "worst_endpoints": None, "complete": are_complete}


def _worst(application_id: str, open_hours: dict[str, Hour], first: int, end: int) -> tuple[list[StatsRow], bool]:
    """The ten endpoints with the most failed attempts, and whether all were looked at."""
    failures, are_all = hours.failures(application_id, first, end)
    failed = defaultdict(int, {endpoint_id: counts["failed_attempts"] for endpoint_id, counts in failures.items()})
    for endpoint_id, hour in open_hours.items():
        failed[endpoint_id] += hour.counts.get("failed_attempts", 0)
    worst = sorted((endpoint_id for endpoint_id in failed if failed[endpoint_id]), key=lambda key: (-failed[key], key))
    told = []
    for endpoint_id in worst[:_WORST]:
        counted = _counted(application_id, endpoint_id, open_hours.get(endpoint_id, Hour()), first, end)
        told.append(view(application_id, endpoint_id, first, end, stats.summed(counted.values())))
    return told, are_all


def _named(counts: Counts, prefix: str) -> dict[str, int]:
    return {name.removeprefix(prefix): number for name, number in sorted(counts.items()) if name.startswith(prefix)}


def _period(since: datetime | None, until: datetime | None, granularity: str) -> tuple[int, int]:
    """Hours since the epoch, from the first to before the end."""
    length = _LENGTH[granularity]
    end = -(-times.hour_of((until or times.now()) + timedelta(hours=1) - timedelta(microseconds=1)) // length) * length
    first = times.hour_of(since) // length * length if since else end - _USUAL[granularity]
    if first < _FIRST_HOUR or end > _LAST_HOUR:
        raise errors.invalid("The period is too far away.", {"loc": ["until"], "msg": "is in no year from 1 to 9999"})
    if first >= end:
        raise errors.invalid("The period is empty.", {"loc": ["since"], "msg": "is not before until"})
    if end - first > LONGEST[granularity] / timedelta(hours=1) + length:
        raise errors.invalid(
            "The period is too long.",
            {"loc": ["since"], "msg": f"by the {granularity}, at most {LONGEST[granularity].days} days"},
        )
    return first, end
