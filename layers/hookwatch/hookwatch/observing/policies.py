"""Application: the numbers of the rules that an application has of its own."""

import re
from threading import Lock
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from cachetools import TTLCache, cached

from hookwatch import errors, tables
from hookwatch.policy import Policy

logger = Logger(child=True)

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

    def put(self, application_id: str, numbers: dict[str, Any]) -> Policy:
        """Replaces the application's own numbers.

        Raises:
            errors.Problem: 422, one is unknown or out of its range.
        """
        try:
            policy = self._with(numbers)
        except msgspec.ValidationError as error:
            said, _, place = str(error).partition(" - at `$.")
            named = _NAMED_FIELD.search(said)
            loc = named["field"] if named else place.rstrip("`")
            raise errors.invalid("The policy is not valid.", {"loc": [loc], "msg": said}) from None
        own = msgspec.json.encode(numbers).decode()
        tables.Application(application_id, _ITEM).update(actions=[tables.Application.policy.set(own)])
        return policy

    def _with(self, numbers: dict[str, Any]) -> Policy:
        return msgspec.convert(msgspec.structs.asdict(self._default) | numbers, Policy)


def own_numbers(application_id: str) -> dict[str, Any]:
    try:
        item = tables.Application.get(application_id, _ITEM)
    except tables.Application.DoesNotExist:
        return {}
    return msgspec.json.decode(item.policy, type=dict[str, Any])
