"""The rules: (health, reports, announced, policy) → (health', events), in the order of the catalogue of events.

Pure: time is the signals' own, capped at the moment at which ingest received them; nothing here reads a clock, so a
retry decides the same.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec.structs import replace

from hookwatch import times
from hookwatch.observing import changes, escalation, telling, trouble
from hookwatch.observing.health import Health, Incident
from hookwatch.observing.signals import Announcement, Attempt, EndpointChange, Report, digest
from hookwatch.operational_events import Events, OperationalEvent, event_id
from hookwatch.policy import Policy

# Which message events exist already: their ids, and whether they are quiet.
Announced = Mapping[str, bool]
Folded = tuple[Health, Events]

_FEW_MESSAGES_WITHIN = timedelta(minutes=15)


class Tick(msgspec.Struct, frozen=True):
    """Time passes: the sweeper's only signal."""

    now: datetime


def fold(health: Health, reports: Iterable[Report | Tick], announced: Announced, policy: Policy) -> Folded:
    """What the endpoint's health becomes, and what there is to say, when `reports` came in, in their order."""
    under_way = _Fold(health, announced, policy)
    for report in reports:
        under_way.take(report)
    return under_way.health, tuple(under_way.events.values())


def message_events(application_id: str, report: Report) -> set[str]:
    """The ids of the events by which the rules will ask what was announced of the report's messages."""
    asked: set[tuple[str, str]] = set()
    for signal in report.signals:
        if not isinstance(signal, EndpointChange) and signal.events_at_most:
            asked.update((f"message.attempt.{type_}", signal.message_id) for type_ in _asked(signal))
    return {event_id(application_id, type_, report.endpoint_id, message_id) for type_, message_id in asked}


def _asked(signal: Attempt | Announcement) -> tuple[str, ...]:
    """Each costs a read. Of what is final it is enough to know whether that was said."""
    if signal.recovers:
        return "failing", "exhausted", "recovered"
    is_final = isinstance(signal, Attempt) and not signal.will_retry
    return ("exhausted",) if is_final else ("failing", "exhausted")


