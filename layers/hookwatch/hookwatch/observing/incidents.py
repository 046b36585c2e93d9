"""The rules: (health, reports) → (health', events). Pure: a retry decides the same.

Time is the signals' own, capped at the moment at which ingest received them; nothing here reads a clock.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from hookwatch import times
from hookwatch.observing.health import Health, Incident, counted, last_minutes
from hookwatch.observing.signals import Announcement, Attempt, EndpointChange, Report, digest
from hookwatch.operational_events import OperationalEvent, event_id


@dataclass(frozen=True, slots=True)
class Policy:
    """The numbers of the rules. Shares are between 0 and 1."""

    opens_after_failures: int = 10
    opens_after: timedelta = timedelta(seconds=30)
    opens_at_share: float = 0.5
    late_after: timedelta = timedelta(minutes=5)

    @property
    def closes_below_share(self) -> float:
        return self.opens_at_share / 2


Folded = tuple[Health, tuple[OperationalEvent, ...]]


def fold(health: Health, reports: Iterable[Report], policy: Policy) -> Folded:
    """What the endpoint's health becomes, and what there is to say, when `reports` came in, in their order."""
    fold_of = _Fold(health, policy)
    for report in reports:
        fold_of.report = report
        for signal in report.signals:
            match signal:
                case Attempt():
                    fold_of.attempt(signal)
                case EndpointChange():
                    fold_of.change(signal)
                case Announcement():
                    fold_of.announcement(signal)
    return fold_of.health, tuple(fold_of.events)


