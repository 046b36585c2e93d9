"""DynamoDB: every table's items. Nothing outside the module that owns a table passes these models on."""

from datetime import datetime, timedelta
from typing import Any

import pynamodb.connection.base
from pynamodb.attributes import (
    BinaryAttribute,
    BinarySetAttribute,
    BooleanAttribute,
    JSONAttribute,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.connection import Connection
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, KeysOnlyProjection
from pynamodb.models import Model

from hookwatch import aws
from hookwatch.settings import environment

# As `aws.session`, in PynamoDB's words.
TIMEOUTS: dict[str, Any] = {
    "connect_timeout_seconds": aws.CONNECT_TIMEOUT,
    "read_timeout_seconds": aws.READ_TIMEOUT,
    "max_retry_attempts": aws.ATTEMPTS - 1,
}

# PynamoDB (6.1) makes a session for each table and thread, and each would read all that botocore knows of AWS.
pynamodb.connection.base.get_session = aws.session  # type: ignore[assignment, attr-defined]


class _Table:
    connect_timeout_seconds = TIMEOUTS["connect_timeout_seconds"]
    read_timeout_seconds = TIMEOUTS["read_timeout_seconds"]
    max_retry_attempts = TIMEOUTS["max_retry_attempts"]


class _OpenIncidents(GlobalSecondaryIndex["MonitoredEndpoint"]):
    class Meta:
        index_name = "open_incidents"
        projection = IncludeProjection(["active_hour", "state"])

    open_shard = UnicodeAttribute(hash_key=True)
    due_at = UnicodeAttribute(range_key=True)


class MonitoredEndpoint(Model):
    """The record of one monitored endpoint. Written by whoever raises `version` from the one it read.

    The sparse index holds those in an incident: `due_at` is the earliest time at which the sweeper could have
    something to do, and spread over shards, since an outage of the whole platform opens thousands at a time.
    """

    class Meta(_Table):
        table_name = environment("MONITORED_ENDPOINT_TABLE")

    application_id = UnicodeAttribute(hash_key=True)
    endpoint_id = UnicodeAttribute(range_key=True)
    version = NumberAttribute()
    state = UnicodeAttribute()
    record = BinaryAttribute(legacy_encoding=False, null=True)  # zlib of the JSON of observing.records.Record
    health = UnicodeAttribute(null=True)  # JSON, as version 0.1 wrote it, and `counted` beside it
    counted = UnicodeAttribute(null=True)
    active_hour = NumberAttribute(null=True)  # the last with an attempt, in hours since the epoch
    open_shard = UnicodeAttribute(null=True)
    due_at = UnicodeAttribute(null=True)
    open_incidents = _OpenIncidents()


class _EventsOfApplication(GlobalSecondaryIndex["OperationalEvent"]):
    class Meta:
        index_name = "by_application"
        projection = AllProjection()

    application_id = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class OperationalEvent(Model):
    """What observing writes and the stream hands to notifying."""

    class Meta(_Table):
        table_name = environment("OPERATIONAL_EVENT_TABLE")

    event_id = UnicodeAttribute(hash_key=True)
    application_id = UnicodeAttribute()
    listed_at = UnicodeAttribute()  # the timestamp and the id: sorts by time, and is unique
    type = UnicodeAttribute()
    timestamp = UnicodeAttribute()
    data = UnicodeAttribute(null=True)  # JSON
    packed_data = BinaryAttribute(legacy_encoding=False, null=True)  # in its place, zlib of it
    quiet = BooleanAttribute(default=False)
    endpoint_id = UnicodeAttribute(null=True)
    request_digest = UnicodeAttribute(null=True)  # of the body that a custom event was posted with
    expires_at = NumberAttribute()  # seconds since the epoch (DynamoDB TTL)
    by_application = _EventsOfApplication()


class _EndpointsOfApplication(GlobalSecondaryIndex["OperationalEndpoint"]):
    class Meta:
        index_name = "by_application"
        projection = AllProjection()

    application_id = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class OperationalEndpoint(Model):
    """Where operational events are delivered. `application_id` is `*` for those of every application."""

    class Meta(_Table):
        table_name = environment("OPERATIONAL_ENDPOINT_TABLE")

    operational_endpoint_id = UnicodeAttribute(hash_key=True)
    application_id = UnicodeAttribute()
    listed_at = UnicodeAttribute()
    url = UnicodeAttribute()
    description = UnicodeAttribute(default="")
    is_enabled = BooleanAttribute(default=True)
    filter_types: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, default=list)
    filter = UnicodeAttribute(null=True)  # an expression, see hookwatch.notifying.predicates
    message_events = UnicodeAttribute(default="grouped")
    format = UnicodeAttribute(default="standard")
    rate_limit = NumberAttribute(null=True)  # deliveries a second
    retry_schedule: ListAttribute[Any] = ListAttribute(of=NumberAttribute, null=True)  # seconds
    batch_max_events = NumberAttribute(null=True)
    batch_max_wait = NumberAttribute(null=True)  # seconds
    metadata: JSONAttribute = JSONAttribute(default=dict)
    header_names: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute, default=list)
    credentials: ListAttribute[Any] = ListAttribute(
        of=BinaryAttribute
    )  # KMS ciphertexts: secrets, headers, routing key
    created_at = UnicodeAttribute()
    updated_at = UnicodeAttribute()
    disabled_reason = UnicodeAttribute(null=True)
    # What deliveries taught, written by the delivery function and only when it changes.
    has_succeeded = BooleanAttribute(default=False)
    failing_since = UnicodeAttribute(null=True)
    # When a notice may be published: of its disabling, while that is owed; of an exhausted delivery, now where unset.
    disabled_notice_at = UnicodeAttribute(null=True)
    exhausted_notice_at = UnicodeAttribute(null=True)
    by_application = _EndpointsOfApplication()


