"""SIGNALS → MonitoredEndpoint, OperationalEvent."""

import json
import threading
from typing import Any

from hookwatch import event_items, tables
from hookwatch.observing import records
from hookwatch.observing.health import Health
from tests.in_process.aws import Aws
from tests.in_process.signals import attempt, created, messages, record, redriven, unique


def observe(aws: Aws, *records: dict[str, Any]) -> list[str]:
    """The ids of the messages that failed."""
    answer = aws.invoke("observer", {"Records": list(records)})
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def health(_: Aws, application_id: str, endpoint_id: str) -> Health:
    return records.read(application_id, endpoint_id).health


def attempts_counted(found: Health) -> int:
    return sum(minute.attempts for minute in found.minutes)


def events(aws: Aws, application_id: str) -> list[dict[str, Any]]:
    """Oldest first."""
    table = tables.OperationalEvent
    own = (event_items.from_item(table.from_raw_data(item)) for item in aws.items("OperationalEvent"))
    shown = [
        {"type": each.type, "quiet": each.quiet, **each.data} for each in own if each.application_id == application_id
    ]
    return sorted(shown, key=lambda event: int(event["sequence"]))


def test_the_sample_yields_what_it_says(aws: Aws) -> None:
    assert observe(aws, *aws.sample("observer")["Records"]) == []
    assert {event["type"] for event in events(aws, "shop")} == {"message.attempt.exhausted", "endpoint.created"}


def test_an_outage_is_one_incident_and_ends(aws: Aws) -> None:
    shop = unique("shop")
    down = [attempt("erp", second) for second in range(0, 60, 3)]
    up = [attempt("erp", second, succeeded=True) for second in range(61, 200)]
    assert observe(aws, *messages(shop, *down), *messages(shop, *up)) == []
    assert [event["type"] for event in events(aws, shop)] == ["endpoint.failing", "endpoint.recovered"]
    failing, recovered = events(aws, shop)
    assert failing["dedup_key"] == recovered["dedup_key"]
    assert recovered["reason"] == "traffic"


def test_message_events_are_quiet_while_the_incident_is_open(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 1, will_retry=False)))
    observe(aws, *messages(shop, *(attempt("erp", second) for second in range(3, 48, 3))))
    observe(aws, *messages(shop, attempt("erp", 50, will_retry=False)))
    exhausted = [event for event in events(aws, shop) if event["type"] == "message.attempt.exhausted"]
    assert [event["quiet"] for event in exhausted] == [False, True]


def test_messages_of_one_endpoint_are_counted_in_one_write(aws: Aws) -> None:
    shop = unique("shop")
    batch = [message for second in range(10) for message in messages(shop, attempt("erp", second, succeeded=True))]
    observe(aws, *batch)
    key = {"application_id": {"S": shop}, "endpoint_id": {"S": "erp"}}
    assert aws.client("dynamodb").get_item(TableName="MonitoredEndpoint", Key=key)["Item"]["version"] == {"N": "1"}
    assert attempts_counted(health(aws, shop, "erp")) == 10


def test_a_message_that_comes_twice_is_counted_once(aws: Aws) -> None:
    shop = unique("shop")
    [message] = messages(shop, attempt("erp", 1, will_retry=False))
    for _ in range(3):
        assert observe(aws, message) == []
    assert attempts_counted(health(aws, shop, "erp")) == 1
    assert len(events(aws, shop)) == 1


def test_what_was_counted_is_dropped_before_the_rest_is_merged(aws: Aws) -> None:
    shop = unique("shop")
    first, second, third = (messages(shop, attempt("erp", n, succeeded=True))[0] for n in range(3))
    observe(aws, first, second)
    observe(aws, second, third)
    assert attempts_counted(health(aws, shop, "erp")) == 3


def test_a_message_that_was_counted_and_dead_lettered_counts_nothing_when_it_is_redriven(aws: Aws) -> None:
    shop = unique("shop")
    [message] = messages(shop, attempt("erp", 1, will_retry=False))
    message["attributes"]["ApproximateReceiveCount"] = "10"  # its last receive: killed after the write
    observe(aws, message)
    for second in range(2, 30):
        observe(aws, *messages(shop, attempt("erp", second, succeeded=True)))
    observe(aws, redriven(message))
    assert attempts_counted(health(aws, shop, "erp")) == 29
    assert len(events(aws, shop)) == 1


def test_a_message_that_cannot_be_read_fails_those_behind_it_and_no_other_endpoint(aws: Aws) -> None:
    shop = unique("shop")
    [good] = messages(shop, attempt("erp", 1, succeeded=True))
    bad = record("{}", good["attributes"]["MessageGroupId"])
    [behind] = messages(shop, attempt("erp", 2, succeeded=True))
    [other] = messages(shop, created("crm"))
    with aws.log_of("observer") as log:
        assert observe(aws, good, bad, behind, other) == [bad["messageId"], behind["messageId"]]
    [line] = [json.loads(line) for line in log.getvalue().splitlines() if '"ERROR"' in line]
    assert (line["message"], line["message_id"]) == ("a message could not be counted", bad["messageId"])
    assert attempts_counted(health(aws, shop, "erp")) == 1
    assert [event["type"] for event in events(aws, shop)] == ["endpoint.created"]


def test_two_observers_that_race_on_one_endpoint_count_both(aws: Aws) -> None:
    shop = unique("shop")
    batches = [messages(shop, attempt("erp", second, succeeded=True)) for second in range(8)]
    # Each from a queue of its own, for the positions of one queue order what SQS hands out one after the other.
    for number, [message] in enumerate(batches):
        message["eventSourceARN"] += str(number)
    app = aws.function("observer")
    threads = [
        threading.Thread(target=app.outbox.count, args=(app.Merging(batch).up_to(batch[0]), app.receiving))
        for batch in batches
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert attempts_counted(health(aws, shop, "erp")) == 8


def test_an_event_that_exists_already_is_left_as_it_is(aws: Aws) -> None:
    shop = unique("shop")
    observe(aws, *messages(shop, attempt("erp", 1, message_id="m", attempt_number=5, will_retry=False)))
    before = events(aws, shop)
    observe(aws, *messages(shop, attempt("erp", 9, message_id="m", attempt_number=6, will_retry=False), created("erp")))
    assert events(aws, shop)[:1] == before
    assert sorted(event["type"] for event in events(aws, shop)) == ["endpoint.created", "message.attempt.exhausted"]
    assert attempts_counted(health(aws, shop, "erp")) == 2


def test_a_message_with_the_most_events_fits_one_transaction(aws: Aws) -> None:
    shop = unique("shop")
    given_up = [attempt("erp", second, message_id=f"m{second}", will_retry=False) for second in range(100)]
    assert observe(aws, *messages(shop, *given_up)) == []
    assert sum(event["type"] == "message.attempt.exhausted" for event in events(aws, shop)) == 100


def test_a_fold_with_more_events_than_a_transaction_holds_is_written_in_parts(aws: Aws) -> None:
    shop, batch = unique("shop"), []
    for n in range(3):
        given_up = [
            attempt("erp", n * 50 + second, message_id=f"{n}-{second}", will_retry=False) for second in range(40)
        ]
        batch += messages(shop, *given_up)
    app = aws.function("observer")
    app.outbox.count([message for record in batch for message in app.Merging([record]).up_to(record)], app.receiving)
    assert sum(event["type"] == "message.attempt.exhausted" for event in events(aws, shop)) == 120
    assert attempts_counted(health(aws, shop, "erp")) == 120
