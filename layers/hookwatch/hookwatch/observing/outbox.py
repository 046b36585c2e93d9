"""MonitoredEndpoint and OperationalEvent, written together: the health that a fold found and what it has to say."""

import time
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError
from pynamodb.transactions import TransactWrite

from hookwatch import event_items, tables, times
from hookwatch.observing import incidents
from hookwatch.observing.counting import Counted, Message, Receiving
from hookwatch.observing.health import Health
from hookwatch.observing.incidents import Policy
from hookwatch.operational_events import OperationalEvent

_TRIES = 6
_FIRST_PAUSE = timedelta(milliseconds=25)
_EVENTS_AT_MOST = 99  # a transaction of DynamoDB takes 100 items, and one is the record
_RETRYABLE = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_RETRYABLE_WRITES = {"TransactionConflictException", "ThrottlingException", "ProvisionedThroughputExceededException"}


class _Outrun(Exception):
    """Another observer wrote the record since it was read, or DynamoDB asks to come again."""


@dataclass(frozen=True, slots=True)
class _Record:
    version: int
    health: Health
    counted: Counted


class Outbox:
    def __init__(self, policy: Policy, receiving: Receiving, event_retention_days: int) -> None:
        self._policy = policy
        self._receiving = receiving
        self._event_retention_days = event_retention_days
        self._connection = Connection(**tables.TIMEOUTS)

    def count(self, messages: list[Message]) -> tuple[OperationalEvent, ...]:
        """Folds messages of one monitored endpoint into its record, and stores what there is to say.

        `messages` are all that were handed out together so far, in order; what was counted already is left out. The
        events are those that this call stored.

        Raises:
            pynamodb.exceptions.PynamoDBException: nothing was written.
        """
        pause = _FIRST_PAUSE
        for _ in range(_TRIES - 1):
            try:
                return self._try_count(messages)
            except _Outrun:
                time.sleep(pause.total_seconds())
                pause *= 2
        return self._try_count(messages)

    def _try_count(self, messages: list[Message]) -> tuple[OperationalEvent, ...]:
        record = self._read(messages[0].report.application_id, messages[0].report.endpoint_id)
        fresh = [message for message in messages if not record.counted.has(message)]
        if not fresh:
            return ()
        health, events = incidents.fold(record.health, [message.report for message in fresh], self._policy)
        if len(events) > _EVENTS_AT_MOST and len(fresh) > 1:
            half = len(messages) - len(fresh) // 2  # too many for one transaction: one half after the other
            return self._try_count(messages[:half]) + self._try_count(messages)
        counted = record.counted.plus(messages, times.now(), self._receiving)
        return self._write(_Record(record.version, health, counted), events)

    def _read(self, application_id: str, endpoint_id: str) -> _Record:
        try:
            item = tables.MonitoredEndpoint.get(application_id, endpoint_id, consistent_read=True)
        except tables.MonitoredEndpoint.DoesNotExist:
            return _Record(0, Health(application_id=application_id, endpoint_id=endpoint_id), Counted())
        return _Record(
            version=int(item.version),
            health=msgspec.json.decode(item.health, type=Health),
            counted=msgspec.json.decode(item.counted, type=Counted),
        )

    def _write(self, record: _Record, events: tuple[OperationalEvent, ...]) -> tuple[OperationalEvent, ...]:
        """On the condition that the record still has the version that was read."""
        item = tables.MonitoredEndpoint(
            application_id=record.health.application_id,
            endpoint_id=record.health.endpoint_id,
            version=record.version + 1,
            state=record.health.state,
            health=msgspec.json.encode(record.health).decode(),
            counted=msgspec.json.encode(record.counted).decode(),
        )
        is_unchanged = (
            tables.MonitoredEndpoint.version == record.version
            if record.version
            else tables.MonitoredEndpoint.version.does_not_exist()
        )
        expires_at = tables.expiry(times.now(), self._event_retention_days)
        while events:
            try:
                with TransactWrite(connection=self._connection) as transaction:
                    transaction.save(item, condition=is_unchanged)
                    for event in events:
                        transaction.save(
                            event_items.to_item(event, expires_at=expires_at),
                            condition=tables.OperationalEvent.event_id.does_not_exist(),
                        )
            except TransactWriteError as error:
                events = _without_existing(events, error)
            else:
                return events
        try:
            item.save(condition=is_unchanged)
        except PutError as error:
            if tables.has_failed_condition(error) or error.cause_response_code in _RETRYABLE_WRITES:
                raise _Outrun from error
            raise
        return ()


def _without_existing(events: tuple[OperationalEvent, ...], error: TransactWriteError) -> tuple[OperationalEvent, ...]:
    """The events to write after a cancelled transaction: all but those that exist already.

    Raises:
        _Outrun: the record has changed, or the transaction met another or was throttled.
        TransactWriteError: it was cancelled for another reason.
    """
    codes = [reason.code if reason else None for reason in error.cancellation_reasons]
    if not codes or codes[0] == "ConditionalCheckFailed" or _RETRYABLE.intersection(codes):
        if error.cause_response_code not in {"TransactionCanceledException", "TransactionInProgressException"}:
            raise error
        raise _Outrun from error
    existing = {
        event.event_id for event, code in zip(events, codes[1:], strict=True) if code == "ConditionalCheckFailed"
    }
    if not existing:
        raise error
    return tuple(event for event in events if event.event_id not in existing)
