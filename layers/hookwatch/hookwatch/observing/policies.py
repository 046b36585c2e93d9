"""Application: the numbers of the rules that an application has of its own."""

import re
from threading import Lock
from typing import Any

import msgspec
from cachetools import TTLCache, cached

from hookwatch import audit, errors, tables, writes
from hookwatch.audit import Entry
from hookwatch.logs import logger
from hookwatch.policy import Policy

CACHED_SECONDS = 60
_CACHED_AT_MOST = 10_000
_ITEM = "policy"
# Where msgspec names no place: a field that is unknown, and what Policy itself refuses.
_NAMED_FIELD = re.compile(r"(?:unknown field|the steps of) `(?P<field>.*)`", re.DOTALL)


class Policies:
    """The policy of each application: `default`, but for the numbers that it has of its own."""

    def __init__(self, default: Policy) -> None:
        self._default = default
        self.of = cached(TTLCache(_CACHED_AT_MOST, CACHED_SECONDS), lock=Lock())(self.get)

    def get(self, application_id: str) -> Policy:
        return self.resolved(application_id, own_numbers(application_id))

    def resolved(self, application_id: str, numbers: dict[str, Any]) -> Policy:
        """The deployment's alone, where the application's own numbers are none that this version of Hookwatch takes."""
        try:
            return self._with(numbers)
        except msgspec.ValidationError:
            logger.exception("a policy is not valid", application_id=application_id)
            return self._default

    def checked(self, numbers: dict[str, Any]) -> Policy:
        """The policy of an application with such numbers of its own.

        Raises:
            errors.Problem: 422, one is unknown or out of its range.
        """
        try:
            return self._with(numbers)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at `$.")
            named = _NAMED_FIELD.search(said)
            loc = named["field"] if named else place.rstrip("`")
            raise errors.invalid("The policy is not valid.", {"loc": [loc], "msg": said}) from None

    def _with(self, numbers: dict[str, Any]) -> Policy:
        return msgspec.convert(msgspec.structs.asdict(self._default) | numbers, Policy)


def own_numbers(application_id: str, *, as_of_now: bool = False) -> dict[str, Any]:
    """{} where it has none. `as_of_now`: with what was put a moment ago."""
    try:
        item = tables.Application.get(application_id, _ITEM, consistent_read=as_of_now)
    except tables.Application.DoesNotExist:
        return {}
    return msgspec.json.decode(item.policy, type=dict[str, Any])


def put(application_id: str, old: dict[str, Any], new: dict[str, Any], entry: Entry) -> None:
    """Numbers of its own in the place of those that it has now.

    Raises:
        errors.Problem: 409, somebody else put some at the same moment.
    """
    policy = tables.Application.policy
    is_as_found = policy == _to_text(old)
    if not old:
        is_as_found |= policy.does_not_exist()
    item = tables.Application(application_id, _ITEM)
    if not writes.update_if(is_as_found, item, policy.set(_to_text(new)), beside=audit.items(entry)):
        raise errors.conflict("policy")


def _to_text(numbers: dict[str, Any]) -> str:
    return msgspec.json.encode(numbers).decode()
