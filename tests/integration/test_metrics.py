"""Metrics, read as CloudWatch reads them: from what the functions write (the embedded metric format)."""

import json
import re
from collections import defaultdict
from typing import Any

import pytest

from tests.in_process.api import call
from tests.in_process.aws import ROOT, Aws
from tests.in_process.deliveries import deliver, owed, record, register, register_receiver
from tests.in_process.signals import attempt, created, messages, redriven, unique
from tests.integration.test_alarms import dashboard, listed_metrics
from tests.integration.test_emitter import emit
from tests.integration.test_emitter import records as emitter_records
from tests.integration.test_emitter import register as register_owed
from tests.local_cloud.receiver import Receiver

Written = pytest.CaptureFixture[str]
LISTED = listed_metrics()


def emitted(capsys: Written) -> dict[str, list[Any]]:
    """Values by metric, since the last look; of one with a dimension of its own, (dimension, value)."""
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for line in capsys.readouterr().out.splitlines():
        document = json.loads(line) if line.startswith("{") else {}
        for directive in document.get("_aws", {}).get("CloudWatchMetrics", ()):
            assert directive["Namespace"] == "Hookwatch"
            dimensions = {name for of_one in directive["Dimensions"] for name in of_one}
            assert dimensions <= {"service", "type"}, "CloudWatch bills each value of a dimension"
            for metric in directive["Metrics"]:
                values = document[metric["Name"]]
                named = [(document["type"], value) for value in values] if "type" in dimensions else values
                found[metric["Name"]] += named
    return found


def test_the_observer_counts_events_by_type_and_how_late_they_are(aws: Aws, capsys: Written) -> None:
    shop = unique("shop")
    emitted(capsys)
    outage = [attempt("erp", second) for second in range(0, 60, 5)]
    aws.invoke("observer", {"Records": messages(shop, created("crm"), *outage)})
    found = emitted(capsys)
    assert found["Events"] == [2]
    assert sorted(found["EventsByType"]) == [("endpoint.created", 1), ("endpoint.failing", 1)]
    assert len(found["EventLag"]) == 2
    assert all(lag > 0 for lag in found["EventLag"])


def test_signals_that_come_twice_are_counted(aws: Aws, capsys: Written) -> None:
    shop = unique("shop")
    attempts = [attempt("erp", second, succeeded=True) for second in range(3)]
    batch = messages(shop, *attempts)
    emitted(capsys)
    aws.invoke("observer", {"Records": batch + messages(shop, attempt("erp", 9), created("crm"))})
    assert sum(emitted(capsys)["DuplicateSignals"]) == 0
    aws.invoke("observer", {"Records": [*batch, redriven(batch[0]), *messages(shop, attempt("erp", 10))]})
    assert sum(emitted(capsys)["DuplicateSignals"]) == 6


def test_what_a_batch_counts_in_parts_is_no_duplicate(aws: Aws, capsys: Written) -> None:
    shop, batch = unique("shop"), []
    for n in range(3):  # of 40 events each: two fit one transaction
        given_up = [attempt("erp", n * 50 + s, message_id=f"{n}-{s}", will_retry=False) for s in range(40)]
        batch += messages(shop, *given_up)
    emitted(capsys)
    aws.invoke("observer", {"Records": batch})
    assert sum(emitted(capsys)["DuplicateSignals"]) == 0


@pytest.mark.parametrize(
    ("answer", "verdict"), [(200, "DeliveriesDelivered"), (503, "DeliveriesRetried"), (410, "DeliveriesGivenUp")]
)
def test_the_delivery_function_counts_by_verdict_and_how_late_the_first_post_was(
    aws: Aws, capsys: Written, answer: int, verdict: str
) -> None:
    with Receiver(lambda _body, _attempt: answer) as receiver:
        delivery = owed(register_receiver(aws, receiver))
        emitted(capsys)
        deliver(aws, record(delivery), record(delivery))
    found = emitted(capsys)
    assert found[verdict] == [1]  # the copy counts nothing
    assert len(found["DeliveryLag"]) == 1
    assert "ForgedMessages" not in found, "what did not happen is not written"
    others = {"DeliveriesDelivered", "DeliveriesRetried", "DeliveriesGivenUp", "DeliveriesExhausted"} - {verdict}
    assert not others & found.keys()


def test_what_is_forged_is_counted(aws: Aws, capsys: Written) -> None:
    emitted(capsys)
    deliver(aws, record("{}"), record("no JSON"))
    assert emitted(capsys)["ForgedMessages"] == [2]


def test_a_filter_that_fails_is_counted_and_logged_and_one_that_does_not_match_is_not(
    aws: Aws, capsys: Written
) -> None:
    shop = unique("shop")
    failing = register_owed(shop, filter="starts_with(data.nothing, 'x')")
    register_owed(shop, filter="data.severity == 'none'")
    emitted(capsys)
    with aws.log_of("emitter") as log:
        assert emit(aws, *emitter_records(aws, shop, 2)) == []
    assert sum(emitted(capsys)["FilterErrors"]) == 2
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["operational_endpoint_id"] for line in told if line["message"] == "a filter failed"] == [failing] * 2


def test_an_invocation_with_nothing_to_count_writes_no_metrics(aws: Aws, capsys: Written) -> None:
    emitted(capsys)
    aws.invoke("observer", {"Records": messages(unique("shop"), attempt("erp", 0, succeeded=True))})
    assert emitted(capsys) == {}


def test_an_address_that_is_not_allowed_is_counted(aws: Aws, capsys: Written) -> None:
    delivery = owed(register(aws, "http://169.254.169.254/latest"))
    emitted(capsys)
    deliver(aws, record(delivery))
    found = emitted(capsys)
    assert (found["AttemptsBlocked"], found["DeliveriesGivenUp"]) == ([1], [1])


def test_an_answer_that_is_repeated_for_its_idempotency_key_is_counted(aws: Aws, capsys: Written) -> None:
    body = {"application_id": unique("shop"), "url": "https://ops.example.com/"}
    key = unique("key")
    emitted(capsys)
    call(aws, "POST", "/", body, idempotency_key=key)
    assert "IdempotentReplays" not in emitted(capsys)
    call(aws, "POST", "/", body, idempotency_key=key)
    assert emitted(capsys)["IdempotentReplays"] == [1]


def test_what_the_code_counts_is_listed_and_no_more() -> None:
    sources = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "layers/hookwatch/hookwatch").rglob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    literal = set(re.findall(r'(?:add_metric|count)\(\s*"([A-Z]\w+)"|single_metric\(name="(\w+)"', code))
    counted = {name for pair in literal for name in pair if name}
    assert counted <= LISTED
    assert {name for name in LISTED if f'"{name}"' not in code} == set()


def test_the_dashboard_shows_what_there_is() -> None:
    shown = {
        metric[1]
        for widget in dashboard()
        if widget["type"] == "metric"
        for metric in widget["properties"]["metrics"]
        if metric[0] == "Hookwatch"
    }
    assert shown <= LISTED
    assert {"EventLag", "DeliveryLag", "OpenIncidents", "DeliveriesDelivered"} <= shown


def test_the_dashboard_shows_who_is_hurt() -> None:
    [log] = [widget["properties"]["query"] for widget in dashboard() if widget["type"] == "log"]
    assert "by operational_endpoint_id" in log
