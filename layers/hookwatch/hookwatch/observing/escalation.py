"""How far an incident has come: the steps of its warnings, the way to automatic disabling, when to look again. Pure."""

from datetime import datetime, timedelta
from typing import Any

from hookwatch import times
from hookwatch.observing.health import Health, Incident
from hookwatch.policy import Policy

_HOUR = timedelta(hours=1)
_SWEEP = timedelta(minutes=1)


def may_disable(health: Health, policy: Policy) -> bool:
    if policy.disable_authority == "default":
        return not health.is_sourced
    return policy.disable_authority == "hookwatch"


def progress(health: Health, now: datetime, policy: Policy) -> float:
    """How far the run of failures has come on the way to automatic disabling, 0 to 1. A success ends the run: an
    endpoint that still takes some messages is never disabled for those that it refuses."""
    if health.failing_since is None:
        return 0.0
    by_time = (now - health.failing_since) / policy.disables_after
    return max(0.0, min(by_time, health.consecutive_failures / policy.disables_after_failures, 1.0))


def steps_past(health: Health, incident: Incident, now: datetime, policy: Policy) -> tuple[int, str]:
    """The highest step of endpoint.warning that is past: its number from 1, and its name; (0, "") before the first."""
    age, way = (now - incident.opened_at) / _HOUR, progress(health, now, policy)
    hours, shares = policy.warns_after_hours, policy.warns_at_progress
    for number, share in reversed([*enumerate(shares, start=len(hours) + 1)]):
        if way >= share:
            return number, f"{share:.0%}"
    for number, hour in reversed([*enumerate(hours, start=1)]):
        if age >= hour:
            return number, f"{hour}h"
    return 0, ""


def told(health: Health, now: datetime, policy: Policy) -> dict[str, Any]:
    since = health.failing_since
    disables_at = since + policy.disables_after if since and may_disable(health, policy) else None
    return {
        "progress": round(progress(health, now, policy), 3),
        "disables_at": times.to_text(disables_at) if disables_at else None,
    }


def has_succeeded(health: Health, incident: Incident) -> bool:
    """Whether an attempt has succeeded since the incident opened, or reopened."""
    return health.last_success_at is not None and health.last_success_at > incident.announced_at


def due_at(health: Health, policy: Policy) -> datetime | None:
    """The earliest time at which a Tick could find something to do; None without an incident."""
    incident, last_attempt = health.incident, health.last_attempt
    if incident is None or last_attempt is None:
        return None
    silent = last_attempt.at + policy.silent_after
    due = [silent]
    if has_succeeded(health, incident) and health.consecutive_failures < policy.opens_after_failures:
        due.append(last_attempt.at + _SWEEP)  # it may close any minute
    if health.state == "failing":
        steps = [incident.opened_at + timedelta(hours=hours) for hours in policy.warns_after_hours]
        steps += [_reached_at(health, share, policy) or silent for share in policy.warns_at_progress]
        due += steps[incident.warnings :]
        if may_disable(health, policy):
            due.append(_reached_at(health, 1.0, policy) or silent)
    return min(due)


def _reached_at(health: Health, share: float, policy: Policy) -> datetime | None:
    """When time alone brings the run so far; None while it has too few failures."""
    if health.failing_since is None or health.consecutive_failures < share * policy.disables_after_failures:
        return None
    return health.failing_since + share * policy.disables_after
