"""ApiKey: keys by their ids. Of a key's secret only a hash is kept."""

import hashlib
import secrets
import string
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from hookwatch import audit, errors, tables, times, writes
from hookwatch.access import keys
from hookwatch.access.keys import Identity
from hookwatch.audit import Entry

_ALPHABET, _SECRET_LENGTH = string.ascii_letters + string.digits, 43
APPLICATIONS_AT_MOST = 20  # API Gateway passes the authorizer's context on in a header of 10 KB (REST API quotas)
_USED_AT_MOST_EVERY = timedelta(hours=1)
_REVOKED_KEPT_DAYS = 30


class ApiKey(msgspec.Struct, frozen=True):
    """`secret_hash` is the SHA-256 of the secret in hex: it has 258 random bits, so nobody tries them all."""

    key_id: str
    role: str
    application_ids: tuple[str, ...]
    description: str
    secret_hash: str
    created_at: str
    created_by: str
    last_used_at: str | None = None
    revoked_at: str | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.key_id, self.role, self.application_ids)

    def is_proven_by(self, secret: str) -> bool:
        return self.revoked_at is None and keys.is_same(self.secret_hash, _hash(secret))


def new(
    key_id: str, role: str, application_ids: Iterable[str], description: str, created_by: str
) -> tuple[ApiKey, str]:
    """The key, and its secret, which nobody can see again."""
    secret = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    key = ApiKey(
        key_id=key_id,
        role=role,
        application_ids=tuple(application_ids),
        description=description,
        secret_hash=_hash(secret),
        created_at=times.to_text(times.now()),
        created_by=created_by,
    )
    return key, secret


def create(key: ApiKey, entry: Entry) -> bool:
    """Whether there was none of its id."""
    item = tables.ApiKey(
        key_id=key.key_id,
        role=key.role,
        application_ids=list(key.application_ids),
        description=key.description,
        secret_hash=key.secret_hash,
        created_at=key.created_at,
        created_by=key.created_by,
    )
    return writes.put_if(tables.ApiKey.key_id.does_not_exist(), item, beside=audit.items(entry))


def find(key_id: str) -> ApiKey | None:
    try:
        return from_item(tables.ApiKey.get(key_id, consistent_read=True))
    except tables.ApiKey.DoesNotExist:
        return None


def revoke(key_id: str, now: datetime, entry: Entry) -> None:
    """It proves nothing any more; who asks for it sees that for another 30 days.

    Raises:
        errors.Problem: 404, it is revoked already.
    """
    table = tables.ApiKey
    actions = (table.revoked_at.set(times.to_text(now)), table.expires_at.set(tables.expiry(now, _REVOKED_KEPT_DAYS)))
    is_alive = table.key_id.exists() & table.revoked_at.does_not_exist()
    if not writes.update_if(is_alive, table(key_id), *actions, beside=audit.items(entry)):
        raise errors.not_found("key")


def leave(key_id: str, application_id: str) -> bool:
    """A key for this application alone is deleted; one for several is no more for this one. Whether it was deleted."""
    table = tables.ApiKey
    while (key := find(key_id)) and application_id in key.application_ids:
        is_unchanged = table.application_ids == list(key.application_ids)
        others = [each for each in key.application_ids if each != application_id]
        if not others:
            table(key_id).delete()
            return True
        if writes.update_if(is_unchanged, table(key_id), table.application_ids.set(others)):
            return False
    return False


def note_use(key: ApiKey, now: datetime) -> None:
    """Writes when the key was used, at most once an hour."""
    table, before = tables.ApiKey, times.to_text(now - _USED_AT_MOST_EVERY)
    if key.last_used_at is not None and key.last_used_at > before:
        return
    is_due = table.key_id.exists() & (table.last_used_at.does_not_exist() | (table.last_used_at <= before))
    # Where it is not due any more, another request has noted it.
    writes.update_if(is_due, table(key.key_id), table.last_used_at.set(times.to_text(now)))


def from_item(item: tables.ApiKey) -> ApiKey:
    return ApiKey(
        key_id=item.key_id,
        role=item.role,
        application_ids=tuple(item.application_ids),
        description=item.description,
        secret_hash=item.secret_hash,
        created_at=item.created_at,
        created_by=item.created_by,
        last_used_at=item.last_used_at,
        revoked_at=item.revoked_at,
    )


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
