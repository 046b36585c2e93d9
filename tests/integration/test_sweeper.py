"""Each minute → MonitoredEndpoint, Application, OperationalEvent: what no traffic brings about."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from hookwatch import tables, times
from hookwatch.observing import applications, minutes, sweeping
from hookwatch.observing.signals import EndpointChange
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, messages, unique
from tests.integration.test_observer import events, observe

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def sweep(aws: Aws, now: datetime) -> None:
    aws.invoke("sweeper", aws.sample("sweeper") | {"time": now.astimezone().isoformat()})


def types(aws: Aws, shop: str) -> list[str]:
    return [event["type"] for event in events(aws, shop)]


def fail(aws: Aws, shop: str, endpoint: str, failures: int = 12) -> None:
    observe(aws, *messages(shop, *(attempt(endpoint, 5 * number) for number in range(failures))))


def versions(shop: str) -> list[int]:
    return [int(item.version) for item in tables.MonitoredEndpoint.query(shop)]


def test_the_sample_sweeps(aws: Aws) -> None:
    aws.invoke("sweeper", aws.sample("sweeper"))


def test_what_fails_and_then_says_nothing_recovers_as_silent_after_its_warnings(aws: Aws) -> None:
    shop = unique("shop")
    fail(aws, shop, "erp")
    for after in (MINUTE, HOUR - MINUTE, HOUR + MINUTE, HOUR + 2 * MINUTE, DAY + MINUTE, 4 * DAY, 6 * DAY, 7 * DAY):
        sweep(aws, START + after)
    told = events(aws, shop)
    assert [event["type"] for event in told] == [
        "endpoint.failing",
        "endpoint.warning",
        "endpoint.warning",
        "endpoint.warning",
        "endpoint.recovered",
    ]
    assert [event.get("step") for event in told] == [None, "1h", "24h", "50%", None]
    assert told[-1]["reason"] == "silent"
    assert {event["dedup_key"] for event in told} == {told[0]["dedup_key"]}


def test_twenty_failures_over_five_days_disable_and_the_incident_stays_open(aws: Aws) -> None:
    shop = unique("shop")
    fail(aws, shop, "erp", 20)
    sweep(aws, START + 5 * DAY)
    assert types(aws, shop) == ["endpoint.failing", "endpoint.disabled"]
    disabled = events(aws, shop)[-1]
    assert (disabled["trigger"], disabled["actor"]) == ("automatic", "hookwatch")
    status, answer = call(aws, "GET", "/monitored_endpoints", application_id=shop, state="disabled")
    assert status == 200
    assert [endpoint["endpoint_id"] for endpoint in answer["data"]] == ["erp"]
    assert answer["data"][0]["incident"]["dedup_key"] == disabled["dedup_key"]


def test_the_last_success_before_silence_closes_when_its_five_minutes_are_over(aws: Aws) -> None:
    shop = unique("shop")
    fail(aws, shop, "erp")
    observe(aws, *messages(shop, attempt("erp", 60, succeeded=True)))
    sweep(aws, START + 3 * MINUTE)
    assert types(aws, shop) == ["endpoint.failing"]
    sweep(aws, START + 7 * MINUTE)
    assert types(aws, shop) == ["endpoint.failing", "endpoint.recovered"]
    assert [incident for incident in sweeping.open_incidents() if incident.application_id == shop] == []


def test_an_open_incident_with_nothing_due_costs_no_write(aws: Aws) -> None:
    shop = unique("shop")
    fail(aws, shop, "erp")
    before = versions(shop)
    for minute in range(2, 50):
        sweep(aws, START + minute * MINUTE)
    assert versions(shop) == before


def test_many_endpoints_in_an_incident_degrade_their_application_once_and_it_recovers(aws: Aws) -> None:
    shop = unique("shop")
    for number in range(20):
        observe(aws, *messages(shop, attempt(f"ok{number}", 0, succeeded=True)))
    for number in range(5):
        fail(aws, shop, f"bad{number}")
    for minute in range(2, 6):
        sweep(aws, START + minute * MINUTE)
    [degraded] = [event for event in events(aws, shop) if event["type"] == "application.degraded"]
    assert (degraded["reason"], degraded["endpoints_failing"], degraded["endpoints_active"]) == ("endpoints", 5, 25)
    for number in range(5):
        observe(aws, *messages(shop, *(attempt(f"bad{number}", 360 + n, succeeded=True) for n in range(60))))
    for minute in range(7, 14):
        sweep(aws, START + minute * MINUTE)
    recovered = [event for event in events(aws, shop) if event["type"] == "application.recovered"]
    assert [event["dedup_key"] for event in recovered] == [degraded["dedup_key"]]
    sweep(aws, START + 20 * MINUTE)
    assert types(aws, shop).count("application.degraded") == 1


def test_four_endpoints_or_too_few_of_many_degrade_nothing(aws: Aws) -> None:
    few, many = unique("few"), unique("many")
    for number in range(4):
        fail(aws, few, f"bad{number}")
    for number in range(30):
        observe(aws, *messages(many, attempt(f"ok{number}", 0, succeeded=True)))
    for number in range(5):
        fail(aws, many, f"bad{number}")
    sweep(aws, START + 2 * MINUTE)
    assert "application.degraded" not in types(aws, few) + types(aws, many)


def test_attempts_of_a_multiple_of_the_hour_before_degrade(aws: Aws) -> None:
    shop = unique("shop")
    for minute in range(30):
        minutes.count(shop, 960, START + minute * MINUTE)
    sweep(aws, START + 30 * MINUTE)
    assert types(aws, shop) == []
    minutes.count(shop, 9600, START + 30 * MINUTE)
    sweep(aws, START + 31 * MINUTE)
    [degraded] = events(aws, shop)
    assert (degraded["type"], degraded["reason"]) == ("application.degraded", "traffic")
    assert (degraded["attempts_per_minute"], degraded["attempts_per_minute_before"]) == (9600, 960)


def test_an_application_whose_first_attempts_come_is_not_compared_with_nothing(aws: Aws) -> None:
    shop = unique("shop")
    for minute in range(15):
        minutes.count(shop, 5_000, START + minute * MINUTE)
        sweep(aws, START + (minute + 1) * MINUTE)
    assert types(aws, shop) == []


def test_ingest_counts_the_minutes_attempts_in_one_write(aws: Aws) -> None:
    now = times.now()
    shop = unique("shop")
    event: dict[str, Any] = aws.sample("ingest")
    signals = [
        {
            "type": "message.attempt",
            "endpoint_id": f"e{number}",
            "message_id": "m",
            "attempt_number": 1,
            "outcome": "succeeded",
            "attempted_at": times.to_text(now),
        }
        for number in range(7)
    ]

    aws.invoke("ingest", event | {"body": json.dumps({"application_id": shop, "signals": signals})})
    items = list(tables.Application.query(shop))
    assert [int(item.attempts) for item in items] == [7]
    assert shop in applications.to_judge(now + MINUTE)
    aws.take("Signals")


def test_endpoints_that_are_switched_off_degrade_nothing(aws: Aws) -> None:
    shop = unique("shop")
    off = [
        EndpointChange(
            type="endpoint.disabled",
            endpoint_id=f"bad{number}",
            signal_id=f"off {number}",
            occurred_at=START + 2 * MINUTE,
            trigger="automatic",
        )
        for number in range(6)
    ]
    for number in range(6):
        fail(aws, shop, f"bad{number}")
    observe(aws, *messages(shop, *off))
    sweep(aws, START + 3 * MINUTE)
    assert "application.degraded" not in types(aws, shop)


def test_a_policy_that_this_version_does_not_take_stops_nobodys_sweep(aws: Aws) -> None:
    odd, even = unique("shop"), unique("shop")
    own = '{"opens_after_teapots": 1}'
    tables.Application(odd, "policy").update(actions=[tables.Application.policy.set(own)])
    for shop in (odd, even):
        fail(aws, shop, "erp")
    sweep(aws, START + HOUR + MINUTE)
    assert types(aws, odd) == types(aws, even) == ["endpoint.failing", "endpoint.warning"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda table: table.record.set(b"no record"), id="the record"),
        pytest.param(lambda table: table.due_at.set("soon"), id="its time in the index"),
        pytest.param(lambda table: table.active_hour.remove(), id="its hour in the index"),
    ],
)
def test_a_record_that_cannot_be_read_stops_nobody_elses_sweep(aws: Aws, change: Any) -> None:
    broken, shop = unique("shop"), unique("shop")
    for each in (broken, shop):
        fail(aws, each, "erp")
    table = tables.MonitoredEndpoint
    table(broken, "erp").update(actions=[change(table)])
    with aws.log_of("sweeper") as log:
        sweep(aws, START + HOUR + MINUTE)
    assert types(aws, shop) == ["endpoint.failing", "endpoint.warning"]
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if broken in line]
    assert (line["level"], line["application_id"], line["endpoint_id"]) == ("ERROR", broken, "erp")
    table(broken, "erp").delete()


def test_what_is_failing_anywhere_is_listed_page_by_page(aws: Aws) -> None:
    shops = sorted(unique("shop") for _ in range(3))
    for shop in shops:
        for endpoint in ("crm", "erp"):
            fail(aws, shop, endpoint)
    found: list[tuple[str, str]] = []
    query: dict[str, str] = {}
    while True:
        status, page = call(aws, "GET", "/monitored_endpoints", application_id="*", state="failing", limit="4", **query)
        assert status == 200
        found += [(shown["application_id"], shown["endpoint_id"]) for shown in page["data"]]
        if page["next_cursor"] is None:
            break
        query = {"cursor": page["next_cursor"]}
    assert [key for key in found if key[0] in shops] == [(shop, key) for shop in shops for key in ("crm", "erp")]
    assert len(set(found)) == len(found)


def test_of_every_application_only_what_is_failing_is_listed_and_only_for_a_key_of_all(aws: Aws) -> None:
    path, every = "/monitored_endpoints", {"application_id": "*"}
    assert call(aws, "GET", path, **every)[0] == 422
    assert call(aws, "GET", path, **every, state="failing", applications="shop")[0] == 404
    assert call(aws, "GET", path, **every, state="failing", cursor="c2hvcA==")[0] == 422
