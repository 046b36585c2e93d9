"""The observer and the sweeper killed before and after every single write: what they leave behind is what they leave
behind unkilled."""

from datetime import timedelta
from itertools import count
from typing import Any, Literal

import pytest

from hookwatch import activity, tables
from hookwatch.observing import records
from hookwatch.observing.signals import EndpointChange
from tests.faults.killing import Killed, killed_at
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, created, messages, unique
from tests.integration.test_observer import observe

HOUR = 3600
WRITES = ("dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.TransactWriteItems")
KEYS = {
    "MonitoredEndpoint": ("application_id", "endpoint_id"),
    "OperationalEvent": ("event_id",),
    "MessageStats": ("scope", "hour"),
    "Application": ("application_id", "item"),
}
Batch = list[dict[str, Any]]


def earlier(shop: str) -> Batch:
    """What is known before: each endpoint has an open hour, a change was told, an incident is open."""
    return [
        *messages(shop, attempt("plain", 0, succeeded=True)),
        *messages(shop, attempt("turning", 0), attempt("turning", 1, message_id="n", will_retry=False)),
        *messages(shop, attempt("told", 0), moved(0)),
        *messages(shop, *(attempt("swept", second) for second in range(0, 60, 5))),
    ]


def moved(second: float) -> EndpointChange:
    """The same fact whenever it is reported: a source that sends it again."""
    return EndpointChange(
        type="endpoint.updated",
        endpoint_id="told",
        signal_id="moved",
        occurred_at=START + timedelta(seconds=second),
        changes={"url": {"from": "https://a.example/", "to": "https://b.example/"}},
    )


def batch(shop: str) -> Batch:
    outage = [attempt("failing", second, attempt_number=4) for second in range(0, 60, 5)]
    late = [attempt("turning", -hour * HOUR, message_id=f"late{hour}", will_retry=False) for hour in (1, 2, 5)]
    return [
        *messages(shop, *(attempt("plain", second, succeeded=True) for second in range(1, 5))),
        *messages(shop, *outage, attempt("failing", 61, will_retry=False), created("failing")),
        *messages(shop, attempt("told", 8), moved(9), created("told")),
        *messages(shop, *late, attempt("turning", HOUR + 5), received_at=START + timedelta(seconds=HOUR + 9)),
        *messages(shop, attempt("plain", 5, succeeded=True)),
        *messages(shop, attempt("turning", 2 * HOUR, succeeded=True, message_id="n", attempt_number=2)),
        *messages(shop, *(attempt("new", second, succeeded=True) for second in range(3))),
    ]


def work(aws: Aws, shop: str, handed_out: Batch) -> None:
    """All that is written down: by the observer, and by the sweeper, which warns and closes."""
    assert observe(aws, *handed_out) == []
    for passed in (timedelta(hours=2), timedelta(days=6)):
        aws.function("sweeper").outbox.tick(shop, "swept", START + passed)


def left_behind(aws: Aws, shop: str) -> dict[str, list[str]]:
    """Everything but what a second look may raise: versions, the ids in doubt, and when an event expires."""
    return {table: sorted(repr(plain(table, item)) for item in items(aws, shop, table)) for table in KEYS}


def plain(table: str, item: dict[str, Any]) -> Any:
    if table == "MonitoredEndpoint":
        record = records.from_item(tables.MonitoredEndpoint.from_raw_data(item))
        return record.health, record.hour, record.due_at
    is_raised = table in ("OperationalEvent", "Application")
    return {name: value for name, value in sorted(item.items()) if not (is_raised and name == "expires_at")}


def items(aws: Aws, shop: str, table: str) -> list[dict[str, Any]]:
    return [item for item in aws.stored(table) if shop in repr(item)]


def forget(aws: Aws, shop: str) -> None:
    activity._known.clear()  # as a cold function
    for table, keys in KEYS.items():
        for item in items(aws, shop, table):
            aws.client("dynamodb").delete_item(TableName=table, Key={key: item[key] for key in keys})


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_write_nothing_is_lost_and_nothing_twice(aws: Aws, when: Literal["before", "after"]) -> None:
    shop = unique("shop")
    known, handed_out = earlier(shop), batch(shop)
    clients = [
        *(table._get_connection().connection.client for table in (tables.MonitoredEndpoint, tables.Application)),
        *(aws.function(name).outbox._connection.client for name in ("observer", "sweeper")),
    ]
    assert observe(aws, *known) == []
    work(aws, shop, handed_out)
    truth = left_behind(aws, shop)

    killed: list[str] = []
    for number in count(1):
        forget(aws, shop)
        assert observe(aws, *known) == []
        with killed_at(number, when, WRITES, clients) as kills:
            try:
                work(aws, shop, handed_out)
            except Killed:
                killed += kills
        if not kills:
            break
        work(aws, shop, handed_out)
        assert left_behind(aws, shop) == truth, f"killed {when} write {number}"
    # `plain`; `failing`, `told` (refused for the event that exists, and again), `turning`, `new`, a warning, a closing
    # and before them, for the hours in which the application was active, seven notes
    assert sorted(killed) == ["PutItem"] + ["TransactWriteItems"] * 7 + ["UpdateItem"] * 7
    types = {item["type"]["S"] for item in items(aws, shop, "OperationalEvent")}
    assert {"endpoint.failing", "endpoint.warning", "endpoint.recovered", "message.attempt.recovered"} <= types
