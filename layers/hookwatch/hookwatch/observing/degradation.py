"""The rules of an application as a whole: (degradation, facts) → (degradation', events). Pure, each minute once."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from hookwatch import times
from hookwatch.observing.signals import digest
from hookwatch.operational_events import Events, OperationalEvent, event_id
from hookwatch.policy import Policy

_CALM = timedelta(minutes=5)
_NEW_NORMAL = timedelta(hours=1)


class Facts(msgspec.Struct, frozen=True):
    """Of the endpoints active in this hour or the one before, how many are in an incident; the attempts reported in the
    last whole minute, and a minute in the hour before it on average (None where too little of it is known)."""

    endpoints_failing: int
    endpoints_active: int
    attempts_per_minute: int
    attempts_per_minute_before: int | None


class Degradation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`since` is None while all is well. `attempts_before` is what was normal when it began."""

    since: datetime | None = None
    reason: str = ""
    dedup_key: str = ""
    attempts_before: int | None = None
    calm_since: datetime | None = None
    sequence: int = 0


def judge(
    application_id: str, degradation: Degradation, facts: Facts, now: datetime, policy: Policy
) -> tuple[Degradation, Events]:
    if degradation.since is None:
        reason = _reason(facts, policy)
        if reason is None:
            return degradation, ()
        degraded = replace(
            degradation,
            since=now,
            reason=reason,
            dedup_key=f"deg_{digest(application_id, times.to_text(now))[:32]}",
            attempts_before=facts.attempts_per_minute_before,
            calm_since=None,
            sequence=degradation.sequence + 1,
        )
        return degraded, (_event("application.degraded", application_id, degraded, facts, now),)
    calm_since = (degradation.calm_since or now) if _is_calm(degradation, facts, now, policy) else None
    degradation = replace(degradation, calm_since=calm_since)
    if calm_since is None or now - calm_since < _CALM:
        return degradation, ()
    recovered = replace(degradation, sequence=degradation.sequence + 1)
    duration = round((now - degradation.since).total_seconds()) if degradation.since else 0
    event = _event("application.recovered", application_id, recovered, facts, now, duration_seconds=duration)
    return Degradation(sequence=recovered.sequence), (event,)


def _reason(facts: Facts, policy: Policy) -> str | None:
    failing, active = facts.endpoints_failing, facts.endpoints_active
    if failing >= policy.degraded_from_endpoints and failing >= active * policy.degraded_at_share:
        return "endpoints"
    attempts, normal = facts.attempts_per_minute, facts.attempts_per_minute_before
    is_many = attempts >= policy.degraded_from_attempts
    if is_many and normal is not None and attempts > normal * policy.degraded_at_factor:
        return "traffic"
    return None


def _is_calm(degradation: Degradation, facts: Facts, now: datetime, policy: Policy) -> bool:
    """Below half of what opens it. What has lasted for an hour is the new normal of the traffic."""
    failing, active = facts.endpoints_failing, facts.endpoints_active
    if failing >= max(active * policy.degraded_at_share, policy.degraded_from_endpoints) / 2:
        return False
    normal = degradation.attempts_before
    if degradation.since is not None and now - degradation.since >= _NEW_NORMAL:
        normal = facts.attempts_per_minute_before
    return normal is None or facts.attempts_per_minute <= max(
        normal * policy.degraded_at_factor / 2, policy.degraded_from_attempts
    )


def _event(
    event_type: str, application_id: str, degradation: Degradation, facts: Facts, now: datetime, **data: Any
) -> OperationalEvent:
    return OperationalEvent(
        event_id=event_id(application_id, event_type, times.to_text(now)),
        application_id=application_id,
        type=event_type,
        timestamp=now,
        data={
            "dedup_key": degradation.dedup_key,
            "sequence": degradation.sequence,
            "detected_at": times.to_text(now),
            "labels": {},
            "reported_by": "hookwatch",
            "reason": degradation.reason,
            "degraded_since": times.to_text(degradation.since) if degradation.since else None,
            "endpoints_failing": facts.endpoints_failing,
            "endpoints_active": facts.endpoints_active,
            "attempts_per_minute": facts.attempts_per_minute,
            "attempts_per_minute_before": facts.attempts_per_minute_before or 0,
            **data,
        },
    )
