"""MonitoredEndpoint, OperationalEvent and MessageStats, written together: what a fold found and what it has to say."""

import random
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from msgspec.structs import replace
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, PynamoDBException, TransactWriteError
from pynamodb.transactions import TransactWrite

from hookwatch import activity, event_items, tables, times, writes
from hookwatch.observing import escalation, hours, incidents, records, stats
from hookwatch.observing.counting import Message, Receiving
from hookwatch.observing.incidents import Tick
from hookwatch.observing.policies import Policies
from hookwatch.observing.records import Record
from hookwatch.observing.signals import Report
from hookwatch.observing.stats import Rows
from hookwatch.operational_events import Events

_T = TypeVar("_T")
_TRIES = 8
_FIRST_PAUSE = timedelta(milliseconds=25)
_ITEMS_AT_MOST = 100  # of a transaction (DynamoDB)
_RETRYABLE = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_RETRYABLE_WRITES = {
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
}


class _Outrun(PynamoDBException):
    """To be tried again: another writer changed the record since it was read, DynamoDB asks to come again, or events
    of the fold exist already; `existing` are their ids."""

    def __init__(self, existing: Iterable[str] = ()) -> None:
        super().__init__("outrun by other writers too often")
        self.existing = existing


class Counted(msgspec.Struct, frozen=True):
    """The events that a call has stored, and those of its messages that had been counted before it."""

    events: Events
    repeated: tuple[Message, ...]


class Outbox:
    def __init__(self, policies: Policies, *, event_retention_days: int, stats_retention_days: int) -> None:
        self._policies = policies
        self._event_retention_days = event_retention_days
        self._stats_retention_days = stats_retention_days
        self._connection = Connection(**tables.TIMEOUTS)

    def count(self, messages: list[Message], receiving: Receiving) -> Counted:
        """Folds messages of one monitored endpoint into its record, and stores what there is to say.

        `messages` are all that were handed out together so far, in order; what was counted already is left out.

        Raises:
            pynamodb.exceptions.PynamoDBException: nothing was written.
        """
        return _again_and_again(lambda told: self._try_count(messages, receiving, told))

    def tick(self, application_id: str, endpoint_id: str, now: datetime) -> Events:
        """Lets time pass for an endpoint in an incident, as `count` does for messages."""
        return _again_and_again(lambda told: self._try_tick(application_id, endpoint_id, now, told))

    def _try_count(self, messages: list[Message], receiving: Receiving, told: dict[str, bool]) -> Counted:
        application_id = messages[0].report.application_id
        record, policy = records.read(application_id, messages[0].report.endpoint_id), self._policies.of(application_id)
        repeated = tuple(message for message in messages if record.counted.has(message))
        fresh = [message for message in messages if not record.counted.has(message)]
        if not fresh:
            return Counted((), repeated)
        reports = [message.report for message in fresh]
        health, events = incidents.fold(record.health, reports, told | _announced(application_id, reports), policy)
        hour, rows = stats.count(record.hour, reports)
        if 1 + len(events) + len(rows) > _ITEMS_AT_MOST and len(fresh) > 1:
            half = len(messages) - len(fresh) // 2  # too many for one transaction: one half after the other
            halves = self.count(messages[:half], receiving), self.count(messages, receiving)
            return Counted(halves[0].events + halves[1].events, repeated)
        counted = record.counted.plus(messages, times.now(), receiving)
        due_at = _earlier(record.due_at, escalation.due_at(health, policy))
        record = replace(record, health=health, counted=counted, hour=hour, due_at=due_at)
        return Counted(self._write(record, events, rows), repeated)

    def _try_tick(self, application_id: str, endpoint_id: str, now: datetime, told: dict[str, bool]) -> Events:
        record, policy = records.read(application_id, endpoint_id), self._policies.of(application_id)
        health, events = incidents.fold(record.health, [Tick(now)], told, policy)
        ticked = replace(record, health=health, due_at=escalation.due_at(health, policy))
        return self._write(ticked, events, Rows()) if ticked != record else ()

    def _write(self, record: Record, events: Events, rows: Rows) -> Events:
        """On the condition that the record still has the version that was read."""
        health = record.health
        active = {times.hour_of(event.timestamp) for event in events} | rows.of_application.keys()
        if record.hour.counts:
            active.add(record.hour.start)
        activity.note(health.application_id, active, self._stats_retention_days)
        item = records.to_item(record)
        is_unchanged = (
            tables.MonitoredEndpoint.version == record.version
            if record.version
            else tables.MonitoredEndpoint.version.does_not_exist()
        )
        if not events and not len(rows):
            try:
                item.save(condition=is_unchanged)
            except PutError as error:
                if writes.has_failed_condition(error) or writes.code_of(error) in _RETRYABLE_WRITES:
                    raise _Outrun from error
                raise
            return ()
        expires_at = tables.expiry(times.now(), self._event_retention_days)
        try:
            with TransactWrite(connection=self._connection) as transaction:
                transaction.save(item, condition=is_unchanged)
                for event in events:
                    transaction.save(
                        event_items.to_item(event, expires_at=expires_at),
                        condition=tables.OperationalEvent.event_id.does_not_exist(),
                    )
                hours.add(transaction, health.application_id, health.endpoint_id, rows, self._stats_retention_days)
        except TransactWriteError as error:
            raise _Outrun(_existing(events, error)) from error
        return events


def _announced(application_id: str, reports: list[Report]) -> dict[str, bool]:
    """Which of the message events that the rules will ask for exist."""
    asked = {event_id for report in reports for event_id in incidents.message_events(application_id, report)}
    if not asked:
        return {}
    found = tables.OperationalEvent.batch_get(
        sorted(asked), consistent_read=True, attributes_to_get=["event_id", "quiet"]
    )
    return {item.event_id: item.quiet for item in found}


def _earlier(known: datetime | None, due_at: datetime | None) -> datetime | None:
    """When the sweeper must look at the latest. To be early costs one look; to keep what stands costs no write."""
    return due_at if known is None or due_at is None else min(known, due_at)


def _again_and_again(attempt: Callable[[dict[str, bool]], _T]) -> _T:
    """Until nobody outruns it, with longer and longer pauses of which each writer draws its own.

    `attempt` gets the ids of the events that were found to exist, so that a fold neither says nor counts them again.
    """
    told: dict[str, bool] = {}
    pause = _FIRST_PAUSE
    for _ in range(_TRIES - 1):
        try:
            return attempt(told)
        except _Outrun as outrun:
            told |= dict.fromkeys(outrun.existing, False)
            time.sleep(pause.total_seconds() * random.uniform(0.5, 1))  # noqa: S311  # not for secrecy
            pause *= 2
    return attempt(told)


def _existing(events: Events, error: TransactWriteError) -> set[str]:
    """The ids of those events for which a transaction was cancelled; none where it is to be tried again as it is.

    Raises:
        TransactWriteError: it was cancelled for another reason.
    """
    codes = [reason.code if reason else None for reason in error.cancellation_reasons]
    if writes.code_of(error) in _RETRYABLE_WRITES:  # all of it, before any of it was looked at
        return set()
    if codes[:1] == ["ConditionalCheckFailed"] or _RETRYABLE.intersection(codes):
        return set()
    existing = {
        event.event_id for event, code in zip(events, codes[1:], strict=False) if code == "ConditionalCheckFailed"
    }
    if not existing:
        raise error
    return existing
