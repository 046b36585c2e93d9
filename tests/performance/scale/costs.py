"""What a thing takes: seconds of a function, which are assumed, and write units, which are counted elsewhere."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds at 512 MB, arm64: on AWS nobody has measured them yet. Units as DynamoDB bills items below 1 KB: a write
    is one, in a transaction two; `tests/performance/healthy_attempts.py` counts them from the calls."""

    ingest: float = 0.1  # a request: parsing, and SendMessageBatch for each ten messages
    observe: float = 0.01  # a message: a read, a fold, a write; ten are a batch of 0.1 s
    observe_more: float = 0.015  # … with a transaction, or a note
    emit_batch: float = 0.03
    emit_event: float = 0.001  # rendered
    emit_delivery: float = 0.001  # sealed, and its part of SendMessageBatch, of which eight go at once
    deliver: float = 0.5  # a batch of ten to receivers that work: the slowest of them, and its record
    hang: int = 10  # a batch with one that hangs: the deadline of an attempt

    endpoint_units: int = 1  # MonitoredEndpoint, a message
    endpoint_units_more: int = 1  # … in a transaction
    hour_units: int = 6  # MessageStats, when an endpoint's hour turns: three rows in a transaction
    note_units: int = 1  # Application, when a warm observer first sees an application in an hour
    event_units: int = 2  # OperationalEvent, in a transaction

    jitter: float = 0.2  # a wait is longer by up to so much
    cache: int = 5  # EndpointCacheSeconds: until the emitter knows that a receiver fails


COSTS = Costs()
