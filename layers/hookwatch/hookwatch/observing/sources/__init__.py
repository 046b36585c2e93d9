"""Where foreign platforms post their own webhooks: each with its own signature and its own words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, Protocol

import msgspec
from cachetools import TTLCache, cached

from hookwatch import audit, errors, tables, times, writes
from hookwatch.audit import Entry
from hookwatch.encryption import Encryption
from hookwatch.observing.signals import Signal
from hookwatch.observing.sources import hook0, svix

_CACHED_AT_MOST, _CACHED_SECONDS = 1_000, 300

Kind = Literal["hook0", "svix"]


class Platform(Protocol):
    """A foreign platform: how it signs, and what its words mean. `headers` have lower-case names."""

    def verify(self, headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> None: ...

    def translate(self, headers: Mapping[str, str], body: bytes, *, source_id: str) -> tuple[str, Signal] | None: ...


PLATFORMS: Mapping[str, Platform] = {"hook0": hook0, "svix": svix}


class Source(msgspec.Struct, frozen=True):
    source_id: str
    application_id: str | None
    kind: str
    created_at: str
    secret: tuple[bytes, ...]


def new(source_id: str, application_id: str | None, kind: Kind, secret: str, encryption: Encryption) -> Source:
    ciphertexts = encryption.encrypt(secret.encode(), source_id=source_id)
    return Source(source_id, application_id, kind, times.to_text(times.now()), tuple(ciphertexts))


def create(source: Source, entry: Entry) -> bool:
    """Whether there was none of its id."""
    item = tables.Source(
        source_id=source.source_id,
        application_id=source.application_id,
        kind=source.kind,
        secret=list(source.secret),
        created_at=source.created_at,
    )
    return writes.put_if(tables.Source.source_id.does_not_exist(), item, beside=audit.items(entry))


def get(source_id: str) -> Source:
    """
    Raises:
        errors.Problem: 404.
    """
    source = find(source_id)
    if source is None:
        raise errors.not_found("source")
    return source


def find(source_id: str, *, is_new: bool = False) -> Source | None:
    """`is_new`: it may have been made a moment ago."""
    try:
        return from_item(tables.Source.get(source_id, consistent_read=is_new))
    except tables.Source.DoesNotExist:
        return None


def delete(source: Source, entry: Entry) -> None:
    """
    Raises:
        errors.Problem: 404, somebody did.
    """
    table = tables.Source
    if not writes.delete_if(table.source_id.exists(), table(source.source_id), beside=audit.items(entry)):
        raise errors.not_found("source")


def decrypt(source: Source, encryption: Encryption) -> str:
    return encryption.decrypt(list(source.secret), source_id=source.source_id).decode()


class SecretCache:
    """Sources' secrets decrypted once and forgotten after five minutes."""

    def __init__(self, encryption: Encryption) -> None:
        self._decrypt = cached(TTLCache(_CACHED_AT_MOST, _CACHED_SECONDS), key=lambda source: source.secret)(
            lambda source: decrypt(source, encryption)
        )

    def of(self, source: Source) -> str:
        return self._decrypt(source)


def from_item(item: tables.Source) -> Source:
    return Source(item.source_id, item.application_id, item.kind, item.created_at, tuple(item.secret))