class _Fold:
    """One fold under way: the health so far, the events so far, and the report at hand."""

    def __init__(self, health: Health, announced: Announced, policy: Policy) -> None:
        self.health = health
        self.policy = policy
        self.events: dict[str, OperationalEvent] = {}
        self._announced = dict(announced)
        self._received_at: datetime
        self._reported_by: str

    def take(self, report: Report | Tick) -> None:
        match report:
            case Tick(now):
                self._received_at, self._reported_by = now, "hookwatch"
                self._time_passes(now)
            case Report():
                self._received_at, self._reported_by = report.received_at, report.reported_by
                for signal in report.signals:
                    match signal:
                        case Attempt():
                            self._attempted(signal)
                        case EndpointChange():
                            self._changed(signal)
                        case Announcement():
                            self._announce(signal)

    # ── endpoint.created, updated, deleted, enabled, disabled: the platform says so ──

    def _changed(self, change: EndpointChange) -> None:
        if change.at > self._received_at:
            change = replace(change, occurred_at=self._received_at)
        if self._reported_by.startswith("source:"):
            self.health = replace(self.health, is_sourced=True)
        was_gone = self.health.deleted_at is not None
        self.health, facts = changes.apply(self.health, change)
        for fact in facts:
            trigger = change.trigger if fact.type == "endpoint.disabled" else None
            self._say(fact.type, change.at, (change.signal_id,), **telling.of_change(change, fact.changes, trigger))
            match fact.type:
                case "endpoint.deleted":
                    self._start_afresh("deleted", change.at)
                case "endpoint.enabled":
                    self._start_afresh("enabled", change.at)
                case "endpoint.created" if was_gone:
                    self._start_afresh("enabled", change.at)
                case "endpoint.disabled" if change.trigger == "manual":  # an automatic one keeps its incident open
                    self._start_afresh("disabled", change.at)

    def _start_afresh(self, reason: str, at: datetime) -> None:
        """Whatever failed before is of no more account."""
        self._recovered(reason, at)
        self.health = replace(
            self.health,
            consecutive_failures=0,
            failing_since=None,
            troubled_since=None,
            failures_by_cause={},
            minutes=(),
            closed=None,
        )

    # ── attempts, and the time that passes between them ──

    def _attempted(self, attempt: Attempt) -> None:
        if attempt.at > self._received_at:
            attempt = replace(attempt, attempted_at=self._received_at)
        is_late = self._received_at - attempt.at > self.policy.late_after
        # What a person tries by hand and what comes too late moves no state, except that a success by hand is one.
        if not is_late and (attempt.succeeded or attempt.trigger == "scheduled"):
            self._time_passes(attempt.at)
            self.health = trouble.count(self.health, attempt, self.policy)
            if not attempt.succeeded:
                self._failing(attempt)
            self._time_passes(attempt.at)
        if attempt.events_at_most == 0:  # nearly always: a first success, or a failure that is no news
            return
        if attempt.succeeded:
            self._message_recovered(attempt)
        elif attempt.trigger == "scheduled":
            self._message_failed(attempt)

    def _time_passes(self, at: datetime) -> None:
        """What an open incident comes to, by attempts or without them."""
        now = self.health.latest(at)
        if self.health.incident is not None:
            self._warning(now)
            self._disabled(now)
            self._recover_if_over(now)

    # ── endpoint.failing: an incident opens, or reopens ──

    def _failing(self, attempt: Attempt) -> None:
        health, at = self.health, self.health.latest(attempt.at)
        if health.state != "healthy":  # nothing opens for one that is switched off or gone
            return
        reason = trouble.reason_to_open(health, attempt.at, at, self.policy)
        if reason is None:
            return
        since = health.failing_since if reason == "consecutive" else health.troubled_since
        spell: dict[str, Any] = {
            "reason": reason,
            "announced_at": at,
            "failing_since": since or at,
            "failures_by_cause": health.failures_by_cause,
            "calm_since": None,
            "closed_at": None,
        }
        if health.closed is not None:
            incident = replace(health.closed, reopened=health.closed.reopened + 1, **spell)
        else:
            identity = (attempt.message_id, str(attempt.attempt_number), times.to_text(attempt.at))
            incident_id = f"inc_{digest(health.application_id, health.endpoint_id, *identity)[:32]}"
            incident = Incident(incident_id=incident_id, opened_at=at, **spell)
        self.health = replace(health, incident=incident, closed=None)
        self._say_incident(
            "endpoint.failing", incident, at, reason=reason, **escalation.told(self.health, at, self.policy)
        )

    # ── endpoint.warning: it goes on ──

    def _warning(self, now: datetime) -> None:
        health, incident, policy = self.health, self.health.incident, self.policy
        if incident is None or health.state != "failing":  # who disabled it knows
            return
        past, step = escalation.steps_past(health, incident, now, policy)
        if past <= incident.warnings:
            return
        self.health = replace(health, incident=replace(incident, warnings=past))
        if not self._is_to_be_disabled(now):
            way = escalation.told(health, now, policy)
            self._say_incident("endpoint.warning", incident, now, step, reason=incident.reason, step=step, **way)

    # ── endpoint.disabled: Hookwatch itself says so ──

    def _disabled(self, now: datetime) -> None:
        health, incident = self.health, self.health.incident
        if incident is None or health.state != "failing" or not self._is_to_be_disabled(now):
            return
        self.health = replace(health, disabled_at=now)
        said = {"trigger": "automatic", "actor": "hookwatch", "reason": incident.reason, "progress": 1.0}
        self._say_incident("endpoint.disabled", incident, now, "", **said)

    def _is_to_be_disabled(self, now: datetime) -> bool:
        is_allowed = escalation.may_disable(self.health, self.policy)
        return is_allowed and escalation.progress(self.health, now, self.policy) >= 1

    # ── endpoint.recovered: the incident closes ──

    def _recover_if_over(self, now: datetime) -> None:
        health, incident, policy = self.health, self.health.incident, self.policy
        if incident is None or health.last_attempt is None:
            return
        if now - health.last_attempt.at >= policy.silent_after:
            self._recovered("silent", health.last_attempt.at + policy.silent_after)
            return
        is_calm = health.consecutive_failures < policy.opens_after_failures and not trouble.is_lasting(
            health, now, policy
        )
        calm_since = (incident.calm_since or now) if is_calm else None
        if calm_since != incident.calm_since:
            incident = replace(incident, calm_since=calm_since)
            self.health = health = replace(health, incident=incident)
        patience = policy.reopens_within if incident.reopened else timedelta()
        if escalation.has_succeeded(health, incident) and calm_since is not None and now - calm_since >= patience:
            self._recovered("traffic", now)
            self.health = replace(
                self.health, closed=replace(incident, closed_at=now, calm_since=None), disabled_at=None
            )

    def _recovered(self, reason: str, at: datetime) -> None:
        incident = self.health.incident
        if incident is None:
            return
        duration = max(0, round((at - incident.failing_since).total_seconds()))
        self._say_incident("endpoint.recovered", incident, at, reason=reason, duration_seconds=duration)
        self.health = replace(self.health, incident=None)

    # ── message.attempt.failing, exhausted, recovered ──

    def _message_failed(self, attempt: Attempt) -> None:
        if self._quietness(attempt.message_id, "exhausted") is not None:
            return
        if not attempt.will_retry:
            self._count_messages(exhausted=int(self._say_attempt("message.attempt.exhausted", attempt)))
        elif attempt.attempt_number >= self.policy.message_failing_from_attempt:
            self._count_messages(failing=int(self._say_attempt("message.attempt.failing", attempt)))

    def _message_recovered(self, attempt: Attempt) -> None:
        if self._announced_of(attempt.message_id):
            self._say_attempt("message.attempt.recovered", attempt)

    def _announce(self, announcement: Announcement) -> None:
        """What a platform says instead of its attempts."""
        said = telling.of_announcement(announcement)
        self._say_message(announcement.type, min(announcement.at, self._received_at), said)

    def _say_attempt(self, event_type: str, attempt: Attempt) -> bool:
        said = {"message_id": attempt.message_id, "attempt": telling.of_attempt(attempt)}
        return self._say_message(event_type, attempt.at, said)

    def _say_message(self, event_type: str, at: datetime, said: dict[str, Any]) -> bool:
        message_id, now = said["message_id"], self._received_at
        told_at = tuple(moment for moment in self.health.messages_told_at if now - moment < _FEW_MESSAGES_WITHIN)
        is_quiet = self.health.incident is not None or len(told_at) >= self.policy.messages_told_at_most
        is_recovery = event_type == "message.attempt.recovered"
        if is_recovery and (announced := self._announced_of(message_id)):
            is_quiet = all(announced)  # told to whom its failing or exhausted event was told
        key = telling.message_key(self.health.endpoint_id, message_id)
        has_said = self._say(
            event_type, at, (self.health.endpoint_id, message_id), quiet=is_quiet, dedup_key=key, **said
        )
        if has_said and not is_quiet and not is_recovery:
            self.health = replace(self.health, messages_told_at=(*told_at, now))
        return has_said

    def _announced_of(self, message_id: str) -> list[bool]:
        """Of the events that say that the message fails, whether each is quiet."""
        quietness = (self._quietness(message_id, type_) for type_ in ("failing", "exhausted"))
        return [is_quiet for is_quiet in quietness if is_quiet is not None]

    def _quietness(self, message_id: str, type_: str) -> bool | None:
        """Whether the message's event is quiet; None where there is none."""
        health = self.health
        identity = event_id(health.application_id, f"message.attempt.{type_}", health.endpoint_id, message_id)
        told = self.events.get(identity)
        return told.quiet if told else self._announced.get(identity)

    def _count_messages(self, *, failing: int = 0, exhausted: int = 0) -> None:
        incident = self.health.incident
        if incident is not None and (failing or exhausted):
            incident = replace(
                incident,
                messages_failing=incident.messages_failing + failing,
                messages_exhausted=incident.messages_exhausted + exhausted,
            )
            self.health = replace(self.health, incident=incident)

    # ── saying it ──

    def _say_incident(
        self, event_type: str, incident: Incident, at: datetime, derived_from: str | None = None, **data: Any
    ) -> None:
        """Derived from the incident and, where nothing else is said, how often it has reopened."""
        identity = (incident.incident_id, str(incident.reopened) if derived_from is None else derived_from)
        self._say(event_type, at, identity, **{**telling.of_incident(self.health, incident, at), **data})

    def _say(
        self, event_type: str, at: datetime, derived_from: tuple[str, ...], *, quiet: bool = False, **data: Any
    ) -> bool:
        """False where it has been said already: the same fact is never two events."""
        identity = event_id(self.health.application_id, event_type, *derived_from)
        if identity in self.events or identity in self._announced:
            return False
        self.health = health = replace(self.health, sequence=self.health.sequence + 1)
        self.events[identity] = OperationalEvent(
            event_id=identity,
            application_id=health.application_id,
            type=event_type,
            timestamp=at,
            quiet=quiet,
            data={
                **telling.of_endpoint(health),
                "detected_at": times.to_text(self._received_at),
                "reported_by": self._reported_by,
                **data,
            },
        )
        return True
