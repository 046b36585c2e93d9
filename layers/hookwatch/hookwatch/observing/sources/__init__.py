"""Where foreign platforms post their own webhooks: each with its own signature and its own words."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from cachetools import TTLCache, cached

from hookwatch import errors, tables, times
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


@dataclass(frozen=True, slots=True)
class Source:
    source_id: str
    application_id: str | None
    kind: str
    created_at: str
    secret: tuple[bytes, ...]


def create(application_id: str | None, kind: Kind, secret: str, encryption: Encryption) -> Source:
    source_id = f"src_{secrets.token_hex(12)}"
    item = tables.Source(
        source_id=source_id,
        application_id=application_id,
        kind=kind,
        secret=encryption.encrypt(secret.encode(), source_id=source_id),
        created_at=times.to_text(times.now()),
    )
    item.save(condition=tables.Source.source_id.does_not_exist())
    return from_item(item)


def get(source_id: str) -> Source:
    try:
        return from_item(tables.Source.get(source_id))
    except tables.Source.DoesNotExist:
        raise errors.not_found("source") from None


def delete(source_id: str) -> None:
    tables.Source(source_id).delete()


class SecretCache:
    """Sources' secrets decrypted once and forgotten after five minutes."""

    def __init__(self, encryption: Encryption) -> None:
        self._decrypt = cached(TTLCache(_CACHED_AT_MOST, _CACHED_SECONDS), key=lambda source: source.secret)(
            lambda source: encryption.decrypt(list(source.secret), source_id=source.source_id).decode()
        )

    def of(self, source: Source) -> str:
        return self._decrypt(source)


def from_item(item: tables.Source) -> Source:
    return Source(item.source_id, item.application_id, item.kind, item.created_at, tuple(item.secret))
