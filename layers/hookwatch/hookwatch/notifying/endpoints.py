"""OperationalEndpoint: where operational events are delivered, and the credentials of each."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import msgspec
from cachetools import TTLCache, cached
from pynamodb.exceptions import DeleteError, PutError, UpdateError

from hookwatch import errors, tables, times
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.encryption import Encryption

_CACHED_AT_MOST = 10_000
_CREDENTIALS_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Credentials:
    """What only the receiver may know: the signing secrets, newest first, and the values of its own headers."""

    secrets: tuple[str, ...]
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OperationalEndpoint:
    """`credentials` are ciphertexts; `filter_types` () means every type."""

    operational_endpoint_id: str
    application_id: str
    url: str
    credentials: tuple[bytes, ...]
    created_at: str
    updated_at: str
    description: str = ""
    is_enabled: bool = True
    filter_types: tuple[str, ...] = ()
    message_events: str = "grouped"
    metadata: dict[str, Any] = field(default_factory=dict)
    header_names: tuple[str, ...] = ()
    disabled_reason: str | None = None


def encrypt(credentials: Credentials, operational_endpoint_id: str, encryption: Encryption) -> tuple[bytes, ...]:
    plaintext = msgspec.json.encode(credentials)
    return tuple(encryption.encrypt(plaintext, operational_endpoint_id=operational_endpoint_id))


def decrypt(endpoint: OperationalEndpoint, encryption: Encryption) -> Credentials:
    plaintext = encryption.decrypt(list(endpoint.credentials), operational_endpoint_id=endpoint.operational_endpoint_id)
    return msgspec.json.decode(plaintext, type=Credentials)


def create(endpoint: OperationalEndpoint) -> None:
    _to_item(endpoint).save(condition=tables.OperationalEndpoint.operational_endpoint_id.does_not_exist())


def get(operational_endpoint_id: str) -> OperationalEndpoint:
    """The endpoint as it is now.

    Raises:
        errors.Problem: 404.
    """
    endpoint = _find(operational_endpoint_id)
    if endpoint is None:
        raise errors.not_found("operational endpoint")
    return endpoint


def replace(old: OperationalEndpoint, new: OperationalEndpoint) -> None:
    """Puts `new` in the place of `old`, if nobody else did so meanwhile.

    Raises:
        errors.Problem: 409, somebody did.
    """
    try:
        _to_item(new).save(condition=tables.OperationalEndpoint.updated_at == old.updated_at)
    except PutError as error:
        if tables.has_failed_condition(error):
            raise errors.Problem(409, "conflict", "The operational endpoint was changed meanwhile.") from None
        raise


def delete(operational_endpoint_id: str) -> None:
    try:
        tables.OperationalEndpoint(operational_endpoint_id).delete(
            condition=tables.OperationalEndpoint.operational_endpoint_id.exists()
        )
    except DeleteError as error:
        if tables.has_failed_condition(error):
            raise errors.not_found("operational endpoint") from None
        raise


def disable(operational_endpoint_id: str, reason: str) -> None:
    """Switches it off for `reason`; one that is gone, or off already, stays as it is."""
    item = tables.OperationalEndpoint
    now = times.to_text(times.now())
    try:
        item(operational_endpoint_id).update(
            actions=[item.is_enabled.set(False), item.disabled_reason.set(reason), item.updated_at.set(now)],
            condition=item.is_enabled == True,  # noqa: E712  # builds a condition expression
        )
    except UpdateError as error:
        if not tables.has_failed_condition(error):
            raise


class EndpointCache:
    """Operational endpoints as they were at most `seconds` ago, for the functions that meet the same ones all day."""

    def __init__(self, seconds: int) -> None:
        self._of_application = cached(TTLCache(_CACHED_AT_MOST, seconds), lock=Lock())(_of_application)
        self._find = cached(TTLCache(_CACHED_AT_MOST, seconds), lock=Lock())(_find)

    def of_application(self, application_id: str) -> tuple[OperationalEndpoint, ...]:
        """Those of the application and those of every application."""
        return self._of_application(application_id) + self._of_application(EVERY_APPLICATION)

    def find(self, operational_endpoint_id: str) -> OperationalEndpoint | None:
        return self._find(operational_endpoint_id)


class CredentialsCache:
    """Decrypted once for each version of an endpoint, and forgotten after five minutes."""

    def __init__(self, encryption: Encryption) -> None:
        self._decrypt = cached(
            TTLCache(_CACHED_AT_MOST, _CREDENTIALS_SECONDS), key=lambda endpoint: endpoint.credentials, lock=Lock()
        )(lambda endpoint: decrypt(endpoint, encryption))

    def of(self, endpoint: OperationalEndpoint) -> Credentials:
        return self._decrypt(endpoint)


def _of_application(application_id: str) -> tuple[OperationalEndpoint, ...]:
    return tuple(from_item(item) for item in tables.OperationalEndpoint.by_application.query(application_id))


def _find(operational_endpoint_id: str) -> OperationalEndpoint | None:
    try:
        return from_item(tables.OperationalEndpoint.get(operational_endpoint_id, consistent_read=True))
    except tables.OperationalEndpoint.DoesNotExist:
        return None


def _to_item(endpoint: OperationalEndpoint) -> tables.OperationalEndpoint:
    return tables.OperationalEndpoint(
        operational_endpoint_id=endpoint.operational_endpoint_id,
        application_id=endpoint.application_id,
        listed_at=f"{endpoint.created_at}#{endpoint.operational_endpoint_id}",
        url=endpoint.url,
        description=endpoint.description,
        is_enabled=endpoint.is_enabled,
        filter_types=list(endpoint.filter_types),
        message_events=endpoint.message_events,
        metadata=endpoint.metadata,
        header_names=list(endpoint.header_names),
        credentials=list(endpoint.credentials),
        created_at=endpoint.created_at,
        updated_at=endpoint.updated_at,
        disabled_reason=endpoint.disabled_reason,
    )


def from_item(item: tables.OperationalEndpoint) -> OperationalEndpoint:
    return OperationalEndpoint(
        operational_endpoint_id=item.operational_endpoint_id,
        application_id=item.application_id,
        url=item.url,
        credentials=tuple(item.credentials),
        created_at=item.created_at,
        updated_at=item.updated_at,
        description=item.description,
        is_enabled=item.is_enabled,
        filter_types=tuple(item.filter_types),
        message_events=item.message_events,
        metadata=item.metadata,
        header_names=tuple(item.header_names),
        disabled_reason=item.disabled_reason,
    )
