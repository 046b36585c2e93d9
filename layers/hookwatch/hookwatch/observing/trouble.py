"""What attempts come to: a run of failures, their share of the last minutes, and whether that is an incident. Pure."""

from datetime import datetime

from msgspec.structs import replace

from hookwatch.observing.health import SHARE_MINUTES, Health, cause_of, counted, increased, last_minutes
from hookwatch.observing.signals import Attempt
from hookwatch.policy import Policy

_ONE_MINUTE = 2  # the attempt's own minute and the one before


def count(health: Health, attempt: Attempt, policy: Policy) -> Health:
    """With one attempt more, in whatever order attempts come."""
    at = attempt.at
    is_latest = health.last_attempt is None or at >= health.last_attempt.at
    health = replace(
        health,
        minutes=counted(health.minutes, at, failed=not attempt.succeeded),
        last_attempt=attempt if is_latest else health.last_attempt,
    )
    if health.closed and health.closed.closed_at and at - health.closed.closed_at > policy.reopens_within:
        health = replace(health, closed=None)
    return _succeeded(health, at) if attempt.succeeded else _failed(health, attempt, policy)


def reason_to_open(health: Health, attempted_at: datetime, now: datetime, policy: Policy) -> str | None:
    """`consecutive`, `rate`, or None while there is none."""
    if (
        health.failing_since is not None
        and health.consecutive_failures >= policy.opens_after_failures
        and attempted_at - health.failing_since >= policy.opens_after
    ):
        return "consecutive"
    shares = ((SHARE_MINUTES, policy.opens_at_share), (_ONE_MINUTE, policy.opens_at_share_of_a_minute))
    for span, share in shares:
        attempts, failed = last_minutes(health.minutes, now, span)
        if attempts >= policy.opens_from_attempts and failed >= attempts * share:
            return "rate"
    return None


def is_lasting(health: Health, now: datetime, policy: Policy) -> bool:
    """Whether so many of the last five minutes, or of the last one, failed that an incident stays open."""
    attempts, failed = last_minutes(health.minutes, now)
    if failed > 0 and failed >= attempts * policy.closes_below_share:
        return True
    attempts, failed = last_minutes(health.minutes, now, _ONE_MINUTE)
    return attempts >= policy.opens_from_attempts and failed >= attempts * policy.closes_below_share_of_a_minute


def _succeeded(health: Health, at: datetime) -> Health:
    health = replace(health, last_success_at=max(filter(None, (health.last_success_at, at))))
    if health.failing_since is not None and at > health.failing_since:
        health = replace(health, consecutive_failures=0, failing_since=None)
    return health


def _failed(health: Health, attempt: Attempt, policy: Policy) -> Health:
    at, cause = attempt.at, cause_of(attempt)
    if health.consecutive_failures == 0 and not is_lasting(health, at, policy):
        health = replace(health, troubled_since=None, failures_by_cause={})
    if health.last_success_at is None or at > health.last_success_at:
        health = replace(
            health,
            consecutive_failures=health.consecutive_failures + 1,
            failing_since=min(filter(None, (health.failing_since, at))),
        )
    health = replace(
        health,
        troubled_since=min(filter(None, (health.troubled_since, at))),
        failures_by_cause=increased(health.failures_by_cause, cause),
    )
    if health.incident is not None:
        causes = increased(health.incident.failures_by_cause, cause)
        health = replace(health, incident=replace(health.incident, failures_by_cause=causes))
    return health
