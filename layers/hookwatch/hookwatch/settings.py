"""What the deployment says. The only module that reads the environment, and it reads all a function needs at once."""

import ipaddress
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Self

import msgspec

from hookwatch.policy import Policy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# SQS hides a message for 12 h at most, counted from its receipt (SQS quotas). What jitter adds is waited for anew.
LONGEST_WAIT = timedelta(hours=11)


class InvalidSetting(Exception):
    """The deployment lacks an environment variable, or it cannot be understood. Raised when a function starts."""


def environment(name: str) -> str:
    """One variable of the environment.

    Raises:
        InvalidSetting: it is not set.
    """
    try:
        return os.environ[name]
    except KeyError:
        raise InvalidSetting(f"the environment variable {name} is not set") from None


def table_names() -> frozenset[str]:
    """Of every table: each function is told all of them."""
    return frozenset(value for name, value in os.environ.items() if name.endswith("_TABLE"))


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def _schedule(text: str) -> tuple[timedelta, ...]:
    waits = tuple(timedelta(seconds=int(part)) for part in text.split(","))
    if any(wait > LONGEST_WAIT for wait in waits):
        raise ValueError("a wait is longer than 11 h")
    return waits


def _boolean(text: str) -> bool:
    return {"true": True, "false": False}[text]


_PARSERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: _boolean,
    tuple[str, ...]: lambda text: tuple(text.split(",")),
    tuple[Network, ...]: _networks,
    tuple[timedelta, ...]: _schedule,
    dict[str, str]: lambda text: msgspec.json.decode(text, type=dict[str, str]),
    Policy: lambda text: msgspec.convert(msgspec.json.decode(text), Policy, strict=False),
}


class _FromEnvironment(msgspec.Struct, frozen=True):
    @classmethod
    def from_environment(cls) -> Self:
        """Every field from the environment variable of its name, in capitals.

        Raises:
            InvalidSetting: a variable is missing, or is not what its field takes.
        """
        values = {}
        for field in msgspec.structs.fields(cls):
            text = environment(field.name.upper())
            try:
                values[field.name] = _PARSERS[field.type](text)
            except (KeyError, OverflowError, ValueError) as error:
                raise InvalidSetting(f"{field.name.upper()} is {text!r}: {error}") from error
        return cls(**values)


class AuthorizerSettings(_FromEnvironment, frozen=True):
    admin_key_secret: str


class IngestSettings(_FromEnvironment, frozen=True):
    signals_queue_url: str
    secrets_encryption_key: str
    hide_url_paths: bool


class ObserverSettings(_FromEnvironment, frozen=True):
    policy: Policy
    event_retention_days: int
    stats_retention_days: int
    signals_visibility_seconds: int
    signals_receives: int


class SweeperSettings(_FromEnvironment, frozen=True):
    policy: Policy
    heartbeat_minutes: int
    event_retention_days: int
    stats_retention_days: int


class AlarmsSettings(_FromEnvironment, frozen=True):
    alarms_application: str
    stack_name: str
    stack_resources: tuple[str, ...]
    powertools_metrics_namespace: str
    event_retention_days: int


class EraserSettings(_FromEnvironment, frozen=True):
    erasure_settles_seconds: int


class EmitterSettings(_FromEnvironment, frozen=True):
    api_url: str
    links: dict[str, str]
    deliveries_queue_url: str
    retries_queue_url: str
    emitter_failures_queue_url: str
    batches_queue_url: str
    seal_key_secret: str
    event_retention_days: int
    endpoint_cache_seconds: int


class ReplayerSettings(EmitterSettings, frozen=True):
    replays_queue_url: str


class DeliverySettings(_FromEnvironment, frozen=True):
    retries_queue_url: str
    deliveries_dead_letters_queue_url: str
    seal_key_secret: str
    secrets_encryption_key: str
    retry_schedule: tuple[timedelta, ...]
    disables_after_days: int
    allowed_networks: tuple[Network, ...]
    allow_http: bool
    event_retention_days: int
    endpoint_cache_seconds: int
    alarm_topic: str


class ApiSettings(_FromEnvironment, frozen=True):
    replays_queue_url: str
    endpoints_per_application: int
    cursor_key_secret: str
    policy: Policy
    links: dict[str, str]
    secrets_encryption_key: str
    allowed_networks: tuple[Network, ...]
    allow_http: bool
    event_retention_days: int
    endpoint_cache_seconds: int
