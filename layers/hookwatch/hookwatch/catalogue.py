"""The catalogue of operational events: every built-in type with its JSON Schema and an example."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from hookwatch.operational_events import ALARM, HEARTBEAT, TEST, OperationalEvent, to_payload


class EventType(msgspec.Struct, frozen=True):
    """A type of operational event. `schema` is a JSON Schema (2020-12) of the whole body; `example` satisfies it."""

    name: str
    description: str
    schema: dict[str, Any]
    example: dict[str, Any]


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_TIME = {"type": "string", "format": "date-time"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_NULLABLE_TIME = {"type": ["string", "null"], "format": "date-time"}
_COUNTS = {"type": "object", "additionalProperties": _COUNT}

_EVERY = {
    "application_id": _TEXT,
    "summary": {"type": "string", "description": "One sentence for a person."},
    "severity": {"enum": ["info", "warning", "error", "critical"]},
    "dedup_key": {"type": "string", "description": "The same for all events of one incident, or of one message."},
    "sequence": {"type": "integer", "minimum": 1, "description": "Rises with every event of the endpoint."},
    "detected_at": {**_TIME, "description": "When the report that says so reached Hookwatch."},
    "labels": {"type": "object", "additionalProperties": _TEXT},
    "links": {"type": "object", "additionalProperties": _TEXT},
    "reported_by": {"type": "string", "description": "The key or source whose report says so, or hookwatch itself."},
}
_ENDPOINT = {"endpoint_id": _TEXT, "endpoint_url": _NULLABLE_TEXT}
_ATTEMPT = {
    "message_id": _TEXT,
    "number": {"type": "integer", "minimum": 1},
    "outcome": {"enum": ["succeeded", "failed"]},
    "response_status_code": {"type": ["integer", "null"]},
    "error": _NULLABLE_TEXT,
    "duration_ms": {"type": ["integer", "null"]},
    "attempted_at": _TIME,
    "will_retry": {"type": "boolean"},
    "trigger": {"enum": ["scheduled", "manual"]},
}
_CHANGE = {"actor": _NULLABLE_TEXT, "reason": _NULLABLE_TEXT}
_SPELL = {
    "reason": {"enum": ["consecutive", "rate"]},
    "opened_at": {**_TIME, "description": "When the endpoint.failing of this spell was told."},
    "failing_since": _TIME,
    "last_success_at": _NULLABLE_TIME,
    "consecutive_failures": _COUNT,
    "attempts_5m": _COUNT,
    "failed_5m": _COUNT,
    "failures_by_cause": _COUNTS,
    "last_attempt": {"type": "object", "properties": _ATTEMPT, "required": [*_ATTEMPT]},
    "messages_failing": _COUNT,
    "messages_exhausted": _COUNT,
    "reopened": {**_COUNT, "description": "How often this incident has reopened."},
}
_WAY = {
    "progress": {**_SHARE, "description": "How far on the way to automatic disabling."},
    "disables_at": {**_NULLABLE_TIME, "description": "Null where the platform alone disables."},
}
# A platform that only announces says less of an attempt than one that reports it.
_MESSAGE = {"message_id": _TEXT, "attempt": {"type": ["object", "null"], "properties": _ATTEMPT}}
_DEGRADATION = {
    "reason": {"enum": ["endpoints", "traffic"]},
    "endpoints_failing": _COUNT,
    "endpoints_active": {**_COUNT, "description": "Endpoints with attempts in this hour or the one before."},
    "attempts_per_minute": _COUNT,
    "attempts_per_minute_before": {**_COUNT, "description": "The mean of the hour before."},
    "degraded_since": _TIME,
}
_METRIC = {
    "type": "object",
    "description": "One metric of the alarm, or an expression over others (metric math, Metrics Insights).",
    "properties": {
        **dict.fromkeys(("id", "namespace", "name", "stat", "label", "expression"), _TEXT),
        "dimensions": {"type": "object", "additionalProperties": _TEXT},
        "period_seconds": _COUNT,
    },
}
_ALARM_STATE = {"enum": ["OK", "ALARM", "INSUFFICIENT_DATA"]}
_ALARM = {
    "alarm_name": _TEXT,
    "alarm_arn": _TEXT,
    "description": _NULLABLE_TEXT,
    "account_id": _TEXT,
    "region": _TEXT,
    "state": _ALARM_STATE,
    "previous_state": {"enum": [*_ALARM_STATE["enum"], None]},
    "previous_state_since": _NULLABLE_TIME,
    "reason": {"type": "string", "description": "CloudWatch's own; where it ends in … it was longer."},
    "metrics": {"type": "array", "items": _METRIC, "description": "None of a composite alarm."},
    "alarm_rule": {**_NULLABLE_TEXT, "description": "Of a composite alarm."},
    "actions_suppressed_by": {**_NULLABLE_TEXT, "description": "Of a composite alarm: why CloudWatch takes no action."},
    "muted_by": {**_NULLABLE_TEXT, "description": "The ARN of the CloudWatch mute rule that covers it."},
}


def _event_type(
    name: str,
    description: str,
    *,
    properties: dict[str, Any],
    optional: tuple[str, ...] = (),
    example: dict[str, Any],
) -> EventType:
    required = {**_EVERY, **properties}
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name,
        "description": description,
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"const": name},
            "timestamp": {**_TIME, "description": "When it happened."},
            "data": {
                "type": "object",
                "required": [field for field in required if field not in optional],
                "properties": required,
            },
        },
    }
    event = OperationalEvent(
        event_id="evt_9b2f0c6d3e7a41d58d1f0a2b3c4d5e6f",
        application_id="9f0d8c2a-5c1b-4a7e-9d64-5b1a0f3e0002",
        type=name,
        timestamp=datetime(2026, 11, 23, 10, 0, 30, tzinfo=UTC),
        data={
            "sequence": 7,
            "detected_at": "2026-11-23T10:00:30.480Z",
            "labels": {"env": "prod"},
            "reported_by": "key:admin",
            **example,
        },
    )
    return EventType(name, description, schema, to_payload(event, {"runbook": "https://wiki.example.com/webhooks"}))


_EXAMPLE_ENDPOINT = {"endpoint_id": "1a2b3c4d", "endpoint_url": "https://erp.example.com/hooks/billing"}
_EXAMPLE_ATTEMPT = {
    "message_id": "m_17",
    "number": 5,
    "outcome": "failed",
    "response_status_code": 503,
    "error": None,
    "duration_ms": 812,
    "attempted_at": "2026-11-23T10:00:30.000Z",
    "will_retry": False,
    "trigger": "scheduled",
}
_EXAMPLE_SPELL = {
    **_EXAMPLE_ENDPOINT,
    "dedup_key": "inc_5e0c6f9d3b7a42d18d1f0a2b3c4d5e6f",
    "reason": "consecutive",
    "opened_at": "2026-11-23T10:00:30.000Z",
    "failing_since": "2026-11-23T10:00:00.000Z",
    "last_success_at": "2026-11-23T09:59:58.000Z",
    "consecutive_failures": 10,
    "attempts_5m": 40,
    "failed_5m": 10,
    "failures_by_cause": {"503": 9, "timeout": 1},
    "last_attempt": _EXAMPLE_ATTEMPT,
    "messages_failing": 0,
    "messages_exhausted": 1,
    "reopened": 0,
}
_EXAMPLE_CHANGE = {**_EXAMPLE_ENDPOINT, "dedup_key": "endpoint:1a2b3c4d", "actor": "user:42", "reason": None}
_EXAMPLE_MESSAGE = {
    **_EXAMPLE_ENDPOINT,
    "dedup_key": "message:1a2b3c4d:m_17",
    "message_id": "m_17",
    "attempt": _EXAMPLE_ATTEMPT,
}
_EXAMPLE_DEGRADATION = {
    "dedup_key": "deg_0f6b3d7a42d18d1f0a2b3c4d5e6f5e0c",
    "reported_by": "hookwatch",
    "labels": {},
    "reason": "endpoints",
    "endpoints_failing": 12,
    "endpoints_active": 40,
    "attempts_per_minute": 960,
    "attempts_per_minute_before": 940,
    "degraded_since": "2026-11-23T10:00:00.000Z",
}
_EXAMPLE_ALARM = {
    "dedup_key": "alm_7a42d18d1f0a2b3c4d5e6f5e0c0f6b3d",
    "sequence": 1795428030000,
    "reported_by": "cloudwatch",
    "labels": {},
    "alarm_name": "shop-orders-age",
    "alarm_arn": "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:shop-orders-age",
    "description": "Orders wait.",
    "account_id": "123456789012",
    "region": "eu-central-1",
    "state": "ALARM",
    "previous_state": "OK",
    "previous_state_since": "2026-11-20T08:12:44.102Z",
    "reason": "Threshold Crossed: 1 datapoint [412.0 (23/11/26 09:59:00)] was greater than the threshold (300.0).",
    "metrics": [
        {
            "id": "m1",
            "namespace": "AWS/SQS",
            "name": "ApproximateAgeOfOldestMessage",
            "dimensions": {"QueueName": "shop-orders"},
            "stat": "Maximum",
            "period_seconds": 60,
        }
    ],
    "alarm_rule": None,
    "actions_suppressed_by": None,
    "muted_by": None,
}
_QUIET = " While its endpoint is in an incident, only operational endpoints with message_events `all` receive it."

CATALOGUE: dict[str, EventType] = {
    event_type.name: event_type
    for event_type in (
        _event_type(
            "endpoint.created",
            "A monitored endpoint was created on the platform.",
            properties={**_ENDPOINT, **_CHANGE},
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.updated",
            "The configuration of a monitored endpoint changed. `changes` has before and after where they are known.",
            properties={**_ENDPOINT, **_CHANGE, "changes": {"type": "object"}},
            optional=("changes",),
            example={
                **_EXAMPLE_CHANGE,
                "changes": {"url": {"from": "https://erp.example.com/a", "to": "https://erp.example.com/b"}},
            },
        ),
        _event_type(
            "endpoint.deleted",
            "A monitored endpoint was removed from the platform.",
            properties={**_ENDPOINT, **_CHANGE},
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.enabled",
            "A monitored endpoint receives messages again.",
            properties={**_ENDPOINT, **_CHANGE},
            example=_EXAMPLE_CHANGE,
        ),
        _event_type(
            "endpoint.failing",
            "An incident opened, or reopened: the attempts to a monitored endpoint fail.",
            properties={**_ENDPOINT, **_SPELL, **_WAY},
            example={**_EXAMPLE_SPELL, "progress": 0.0, "disables_at": "2026-11-28T10:00:00.000Z"},
        ),
        _event_type(
            "endpoint.warning",
            "An incident goes on: it is 1 or 24 hours old, or 50, 70 or 90 % of the way to automatic disabling.",
            properties={**_ENDPOINT, **_SPELL, **_WAY, "step": _TEXT},
            example={
                **_EXAMPLE_SPELL,
                "step": "50%",
                "progress": 0.5,
                "consecutive_failures": 900,
                "disables_at": "2026-11-28T10:00:00.000Z",
            },
        ),
        _event_type(
            "endpoint.disabled",
            "A monitored endpoint receives no messages any more: by hand (`manual`) or for its failures (`automatic`). "
            "With the numbers of its incident it comes from Hookwatch itself, and the platform is to obey.",
            properties={
                **_ENDPOINT,
                **_CHANGE,
                **_SPELL,
                "reason": _NULLABLE_TEXT,
                "progress": _SHARE,
                "trigger": {"enum": ["manual", "automatic"]},
            },
            optional=(*_SPELL, "progress", "actor", "reason"),
            example={**_EXAMPLE_CHANGE, "trigger": "manual"},
        ),
        _event_type(
            "endpoint.recovered",
            "The incident with the same dedup_key closed. Only the reason `traffic` claims health.",
            properties={
                **_ENDPOINT,
                **_SPELL,
                "reason": {"enum": ["traffic", "enabled", "disabled", "deleted", "silent"]},
                "duration_seconds": _COUNT,
            },
            example={**_EXAMPLE_SPELL, "reason": "traffic", "consecutive_failures": 0, "duration_seconds": 300},
        ),
        _event_type(
            "message.attempt.failing",
            "A message has failed for the fourth time, and the platform will retry." + _QUIET,
            properties={**_ENDPOINT, **_MESSAGE},
            example={**_EXAMPLE_MESSAGE, "attempt": {**_EXAMPLE_ATTEMPT, "number": 4, "will_retry": True}},
        ),
        _event_type(
            "message.attempt.exhausted",
            "A message was not delivered: its last attempt failed and the platform will not retry." + _QUIET,
            properties={**_ENDPOINT, **_MESSAGE},
            example=_EXAMPLE_MESSAGE,
        ),
        _event_type(
            "message.attempt.recovered",
            "A message was delivered after its failing or exhausted event, by schedule or by hand. It is told to whom "
            "that event was told.",
            properties={**_ENDPOINT, **_MESSAGE},
            example={
                **_EXAMPLE_MESSAGE,
                "attempt": {**_EXAMPLE_ATTEMPT, "number": 6, "outcome": "succeeded", "response_status_code": 200},
            },
        ),
        _event_type(
            "application.degraded",
            "Many of an application's active endpoints are in an incident, or its attempts are a multiple of the hour "
            "before.",
            properties=_DEGRADATION,
            example=_EXAMPLE_DEGRADATION,
        ),
        _event_type(
            "application.recovered",
            "The degradation with the same dedup_key is over.",
            properties={**_DEGRADATION, "duration_seconds": _COUNT},
            example={**_EXAMPLE_DEGRADATION, "endpoints_failing": 1, "duration_seconds": 2400},
        ),
        _event_type(
            ALARM,
            "A CloudWatch alarm, not one of Hookwatch's own, changed its state. Its dedup_key is the alarm's: what "
            "`ALARM` opens, `OK` closes.",
            properties=_ALARM,
            example=_EXAMPLE_ALARM,
        ),
        _event_type(
            HEARTBEAT,
            "Hookwatch works from end to end. For a dead-man's switch: only operational endpoints of every application "
            "that name this type receive it, it is attempted once, and not at all after `expires_at`.",
            properties={"period_minutes": {"type": "integer", "minimum": 1}, "expires_at": _TIME},
            example={
                "dedup_key": HEARTBEAT,
                "sequence": 5984760,
                "reported_by": "hookwatch",
                "labels": {},
                "period_minutes": 5,
                "expires_at": "2026-11-23T10:05:00.000Z",
            },
        ),
        _event_type(
            TEST,
            "Somebody asked for a test of the operational endpoint that receives it, and of no other.",
            properties={"operational_endpoint_id": _TEXT},
            example={
                "sequence": 1,
                "operational_endpoint_id": "oep_3d7a42d18d1f0a2b3c4d5e6f",
                "dedup_key": "evt_9b2f0c6d3e7a41d58d1f0a2b3c4d5e6f",
            },
        ),
    )
}
