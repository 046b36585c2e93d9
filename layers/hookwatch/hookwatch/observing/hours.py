"""MessageStats: hours of attempts, added up where they are written."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Literal

import msgspec
from pynamodb.expressions.operand import Path
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from hookwatch import tables, times
from hookwatch.observing import stats
from hookwatch.observing.signals import digest
from hookwatch.observing.stats import Counts, Rows

Unit = Literal["hours", "days"]

_SHARDS = 16  # of an application's row: an hour's turn adds to it once for each endpoint
_DAY_SHARDS = 4  # of the index of failures: an index that is throttled throttles its table
_WORST_READ_AT_MOST = 10_000


def add(transaction: TransactWrite, application_id: str, endpoint_id: str, rows: Rows, retention_days: int) -> None:
    """Puts the additions into the transaction, so that they are made when the record is written, or not at all."""
    shard = int(digest(endpoint_id)[:8], 16) % _SHARDS
    own = _of_endpoint(application_id, endpoint_id)
    additions = (
        (own, rows.of_endpoint),
        (_of_application(application_id, shard), rows.of_application),
        (_of_application(application_id, shard, "days"), rows.of_days),
    )
    for scope, hours in additions:
        for hour, counts in hours.items():
            start = times.start_of(hour)
            actions: list[Action] = [tables.MessageStats.expires_at.set(tables.expiry(start, retention_days))]
            actions += [Path(name).add(number) for name, number in sorted(counts.items())]
            if scope == own and "failed_attempts" in counts:
                day = _day(application_id, start, shard % _DAY_SHARDS)
                actions.append(tables.MessageStats.application_day.set(day))
            transaction.update(tables.MessageStats(scope, hour), actions=actions)


def of_endpoint(application_id: str, endpoint_id: str, since: int, until: int) -> dict[int, Counts]:
    """{hour: counts} of one monitored endpoint, for the hours from `since` to before `until`."""
    return {int(item.hour): item.counts for item in _query(_of_endpoint(application_id, endpoint_id), since, until)}


def of_application(application_id: str, since: int, until: int, unit: Unit = "hours") -> dict[int, Counts]:
    """{hour: counts} of an application, without the hours that are open in its endpoints' records; by the day, the
    first hour of each."""
    hours: dict[int, Counts] = {}
    for shard in range(_SHARDS):
        for item in _query(_of_application(application_id, shard, unit), since, until):
            hours[int(item.hour)] = stats.summed((hours.get(int(item.hour), {}), item.counts))
    return hours


def failures(application_id: str, since: int, until: int) -> tuple[dict[str, Counts], bool]:
    """{endpoint id: attempts and failed attempts} of those with failures, and whether it is all of them."""
    found: dict[str, Counts] = {}
    left = _WORST_READ_AT_MOST
    index = tables.MessageStats.failures_of_day
    for day, shard in product(_days(since, until), range(_DAY_SHARDS)):
        for item in index.query(_day(application_id, day, shard), scan_index_forward=False, limit=left):
            left -= 1
            if since <= item.hour < until:
                endpoint_id = msgspec.json.decode(item.scope)[2]
                found[endpoint_id] = stats.summed((found.get(endpoint_id, {}), item.counts))
        if left == 0:
            return found, False
    return found, True


def rows_of_endpoint(application_id: str, endpoint_id: str, first: int = 0) -> Iterator[tables.MessageStats]:
    """All that are stored of one monitored endpoint, from hour `first` on."""
    table = tables.MessageStats
    return table.query(_of_endpoint(application_id, endpoint_id), table.hour >= first, consistent_read=True)


def rows_of_application(application_id: str) -> Iterator[tables.MessageStats]:
    """All that are stored of an application as a whole: every shard, by the hour and by the day."""
    units: tuple[Unit, ...] = ("hours", "days")
    for unit, shard in product(units, range(_SHARDS)):
        yield from tables.MessageStats.query(_of_application(application_id, shard, unit), consistent_read=True)


def _query(scope: str, since: int, until: int) -> Iterable[tables.MessageStats]:
    table = tables.MessageStats
    is_kept = table.expires_at > int(times.now().timestamp())
    return table.query(scope, table.hour.between(since, until - 1), filter_condition=is_kept)


def _days(since: int, until: int) -> Iterator[datetime]:
    """Newest first."""
    day = times.start_of(until - 1).replace(hour=0)
    while day + timedelta(days=1) > times.start_of(since):
        yield day
        day -= timedelta(days=1)


def _of_endpoint(application_id: str, endpoint_id: str) -> str:
    return msgspec.json.encode(("endpoint", application_id, endpoint_id)).decode()


def _of_application(application_id: str, shard: int, unit: Unit = "hours") -> str:
    kind = "application" if unit == "hours" else "application_days"
    return msgspec.json.encode((kind, application_id, shard)).decode()


def _day(application_id: str, moment: datetime, shard: int) -> str:
    return msgspec.json.encode((application_id, moment.date().isoformat(), shard)).decode()
