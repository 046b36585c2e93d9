"""Signatures: for receivers by Standard Webhooks, and for the queue by the deployment's own key. Pure, chance apart."""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable
from datetime import datetime

import msgspec

_PREFIX = "whsec_"
SECRET_BYTES = 32


def to_secret(key: bytes) -> str:
    """`whsec_` + base64 of the key (Standard Webhooks, signature scheme)."""
    return _PREFIX + base64.b64encode(key).decode()


def new_secret() -> str:
    return to_secret(secrets.token_bytes(SECRET_BYTES))


def sign(secret: str, webhook_id: str, timestamp: datetime, body: str) -> str:
    """`v1,` + base64 of HMAC-SHA256 over `id.timestamp.body`; the timestamp in whole seconds."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    content = f"{webhook_id}.{int(timestamp.timestamp())}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def headers(signers: Iterable[str], webhook_id: str, timestamp: datetime, body: str) -> dict[str, str]:
    """The three headers of Standard Webhooks; one signature for each secret, in their order."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(timestamp.timestamp())),
        "webhook-signature": " ".join(sign(secret, webhook_id, timestamp, body) for secret in signers),
    }


class SealKeys(msgspec.Struct, frozen=True):
    """The keys of the deployment's own signature: made with `current`, accepted with `previous` too."""

    current: str
    previous: str = ""

    @classmethod
    def from_json(cls, text: str) -> "SealKeys":
        keys = json.loads(text)
        return cls(keys["current"], keys.get("previous", ""))

    def seal(self, *parts: str) -> str:
        return _seal(self.current, parts)

    def is_sealed(self, seal: str, *parts: str) -> bool:
        """Whether `seal` was made over the same parts with one of the keys."""
        keys = [key for key in (self.current, self.previous) if key]
        return any(hmac.compare_digest(_seal(key, parts).encode(), seal.encode()) for key in keys)


def _seal(key: str, parts: tuple[str, ...]) -> str:
    return hmac.new(key.encode(), json.dumps(parts).encode(), hashlib.sha256).hexdigest()
