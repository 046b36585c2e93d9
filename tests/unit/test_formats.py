"""Each format, held against what its vendor says of it."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from hookwatch.catalogue import CATALOGUE
from hookwatch.notifying import formats
from hookwatch.notifying.formats import FORMATS, slack
from hookwatch.notifying.matching import matches
from hookwatch.operational_events import ALARM, OperationalEvent, to_payload
from tests.unit.factories import START
from tests.unit.test_matching import endpoint

LINKS = {"runbook": "https://wiki.example.com/webhooks", "2nd link": "https://example.com/{event_id}"}
_RENDERED = ("application_id", "summary", "severity", "links")
ROUTING_KEY = "R0" * 16
SCHEMAS = {
    path.stem: Draft202012Validator(json.loads(path.read_text()), format_checker=FormatChecker())
    for path in (Path(__file__).parent.parent / "vectors/formats").iterdir()
}


def event(name: str, **data: Any) -> OperationalEvent:
    """The catalogue's example, or one of an application's own type, with other data."""
    if name in CATALOGUE:
        example = CATALOGUE[name].example["data"]
        told = {field: value for field, value in example.items() if field not in _RENDERED} | data
    else:
        told = {"summary": "A summary.", "severity": "warning", "labels": {}, "dedup_key": "invoice 17", **data}
    return OperationalEvent(event_id="evt_1", application_id="shop", type=name, timestamp=START, data=told)


def text(name: str, told: OperationalEvent) -> str:
    return formats.finished(name, formats.render(name, told.event_id, to_payload(told, LINKS)), ROUTING_KEY)


def body(name: str, told: OperationalEvent) -> dict[str, Any]:
    rendered: dict[str, Any] = json.loads(text(name, told))
    return rendered


ALERTING = {
    "endpoint.failing": True,
    "endpoint.warning": True,
    "endpoint.recovered": False,
    "message.attempt.failing": True,
    "message.attempt.exhausted": True,
    "message.attempt.recovered": False,
    "application.degraded": True,
    "application.recovered": False,
    "alarm.state_changed": True,
    "webhook.test": True,
}
SVIX = {
    *("endpoint.created", "endpoint.updated", "endpoint.deleted", "endpoint.enabled", "endpoint.disabled"),
    *("message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered", "webhook.test"),
}
TOLD = {name: {*CATALOGUE} for name in FORMATS} | {
    "pagerduty": {*ALERTING},
    "alertmanager": {*ALERTING},
    "svix": SVIX,
}


def test_the_formats_are_those_that_the_api_takes() -> None:
    assert tuple(FORMATS) == get_args(formats.Name)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_format_has_no_word_for_is_not_owed(name: str) -> None:
    named = endpoint(application_id="shop", format=name, filter_types=tuple(CATALOGUE), operational_endpoint_id="oep_1")
    owed = {each for each in CATALOGUE if matches(named, event(each, operational_endpoint_id="oep_1"))}
    assert owed == TOLD[name]


@pytest.mark.parametrize(("name", "told"), [(name, told) for name in SCHEMAS for told in sorted(TOLD[name])])
def test_each_body_is_what_the_vendors_reference_says(name: str, told: str) -> None:
    SCHEMAS[name].validate(body(name, event(told)))


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("told", ["endpoint.failing", "invoice.overdue"])
def test_each_body_is_what_the_reference_says_though_everything_be_long(name: str, told: str) -> None:
    long = {"endpoint_url": f"https://example.com/{'&' * 4000}", "dedup_key": "ключ<" * 500, "summary": "&" * 9000}
    labels = {"a.b/c": "1", "9": "2", "": "3"}
    SCHEMAS[name].validate(body(name, event(told, **long, labels=labels, endpoint_id="<" * 3000)))


@pytest.mark.parametrize("name", ["pagerduty", "alertmanager"])
@pytest.mark.parametrize(
    ("told", "is_open"),
    [
        *((event(told), is_open) for told, is_open in ALERTING.items()),
        (event(ALARM, state="OK"), False),
        (event("endpoint.disabled", trigger="automatic", opened_at="2026-11-23T10:00:00.000Z"), True),
        (event("invoice.overdue", severity="critical"), True),
        (event("invoice.overdue", severity="info"), False),
    ],
    ids=lambda each: f"{each.type} {each.data.get('state', '')}" if isinstance(each, OperationalEvent) else str(each),
)
def test_an_alert_opens_and_closes_under_the_key_of_the_incident(
    name: str, told: OperationalEvent, is_open: bool
) -> None:
    alert, key = body(name, told), told.data["dedup_key"]
    if name == "pagerduty":
        assert (alert["event_action"], alert["dedup_key"]) == ("trigger" if is_open else "resolve", key)
    else:
        [one] = alert["alerts"]
        assert alert["groupKey"] == key
        assert {alert["status"], one["status"]} == {"firing" if is_open else "resolved"}
        assert (one["endsAt"] == "0001-01-01T00:00:00Z") == is_open


@pytest.mark.parametrize(
    "told",
    [
        event(ALARM, state="INSUFFICIENT_DATA"),
        event("endpoint.disabled", trigger="automatic"),
        event("invoice.overdue", severity="info", dedup_key="evt_1"),
    ],
    ids=lambda told: told.type,
)
def test_what_is_no_news_of_an_incident_alerts_nobody(told: OperationalEvent) -> None:
    for name in ("pagerduty", "alertmanager"):
        assert not formats.tells(name, told)
        with pytest.raises(ValueError, match="is of no incident"):
            text(name, told)


@pytest.mark.parametrize(
    "told",
    [
        ("endpoint.failing", "endpoint.warning", "endpoint.recovered"),
        ("message.attempt.failing", "message.attempt.exhausted", "message.attempt.recovered"),
        ("application.degraded", "application.recovered"),
    ],
)
def test_the_alerts_of_one_incident_have_the_same_labels_and_fingerprint(told: tuple[str, ...]) -> None:
    alerts = [body("alertmanager", event(each, dedup_key="k"))["alerts"][0] for each in told]
    for one, next_one in pairwise(alerts):
        assert (one["labels"], one["fingerprint"]) == (next_one["labels"], next_one["fingerprint"])
    assert alerts[0]["fingerprint"] != body("alertmanager", event(told[0], dedup_key="l"))["alerts"][0]["fingerprint"]


def test_a_resolved_alert_says_from_when_to_when() -> None:
    told = event("endpoint.recovered", opened_at="2026-11-23T09:00:00.000Z")
    [alert] = body("alertmanager", told)["alerts"]
    assert (alert["startsAt"], alert["endsAt"]) == ("2026-11-23T09:00:00.000Z", "2026-11-23T10:00:00.000Z")


def test_pagerduty_is_told_how_bad_it_is_and_where_to_look() -> None:
    alert = body("pagerduty", event("endpoint.failing"))
    assert alert["payload"]["severity"] == "error"
    assert alert["links"][0] == {"href": LINKS["runbook"], "text": "runbook"}
    assert alert["payload"]["summary"] == to_payload(event("endpoint.failing"), {})["data"]["summary"]


def test_the_routing_key_is_in_no_body_before_it_is_posted() -> None:
    rendered = formats.render("pagerduty", "evt_1", to_payload(event("endpoint.failing"), LINKS))
    assert "routing_key" not in json.loads(rendered)
    posted = json.loads(formats.finished("pagerduty", rendered, ROUTING_KEY))
    assert posted == {"routing_key": ROUTING_KEY, **json.loads(rendered)}


def test_a_routing_key_is_put_into_no_other_format_and_without_one_nothing_is() -> None:
    for name in FORMATS:
        routing_key = None if name == "pagerduty" else ROUTING_KEY
        assert formats.finished(name, '{"a":1}', routing_key) == '{"a":1}'


@pytest.mark.parametrize("told", CATALOGUE)
def test_the_cloudevents_sdk_reads_each_event(told: str) -> None:
    named = event(told)
    content_type = FORMATS["cloudevents"].content_type
    read = from_structured_event(HTTPMessage({"content-type": content_type}, text("cloudevents", named).encode()))
    assert (read.get_id(), read.get_type(), read.get_time()) == (named.event_id, told, START)
    assert (read.get_source(), read.get_subject()) == ("urn:hookwatch:shop", named.data.get("endpoint_id"))
    assert read.get_data() == json.loads(text("standard", named))["data"]


def test_a_cloudevent_of_no_endpoint_has_no_subject() -> None:
    told = event("application.degraded")
    assert "subject" not in body("cloudevents", told)


def test_what_others_wrote_mentions_nobody_in_slack_and_is_no_link() -> None:
    told = event("endpoint.failing", endpoint_id="<!channel>", endpoint_url="<https://evil.example|here>")
    message = text("slack", told)
    assert "<!" not in message
    assert "<https://evil" not in message
    assert "&lt;!channel&gt;" in message
    assert f"<{LINKS['runbook']}|runbook>" in message


@settings(deadline=None)
@given(st.text(alphabet="&<>ab", max_size=60), st.integers(min_value=6, max_value=40))
def test_a_cut_never_splits_an_escape(written: str, at_most: int) -> None:
    escaped = slack._escaped(written, at_most)
    assert len(escaped) <= at_most
    plain = escaped.removesuffix("…").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert written.startswith(plain)
    assert escaped.endswith("…") or plain == written
