"""Keys as they are sent, `hwk_<id>_<secret>`, and who stands behind one."""

import hmac
import re
from collections.abc import Mapping
from typing import Any

import msgspec

ADMIN_KEY_ID = "admin"
EVERY_APPLICATION = "*"
_BEARER = re.compile(r"(?i:bearer) hwk_(?P<key_id>[a-z0-9]{1,32})_(?P<secret>[A-Za-z0-9]{20,128})", re.ASCII)


class Identity(msgspec.Struct, frozen=True):
    """Who asks: a key, its role, and the applications it is for (`*` for all)."""

    key_id: str
    role: str
    applications: tuple[str, ...]

    def to_context(self) -> dict[str, str]:
        """The authorizer's context: API Gateway passes on strings, numbers and booleans only."""
        return {"key_id": self.key_id, "role": self.role, "applications": " ".join(self.applications)}

    @classmethod
    def from_context(cls, context: Mapping[str, Any]) -> "Identity":
        return cls(context["key_id"], context["role"], tuple(context["applications"].split(" ")))

    def is_for(self, application_id: str) -> bool:
        """Whether the key is for that application. `*` itself is only for keys of every application."""
        return EVERY_APPLICATION in self.applications or application_id in self.applications


def parse(header: str) -> tuple[str, str] | None:
    """(key id, secret) of an Authorization header, or None where it holds no key."""
    match = _BEARER.fullmatch(header)
    return (match["key_id"], match["secret"]) if match else None


def is_same(secret: str, known: str) -> bool:
    """In the same time, wherever they differ."""
    return hmac.compare_digest(secret, known)


ADMIN = Identity(ADMIN_KEY_ID, role="admin", applications=(EVERY_APPLICATION,))
