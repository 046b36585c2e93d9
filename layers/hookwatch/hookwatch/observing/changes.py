"""What the platform says of an endpoint's configuration, against what was known: (health, change) → (health', facts).

Pure. Changes come out of order, so each is judged by its own time: an old one never reverts a newer one, though it may
fill in what nobody has said yet. The switch has a time of its own, for most updates say nothing of it.
"""

from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from hookwatch.observing.health import Health
from hookwatch.observing.signals import ChangeType, EndpointChange


class Fact(msgspec.Struct, frozen=True):
    """Something to tell. `changes` is None where it is not known what changed."""

    type: ChangeType
    changes: dict[str, Any] | None = None


Changed = tuple[Health, tuple[Fact, ...]]


def apply(health: Health, change: EndpointChange) -> Changed:
    match change.type:
        case "endpoint.created":
            return _created(health, change)
        case "endpoint.deleted":
            return _deleted(health, change)
        case _:
            health, updated = _configured(health, change)
            health, switched = _switched(health, change)
            return health, updated + switched


def _created(health: Health, change: EndpointChange) -> Changed:
    is_gone = health.deleted_at is not None
    if is_gone and not _is_newer(change, health.deleted_at):
        return health, (Fact("endpoint.created"),) if health.created_at is None else ()
    if health.created_at is not None and not is_gone:
        return _filled_in(health, change), ()
    if is_gone:  # a new life under the old id
        health = replace(health, configuration={}, configured_at=None, switched_at=None, deleted_at=None)
    if health.configured_at is None:
        configuration = {"is_enabled": True, **change.configuration}
        health = replace(health, configuration=configuration, configured_at=change.at, switched_at=change.at)
    else:  # an update was faster
        configuration = {"is_enabled": True, **change.configuration, **health.configuration}
        health = replace(health, configuration=configuration, switched_at=health.switched_at or change.at)
    return replace(health, created_at=change.at, disabled_at=None), (Fact("endpoint.created"),)


def _deleted(health: Health, change: EndpointChange) -> Changed:
    if health.deleted_at is not None or not _is_newer(change, health.created_at):
        return health, ()
    return replace(health, deleted_at=change.at), (Fact("endpoint.deleted"),)


def _configured(health: Health, change: EndpointChange) -> Changed:
    """Everything but the switch."""
    told = _but_the_switch(change.changes or {})
    spelled_out = (Fact("endpoint.updated", told),) if told else ()
    if not _is_newer(change, health.configured_at) or not _is_newer(change, health.deleted_at):
        return _filled_in(health, change), spelled_out
    old, said = _but_the_switch(health.configuration), _but_the_switch(change.configuration)
    new = {**health.configuration, **said}
    health = replace(health, configuration=new, configured_at=change.at, deleted_at=None)
    if change.changes is not None:
        return health, spelled_out
    if change.type != "endpoint.updated" or (old and change.configuration):
        differing = {
            field: {"from": old.get(field), "to": said[field]}
            for field in sorted(said)
            if old.get(field) != said[field]
        }
        return health, (Fact("endpoint.updated", differing),) if old and differing else ()
    return health, (Fact("endpoint.updated"),)  # nothing to compare


def _switched(health: Health, change: EndpointChange) -> Changed:
    match change.type:
        case "endpoint.enabled":
            is_enabled: bool | None = True
        case "endpoint.disabled":
            is_enabled = False
        case _:
            is_enabled = change.configuration.get("is_enabled")
    if is_enabled is None or not _is_newer(change, health.switched_at) or health.deleted_at is not None:
        return health, ()
    known, told = health.configuration.get("is_enabled"), (change.changes or {}).get("is_enabled")
    # A snapshot may not know yet that Hookwatch disabled the endpoint; who switches it does.
    if change.type == "endpoint.updated" and not (told and health.disabled_at):
        was_enabled = known if known is not None else (told or {}).get("from", is_enabled)
    else:
        was_enabled = health.is_enabled
    configuration = {**health.configuration, "is_enabled": is_enabled}
    health = replace(health, configuration=configuration, switched_at=change.at)
    if is_enabled is was_enabled:
        return health, ()
    if not is_enabled:
        return health, () if health.disabled_at else (Fact("endpoint.disabled"),)
    return replace(health, disabled_at=None), (Fact("endpoint.enabled"),)


def _filled_in(health: Health, change: EndpointChange) -> Health:
    return replace(health, configuration={**_but_the_switch(change.configuration), **health.configuration})


def _but_the_switch(fields: dict[str, Any]) -> dict[str, Any]:
    return {field: value for field, value in fields.items() if field != "is_enabled"}


def _is_newer(change: EndpointChange, than: datetime | None) -> bool:
    return than is None or change.at >= than