class DeliveryPace(Model):
    """The clocks of an operational endpoint that has a rate limit, in microseconds since the epoch."""

    class Meta(_Table):
        table_name = environment("DELIVERY_PACE_TABLE")

    operational_endpoint_id = UnicodeAttribute(hash_key=True)
    slots_end_at = NumberAttribute(null=True)  # up to here slots are taken: whoever has one posts in it
    line_ends_at = NumberAttribute(null=True)  # up to here places are given out: when to come for a slot
    expires_at = NumberAttribute()  # seconds since the epoch (DynamoDB TTL)


class OperationalBatch(Model):
    """Events that are delivered together, an item for each thing. Of a batch, `events`: which it has, and how far it
    is. Of an operational endpoint and an application, `open`: the batch that is being filled. Of an event, by
    operational endpoint: the batch that it is in, or is to be put into."""

    class Meta(_Table):
        table_name = environment("OPERATIONAL_BATCH_TABLE")

    subject = UnicodeAttribute(
        hash_key=True
    )  # a batch id; JSON: [operational endpoint id, application id]; an event id
    item = UnicodeAttribute(range_key=True)  # `events`; `open`; an operational endpoint id
    batch_id = UnicodeAttribute(null=True)
    operational_endpoint_id = UnicodeAttribute(null=True)
    application_id = UnicodeAttribute(null=True)  # of the events
    event_ids = BinarySetAttribute(legacy_encoding=False, null=True)  # without `evt_`, 16 bytes each
    size = NumberAttribute(null=True)  # bytes of their bodies
    sealed_at = UnicodeAttribute(null=True)  # from then on it has no more events
    queued_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()  # seconds since the epoch (DynamoDB TTL)


class _AttemptsOfEndpoint(GlobalSecondaryIndex["OperationalAttempt"]):
    class Meta:
        index_name = "by_operational_endpoint"
        projection = AllProjection()

    operational_endpoint_id = UnicodeAttribute(hash_key=True)
    attempted_at = UnicodeAttribute(range_key=True)


class OperationalAttempt(Model):
    """One attempt of a delivery: the truth about it. The queue message is only a wake-up call."""

    class Meta(_Table):
        table_name = environment("OPERATIONAL_ATTEMPT_TABLE")

    event_id = UnicodeAttribute(hash_key=True)  # or the id of a batch
    attempt_key = UnicodeAttribute(range_key=True)  # operational endpoint, replay, number
    operational_endpoint_id = UnicodeAttribute()
    application_id = UnicodeAttribute(null=True)  # the operational endpoint's
    number = NumberAttribute()
    status = UnicodeAttribute()
    attempted_at = UnicodeAttribute()
    next_attempt_at = UnicodeAttribute(null=True)
    response_status_code = NumberAttribute(null=True)
    response = BinaryAttribute(legacy_encoding=False, null=True)  # any bytes: a NUL is data
    packed_response = BinaryAttribute(legacy_encoding=False, null=True)  # in its place, zlib of it
    duration_ms = NumberAttribute(null=True)
    error = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()
    by_operational_endpoint = _AttemptsOfEndpoint()


