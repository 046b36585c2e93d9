"""MonitoredEndpoint as versions have written it."""

from datetime import timedelta

from hookwatch import tables, times
from hookwatch.observing import records
from tests.in_process.aws import Aws
from tests.in_process.signals import START, attempt, messages, unique
from tests.integration.test_observer import events, observe

# As version 0.1.0 wrote them: an endpoint that was created and has failed twelve times in a row.
HEALTH = (
    '{"application_id":"%s","endpoint_id":"erp","configuration":{"is_enabled":true,"url":"https://erp.example.com/hooks"},'
    '"configured_at":"2026-11-23T10:00:00Z","is_created":true,"consecutive_failures":12,'
    '"failing_since":"2026-11-23T10:00:00Z","failures_by_cause":{"503":12},"last_attempt":{"kind":"attempt",'
    '"endpoint_id":"erp","message_id":"m11","attempt_number":1,"succeeded":false,"attempted_at":"2026-11-23T10:00:55Z",'
    '"will_retry":true,"response_status_code":503},"minutes":[[29923800,12,12]],"incident":{"incident_id":'
    '"inc_28dbc09dcca1aa8faf1d39ef86c6a80c","reason":"consecutive","opened_at":"2026-11-23T10:00:45Z",'
    '"failing_since":"2026-11-23T10:00:00Z","failures_by_cause":{"503":12}},"sequence":2}'
)
COUNTED = (
    '{"queue_arn":"arn:aws:sqs:eu-central-1:123456789012:Signals.fifo","sequence_number":"7","last":["8a84995382"],'
    '"last_in_doubt_after":"2026-11-23T10:28:02Z"}'
)


def test_a_record_of_the_first_version_is_read_goes_on_and_is_swept(aws: Aws) -> None:
    shop = unique("shop")
    tables.MonitoredEndpoint(
        application_id=shop, endpoint_id="erp", version=3, state="failing", health=HEALTH % shop, counted=COUNTED
    ).save()
    known = records.read(shop, "erp")
    assert (known.health.created_at, known.health.deleted_at) == (START, None)
    assert (known.version, known.counted.sequence_number) == (3, "7")

    assert observe(aws, *messages(shop, attempt("erp", 70))) == []
    item = tables.MonitoredEndpoint.get(shop, "erp")
    assert item.attribute_values.keys().isdisjoint({"health", "counted"})
    assert int(item.version) == 4
    assert item.due_at == times.to_text(START + timedelta(hours=1, seconds=45))
    observe(aws, *messages(shop, *(attempt("erp", 400 + second, succeeded=True) for second in range(60))))
    [recovered] = events(aws, shop)
    assert recovered["type"] == "endpoint.recovered"
    assert recovered["dedup_key"] == "inc_28dbc09dcca1aa8faf1d39ef86c6a80c"
