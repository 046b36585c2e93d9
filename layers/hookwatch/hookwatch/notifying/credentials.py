"""What only a receiver may know: the secrets that sign for it, its headers, its routing key. KMS keeps them."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from threading import Lock

import msgspec
from cachetools import TTLCache, cached
from msgspec.structs import replace

from hookwatch import errors
from hookwatch.encryption import Encryption
from hookwatch.notifying.endpoints import OperationalEndpoint

SECRETS_AT_MOST = 5
_CACHED_AT_MOST, _CACHED_SECONDS = 10_000, 300


class Credentials(msgspec.Struct, frozen=True):
    """What only the receiver may know: the signing secrets, newest first, the values of its own headers, and the
    `routing_key` that PagerDuty wants in the body.

    `expiries` are when the second, the third, … secret stop to sign. `asked` is the digest of the request that made the
    endpoint, which is kept here because the values of headers are in it.
    """

    secrets: tuple[str, ...]
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    expiries: tuple[datetime, ...] = ()
    asked: str = ""
    routing_key: str | None = None

    def active(self, now: datetime) -> tuple[str, ...]:
        """The secrets that sign at `now`."""
        return (self.secrets[0], *(secret for secret, expires_at in self._retiring() if expires_at > now))

    def rotated(self, secret: str, now: datetime, grace: timedelta) -> "Credentials":
        """With a new secret; those so far sign on for `grace`, or as long as they would have, whichever is shorter.

        Raises:
            errors.Problem: 409, as many secrets as may sign would sign.
        """
        ends_at = now + grace
        retiring = [(self.secrets[0], ends_at), *((old, min(until, ends_at)) for old, until in self._retiring())]
        retiring = [(old, until) for old, until in retiring if until > now]
        if len(retiring) >= SECRETS_AT_MOST:
            raise errors.Problem(
                409,
                "limit_reached",
                f"At most {SECRETS_AT_MOST} secrets sign at the same time; wait for one to expire.",
            )
        return replace(
            self,
            secrets=(secret, *(old for old, _ in retiring)),
            expiries=tuple(until for _, until in retiring),
        )

    def _retiring(self) -> Iterable[tuple[str, datetime]]:
        return zip(self.secrets[1:], self.expiries, strict=True)


def encrypt(credentials: Credentials, operational_endpoint_id: str, encryption: Encryption) -> tuple[bytes, ...]:
    plaintext = msgspec.json.encode(credentials)
    return tuple(encryption.encrypt(plaintext, operational_endpoint_id=operational_endpoint_id))


def decrypt(endpoint: OperationalEndpoint, encryption: Encryption) -> Credentials:
    plaintext = encryption.decrypt(list(endpoint.credentials), operational_endpoint_id=endpoint.operational_endpoint_id)
    return msgspec.json.decode(plaintext, type=Credentials)


class CredentialsCache:
    """Decrypted once for each version of an endpoint, and forgotten after five minutes."""

    def __init__(self, encryption: Encryption) -> None:
        self._decrypt = cached(
            TTLCache(_CACHED_AT_MOST, _CACHED_SECONDS), key=lambda endpoint: endpoint.credentials, lock=Lock()
        )(lambda endpoint: decrypt(endpoint, encryption))

    def of(self, endpoint: OperationalEndpoint) -> Credentials:
        return self._decrypt(endpoint)