class _ReplaysOfApplication(GlobalSecondaryIndex["Replay"]):
    class Meta:
        index_name = "by_application"
        projection = AllProjection()

    application_id = UnicodeAttribute(hash_key=True)
    replay_id = UnicodeAttribute(range_key=True)


class Replay(Model):
    """A replay, or one event sent again; and, while one to it is running, `active#<operational endpoint id>`."""

    class Meta(_Table):
        table_name = environment("REPLAY_TABLE")

    replay_id = UnicodeAttribute(hash_key=True)
    application_id = UnicodeAttribute()
    asked = UnicodeAttribute(null=True)  # JSON of notifying.replays.Asked
    request_digest = UnicodeAttribute(null=True)  # of the body that it was asked for with
    state = UnicodeAttribute(null=True)
    reason = UnicodeAttribute(null=True)
    step = NumberAttribute(null=True)
    place = UnicodeAttribute(null=True)  # JSON of past_events.Place: up to here it has looked at
    goes_on_at = UnicodeAttribute(null=True)
    counted = NumberAttribute(null=True)
    sent = NumberAttribute(null=True)
    failed = NumberAttribute(null=True)
    created_at = UnicodeAttribute(null=True)
    updated_at = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)
    holder = UnicodeAttribute(null=True)  # of an active#…: which replay
    expires_at = NumberAttribute(null=True)  # seconds since the epoch (DynamoDB TTL), once it has ended
    by_application = _ReplaysOfApplication()


class ApiKey(Model):
    """Of a key, everything but its secret."""

    class Meta(_Table):
        table_name = environment("API_KEY_TABLE")

    key_id = UnicodeAttribute(hash_key=True)
    role = UnicodeAttribute()
    application_ids: ListAttribute[Any] = ListAttribute(of=UnicodeAttribute)
    description = UnicodeAttribute(default="")
    secret_hash = UnicodeAttribute()
    created_at = UnicodeAttribute()
    created_by = UnicodeAttribute()
    last_used_at = UnicodeAttribute(null=True)
    revoked_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)  # seconds since the epoch (DynamoDB TTL), once it is revoked


class Source(Model):
    """Where a foreign platform posts its own webhooks."""

    class Meta(_Table):
        table_name = environment("SOURCE_TABLE")

    source_id = UnicodeAttribute(hash_key=True)
    application_id = UnicodeAttribute(null=True)  # null: the payload says it
    kind = UnicodeAttribute()
    secret: ListAttribute[Any] = ListAttribute(of=BinaryAttribute)  # KMS ciphertexts
    created_at = UnicodeAttribute()


class _FailuresOfDay(GlobalSecondaryIndex["MessageStats"]):
    class Meta:
        index_name = "failures_of_day"
        projection = IncludeProjection(["attempts"])

    application_day = UnicodeAttribute(hash_key=True)
    failed_attempts = NumberAttribute(range_key=True)


class MessageStats(Model):
    """The counts of one hour, of a monitored endpoint or of a shard of an application. Counts are attributes of their
    own, by the names of observing.stats, so that they can be added to.

    The sparse index holds the endpoints' hours with failures, by application and day.
    """

    class Meta(_Table):
        table_name = environment("MESSAGE_STATS_TABLE")

    scope = UnicodeAttribute(hash_key=True)  # as observing.hours names it
    hour = NumberAttribute(range_key=True)  # since the epoch
    application_day = UnicodeAttribute(null=True)  # JSON: [application id, "2026-11-23", shard]
    expires_at = NumberAttribute()  # seconds since the epoch (DynamoDB TTL)
    failures_of_day = _FailuresOfDay()
    counts: dict[str, int]

    @classmethod
    def from_raw_data(cls, data: dict[str, Any]) -> "MessageStats":
        item = super().from_raw_data(data)
        own = {attribute.attr_name for attribute in cls.get_attributes().values()}
        item.counts = {name: int(value["N"]) for name, value in data.items() if name not in own}
        return item


class OperationalEventType(Model):
    """An application's own type of operational event. The built-in ones are code."""

    class Meta(_Table):
        table_name = environment("OPERATIONAL_EVENT_TYPE_TABLE")

    application_id = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    description = UnicodeAttribute()
    schema = UnicodeAttribute()  # JSON Schema of `data`, as JSON
    example = UnicodeAttribute(null=True)  # of `data`, as JSON
    created_at = UnicodeAttribute()


