"""What an earlier implementation of operational webhooks got wrong, each once more."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from hookwatch import tables
from hookwatch.observing.signals import EndpointChange
from tests.in_process.api import call
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, messages, unique
from tests.integration.test_observer import events, observe
from tests.integration.test_sweeper import sweep

DAY = timedelta(days=1)


def change(type_: Any, second: float, **fields: Any) -> EndpointChange:
    return EndpointChange(
        type=type_,
        endpoint_id="erp",
        signal_id=f"{type_} {second}",
        occurred_at=START + timedelta(seconds=second),
        **fields,
    )


def told(aws: Aws, shop: str, *types: str) -> list[dict[str, Any]]:
    return [event for event in events(aws, shop) if event["type"] in types]


def test_message_events_are_emitted(aws: Aws) -> None:
    shop = unique("shop")
    message: dict[str, Any] = {"message_id": "m"}
    failing = [attempt("erp", number, attempt_number=number, **message) for number in range(1, 5)]
    observe(aws, *messages(shop, *failing, attempt("erp", 5, attempt_number=5, will_retry=False, **message)))
    observe(aws, *messages(shop, attempt("erp", 600, attempt_number=6, succeeded=True, trigger="manual", **message)))
    assert [event["type"] for event in events(aws, shop)] == [
        "message.attempt.failing",
        "message.attempt.exhausted",
        "message.attempt.recovered",
    ]
    assert {event["dedup_key"] for event in events(aws, shop)} == {"message:erp:m"}


def test_automatic_disabling_fires_for_the_endpoint_that_fails_and_no_other(aws: Aws) -> None:
    shop = unique("shop")
    for endpoint in ("erp", "crm"):
        down = [attempt(endpoint, second, succeeded=endpoint == "crm") for second in range(0, 100, 5)]
        observe(aws, *messages(shop, *down))
    sweep(aws, START + 5 * DAY)
    [disabled] = told(aws, shop, "endpoint.disabled")
    assert (disabled["endpoint_id"], disabled["trigger"]) == ("erp", "automatic")


def test_the_url_is_there_when_an_endpoint_is_created_and_the_new_one_when_it_is_updated(aws: Aws) -> None:
    shop = unique("shop")
    old, new = ({"url": f"https://erp.example.com/{name}"} for name in ("a", "b"))
    observe(aws, *messages(shop, change("endpoint.created", 0, configuration=old)))
    observe(aws, *messages(shop, change("endpoint.updated", 9, configuration=new, actor="user:42")))
    created, updated = events(aws, shop)
    assert created["endpoint_url"] == old["url"]
    assert updated["endpoint_url"] == new["url"]
    assert updated["changes"] == {"url": {"from": old["url"], "to": new["url"]}}
    assert (updated["actor"], updated["reported_by"]) == ("user:42", "key:admin")


def test_bookkeeping_is_no_update_of_the_endpoint(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, change("endpoint.created", 0, configuration={"url": "https://a.example/"})))
    for second in range(1, 3 * 3600, 400):
        observe(aws, *messages(shop, attempt("erp", second, succeeded=second % 800 == 1)))
    sweep(aws, START + DAY)
    assert [event["type"] for event in events(aws, shop)] == ["endpoint.created"]


@pytest.mark.parametrize("trigger", ["manual", "automatic"])
def test_a_disabling_is_told_with_its_trigger_and_an_enabling_as_one(aws: Aws, trigger: Any) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, change("endpoint.created", 0)))
    observe(aws, *messages(shop, change("endpoint.disabled", 1, trigger=trigger, configuration={"is_enabled": False})))
    observe(aws, *messages(shop, change("endpoint.enabled", 2, configuration={"is_enabled": True})))
    assert [event["type"] for event in events(aws, shop)] == [
        "endpoint.created",
        "endpoint.disabled",
        "endpoint.enabled",
    ]
    assert events(aws, shop)[1]["trigger"] == trigger


def test_a_tick_writes_no_row_of_statistics(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, *(attempt("erp", second) for second in range(0, 60, 5))))

    def rows() -> list[Any]:
        return [item for item in tables.MessageStats.scan() if shop in item.scope]

    before = len(rows())
    for hours in range(1, 30):
        sweep(aws, START + timedelta(hours=hours))
    assert len(rows()) == before == 1


def test_deleting_an_application_with_everything_in_it_closes_what_is_open(aws: Aws) -> None:
    """A platform that deletes an application reports that each of its endpoints is deleted."""
    shop = unique("shop")
    endpoints = [f"e{number}" for number in range(6)]
    for endpoint in endpoints:
        observe(aws, *messages(shop, *(attempt(endpoint, second) for second in range(0, 60, 5))))
    sweep(aws, START + timedelta(minutes=2))
    deleted = [replace(change("endpoint.deleted", 120), endpoint_id=endpoint) for endpoint in endpoints]
    deleted = [replace(signal, signal_id=signal.endpoint_id) for signal in deleted]
    assert observe(aws, *messages(shop, *deleted)) == []
    for minute in range(3, 9):
        sweep(aws, START + timedelta(minutes=minute))
    assert [event["reason"] for event in told(aws, shop, "endpoint.recovered")] == ["deleted"] * 6
    assert len(told(aws, shop, "application.degraded")) == len(told(aws, shop, "application.recovered")) == 1
    assert call(aws, "GET", "/monitored_endpoints", application_id=shop)[1]["data"] == []


def test_a_type_that_does_not_exist_is_refused_as_a_filter(aws: Aws) -> None:
    body = {"application_id": unique("shop"), "url": "https://ops.example.com/", "filter_types": ["endpoint.exploded"]}
    status, answer = call(aws, "POST", "/", body)
    assert status == 422
    assert "endpoint.exploded" in answer["errors"][0]["msg"]