class _Fold:
    """One fold under way: the health so far, the events so far, and the report at hand."""

    def __init__(self, health: Health, policy: Policy) -> None:
        self.health = health
        self.policy = policy
        self.events: list[OperationalEvent] = []
        self.report: Report

    # ── endpoint.created, updated, deleted, enabled, disabled: the platform says so ──

    def change(self, change: EndpointChange) -> None:
        if change.at > self.report.received_at:
            change = replace(change, occurred_at=self.report.received_at)
        old = self.health.configuration
        is_old_news = self.health.configured_at is not None and change.occurred_at < self.health.configured_at
        if is_old_news:  # never reverts what is newer; what the platform itself says has changed is still told
            if change.type == "endpoint.updated" and change.changes:
                self._say_changed("endpoint.updated", change, changes=change.changes)
            return
        new = {**old, **change.configuration}
        match change.type:
            case "endpoint.created":
                self._created(change)
            case "endpoint.deleted":
                self._deleted(change)
            case "endpoint.enabled":
                self._configure(change, {**new, "is_enabled": True})
            case "endpoint.disabled":
                self._configure(change, {**new, "is_enabled": False})
            case "endpoint.updated":
                self._configure(change, new)

    def _created(self, change: EndpointChange) -> None:
        if self.health.is_created and not self.health.is_deleted:
            return
        was_deleted = self.health.is_deleted
        self.health = replace(
            self.health,
            configuration={"is_enabled": True, **change.configuration},
            configured_at=change.at,
            is_created=True,
            is_deleted=False,
        )
        self._say_changed("endpoint.created", change)
        if was_deleted:
            self._start_afresh("enabled", change.at)

    def _deleted(self, change: EndpointChange) -> None:
        if self.health.is_deleted:
            return
        self.health = replace(self.health, configured_at=change.at, is_created=False, is_deleted=True)
        self._say_changed("endpoint.deleted", change)
        self._start_afresh("deleted", change.at)

    def _configure(self, change: EndpointChange, configuration: dict[str, Any]) -> None:
        """Compares with what was known: what changed besides `is_enabled` is told first, then the switch."""
        old = self.health.configuration
        spelled_out = change.changes or {}
        was_enabled = old.get("is_enabled", spelled_out.get("is_enabled", {}).get("from"))
        is_enabled = configuration.get("is_enabled")
        self.health = replace(
            self.health, configuration=configuration, configured_at=change.at, is_created=True, is_deleted=False
        )
        self._say_updated(change, old, configuration)
        if is_enabled is was_enabled or (was_enabled is None and change.type == "endpoint.updated"):
            return
        if is_enabled:
            self._say_changed("endpoint.enabled", change)
            self._start_afresh("enabled", change.at)
        else:
            self._say_changed("endpoint.disabled", change, trigger=change.trigger)
            if change.trigger == "manual":  # an automatic disabling keeps its incident open
                self._start_afresh("disabled", change.at)

    def _say_updated(self, change: EndpointChange, old: dict[str, Any], new: dict[str, Any]) -> None:
        is_first_news = not old and change.type == "endpoint.updated"
        if change.changes is None and change.type == "endpoint.updated" and (is_first_news or not change.configuration):
            self._say_changed("endpoint.updated", change)  # nothing to compare: told without `changes`
            return
        differing = change.changes if change.changes is not None else _difference(old, new) if old else {}
        changes = {field: differing[field] for field in differing if field != "is_enabled"}
        if changes:
            self._say_changed("endpoint.updated", change, changes=changes)

    def _start_afresh(self, reason: str, at: datetime) -> None:
        """Whatever failed before is of no more account."""
        self._close(reason, at)
        self.health = replace(self.health, consecutive_failures=0, failing_since=None, failures_by_cause={}, minutes=())

    # ── endpoint.failing, endpoint.recovered: from the attempts ──

    def attempt(self, attempt: Attempt) -> None:
        if attempt.at > self.report.received_at:
            attempt = replace(attempt, attempted_at=self.report.received_at)
        at = attempt.at
        is_late = self.report.received_at - attempt.at > self.policy.late_after
        # What a person tries by hand and what comes too late moves no state, except that a success by hand is one.
        if not is_late and (attempt.succeeded or attempt.trigger == "scheduled"):
            self._count(attempt, at)
            if self.health.state == "healthy":  # nothing opens for one that is switched off or gone
                self._open_if_failing(attempt, at)
            else:
                self._close_if_recovered(at)
        if not attempt.succeeded and not attempt.will_retry and attempt.trigger == "scheduled":
            self._exhausted(attempt)

    def _count(self, attempt: Attempt, at: datetime) -> None:
        health = self.health
        minutes = counted(health.minutes, at, failed=not attempt.succeeded)
        is_latest = health.last_attempt is None or attempt.at >= health.last_attempt.at
        last_attempt = attempt if is_latest else health.last_attempt
        self.health = health = replace(health, minutes=minutes, last_attempt=last_attempt)
        if attempt.succeeded:
            last_success_at = max(filter(None, (health.last_success_at, at)))
            self.health = replace(health, last_success_at=last_success_at)
            if health.failing_since is not None and at > health.failing_since:
                self.health = replace(self.health, consecutive_failures=0, failing_since=None, failures_by_cause={})
        elif health.last_success_at is None or at > health.last_success_at:
            cause = _cause(attempt)
            self.health = replace(
                health,
                consecutive_failures=health.consecutive_failures + 1,
                failing_since=min(filter(None, (health.failing_since, at))),
                failures_by_cause=_increased(health.failures_by_cause, cause),
            )
            if health.incident is not None:
                incident = health.incident
                causes = _increased(incident.failures_by_cause, cause)
                self.health = replace(self.health, incident=replace(incident, failures_by_cause=causes))

    def _open_if_failing(self, attempt: Attempt, at: datetime) -> None:
        health, policy = self.health, self.policy
        since = health.failing_since
        if (
            since is None
            or health.consecutive_failures < policy.opens_after_failures
            or at - since < policy.opens_after
        ):
            return
        incident = Incident(
            incident_id="inc_"
            + digest(
                health.application_id,
                health.endpoint_id,
                attempt.message_id,
                str(attempt.attempt_number),
                times.to_text(attempt.at),
            )[:32],
            reason="consecutive",
            opened_at=at,
            failing_since=since,
            failures_by_cause=health.failures_by_cause,
        )
        self.health = replace(health, incident=incident)
        self._say_incident("endpoint.failing", incident, at, reason=incident.reason)

    def _close_if_recovered(self, at: datetime) -> None:
        health, incident = self.health, self.health.incident
        if health.last_attempt is not None:
            at = max(at, health.last_attempt.at)  # a belated attempt is judged by what is known now
        attempts, failed = last_minutes(health.minutes, at)
        if (
            incident is not None
            and health.last_success_at is not None
            and health.last_success_at > incident.opened_at
            and health.consecutive_failures < self.policy.opens_after_failures
            and failed < attempts * self.policy.closes_below_share
        ):
            self._close("traffic", at)

    def _close(self, reason: str, at: datetime) -> None:
        incident = self.health.incident
        if incident is None:
            return
        duration = max(0, round((at - incident.failing_since).total_seconds()))
        self._say_incident("endpoint.recovered", incident, at, reason=reason, duration_seconds=duration)
        self.health = replace(self.health, incident=None)

    # ── message.attempt.exhausted: failed, and the platform will not retry ──

    def _exhausted(self, attempt: Attempt) -> None:
        incident = self.health.incident
        is_new = self._say(
            "message.attempt.exhausted",
            attempt.at,
            (attempt.endpoint_id, attempt.message_id),
            quiet=incident is not None,
            dedup_key=f"message:{attempt.endpoint_id}:{attempt.message_id}",
            message_id=attempt.message_id,
            attempt=_told(attempt),
        )
        if is_new and incident is not None:
            exhausted = replace(incident, messages_exhausted=incident.messages_exhausted + 1)
            self.health = replace(self.health, incident=exhausted)

    def announcement(self, announcement: Announcement) -> None:
        self._say(
            announcement.type,
            announcement.at,
            (announcement.endpoint_id, announcement.message_id),
            dedup_key=f"message:{announcement.endpoint_id}:{announcement.message_id}",
            message_id=announcement.message_id,
        )

    # ── saying it ──

    def _say_changed(self, event_type: str, change: EndpointChange, **data: Any) -> None:
        self._say(
            event_type,
            change.at,
            (change.signal_id,),
            dedup_key=f"endpoint:{change.endpoint_id}",
            actor=change.actor,
            reason=change.reason,
            **data,
        )

    def _say_incident(self, event_type: str, incident: Incident, at: datetime, **data: Any) -> None:
        health = self.health
        attempts, failed = last_minutes(health.minutes, at)
        self._say(
            event_type,
            at,
            (incident.incident_id,),
            dedup_key=incident.incident_id,
            failing_since=times.to_text(incident.failing_since),
            last_success_at=times.to_text(health.last_success_at) if health.last_success_at else None,
            consecutive_failures=health.consecutive_failures,
            attempts_5m=attempts,
            failed_5m=failed,
            failures_by_cause=incident.failures_by_cause,
            last_attempt=_told(health.last_attempt) if health.last_attempt else None,
            messages_exhausted=incident.messages_exhausted,
            **data,
        )

    def _say(
        self, event_type: str, at: datetime, derived_from: tuple[str, ...], *, quiet: bool = False, **data: Any
    ) -> bool:
        """False where this fold has said it already: the same fact is never two events."""
        identity = event_id(self.health.application_id, event_type, *derived_from)
        if any(event.event_id == identity for event in self.events):
            return False
        self.health = health = replace(self.health, sequence=self.health.sequence + 1)
        self.events.append(
            OperationalEvent(
                event_id=identity,
                application_id=health.application_id,
                type=event_type,
                timestamp=at,
                quiet=quiet,
                data={
                    "endpoint_id": health.endpoint_id,
                    "endpoint_url": health.configuration.get("url"),
                    "sequence": health.sequence,
                    "detected_at": times.to_text(self.report.received_at),
                    "labels": health.configuration.get("labels", {}),
                    "reported_by": self.report.reported_by,
                    **data,
                },
            )
        )
        return True


def _difference(old: dict[str, Any], new: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field: {"from": old.get(field), "to": new[field]} for field in sorted(new) if old.get(field) != new[field]}


def _increased(counts: dict[str, int], key: str) -> dict[str, int]:
    return {**counts, key: counts.get(key, 0) + 1}


def _cause(attempt: Attempt) -> str:
    return str(attempt.response_status_code) if attempt.response_status_code else attempt.error or "other"


def _told(attempt: Attempt) -> dict[str, Any]:
    return {
        "message_id": attempt.message_id,
        "number": attempt.attempt_number,
        "outcome": "succeeded" if attempt.succeeded else "failed",
        "response_status_code": attempt.response_status_code,
        "error": attempt.error,
        "duration_ms": attempt.duration_ms,
        "attempted_at": times.to_text(attempt.at),
        "will_retry": attempt.will_retry,
        "trigger": attempt.trigger,
    }