class _AuditOfMonth(GlobalSecondaryIndex["Audit"]):
    class Meta:
        index_name = "by_month"
        projection = AllProjection()

    month = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)


class Audit(Model):
    """Who did what to Hookwatch's own configuration. `application_id` is `*` for what is of every application."""

    class Meta(_Table):
        table_name = environment("AUDIT_TABLE")

    application_id = UnicodeAttribute(hash_key=True)
    listed_at = UnicodeAttribute(range_key=True)  # the timestamp and the id: sorts by time, and is unique
    audit_id = UnicodeAttribute()
    month = UnicodeAttribute()  # 2026-11
    timestamp = UnicodeAttribute()
    actor = UnicodeAttribute()
    action = UnicodeAttribute()
    target = UnicodeAttribute()
    before = UnicodeAttribute(null=True)  # JSON, as the API showed it
    after = UnicodeAttribute(null=True)
    request_id = UnicodeAttribute(null=True)
    source_ip = UnicodeAttribute(null=True)
    expires_at = NumberAttribute()  # seconds since the epoch (DynamoDB TTL)
    by_month = _AuditOfMonth()


class _SweptApplications(GlobalSecondaryIndex["Application"]):
    class Meta:
        index_name = "swept_with"
        projection = KeysOnlyProjection()

    swept_with = UnicodeAttribute(hash_key=True)
    application_id = UnicodeAttribute(range_key=True)


class Application(Model):
    """What is known of one application, an item for each thing: `policy` (its own numbers), `degradation`,
    `mute#<endpoint id>` (a monitored endpoint whose incidents are not delivered), `minute#<n>` (attempts reported in
    that minute since the epoch), `active#<n>` (it has attempts or events in that hour since the epoch), `deletion` and
    `deletion#…` (that it is to be deleted, and what was erased of it). And of `*`, `arrival`: the minute of the last
    signal.

    The sparse index is what the sweeper and the eraser look at: the applications of a minute, those that are degraded,
    those that are to be deleted; and the active hours of a day.
    """

    class Meta(_Table):
        table_name = environment("APPLICATION_TABLE")

    application_id = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute(range_key=True)
    policy = UnicodeAttribute(null=True)  # JSON: those numbers of hookwatch.policy.Policy that differ
    degradation = UnicodeAttribute(null=True)  # JSON of observing.degradation.Degradation
    version = NumberAttribute(null=True)
    attempts = NumberAttribute(null=True)
    minute = NumberAttribute(null=True)  # since the epoch
    swept_with = UnicodeAttribute(null=True)
    by_sweep = _SweptApplications()
    mute = UnicodeAttribute(null=True)  # JSON of notifying.mutes.Mute
    deletion = UnicodeAttribute(null=True)  # JSON of erasing.deletions.Deletion
    erased = UnicodeAttribute(null=True)  # JSON of erasing.deletions.Erased
    expires_at = NumberAttribute(null=True)  # seconds since the epoch (DynamoDB TTL)


class ApplicationTraffic(Model):
    """The items of Application that ingest writes, `minute#<n>` and `arrival`: its answer must not wait for them."""

    class Meta:
        table_name = environment("APPLICATION_TABLE")
        connect_timeout_seconds = 0.3
        read_timeout_seconds = 0.5
        max_retry_attempts = 0

    application_id = UnicodeAttribute(hash_key=True)
    item = UnicodeAttribute(range_key=True)
    attempts = NumberAttribute(null=True)
    minute = NumberAttribute(null=True)
    swept_with = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)


def expiry(moment: datetime, days: int) -> int:
    """`expires_at`, in seconds since the epoch."""
    return int((moment + timedelta(days=days)).timestamp())


def key_of(item: Model) -> tuple[Any, ...]:
    """Its hash key, and its range key where there is one."""
    attributes = type(item).get_attributes().items()
    return tuple(getattr(item, name) for name, each in attributes if each.is_hash_key or each.is_range_key)


def connection_of(model: type[Model]) -> Connection:
    """The model's own: it has its client already, and the timeouts above."""
    return model._get_connection().connection


def connect(*models: type[Model]) -> None:
    """Makes the models' clients now: a function starts on more of a processor than it is then given to work on."""
    for model in models:
        connection_of(model).client  # noqa: B018  # the property makes it
