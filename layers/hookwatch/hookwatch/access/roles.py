"""Who may do what: one table, one function. Pure."""

from collections.abc import Mapping
from enum import Enum
from typing import Literal, get_args

from hookwatch.access.keys import Identity

Role = Literal["viewer", "editor", "admin", "reporter"]
ROLES: tuple[Role, ...] = get_args(Role)


class Need(Enum):
    """What a request does, by the roles that may do it."""

    KNOW = frozenset(ROLES)
    VIEW = frozenset({"viewer", "editor", "admin"})
    EDIT = frozenset({"editor", "admin"})
    REPORT = frozenset({"reporter", "admin"})
    ADMINISTER = frozenset({"admin"})


class Decision(Enum):
    ALLOWED = "allowed"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"


# By method and route, below the base path.
NEEDS: Mapping[tuple[str, str], Need] = {
    ("GET", "/"): Need.VIEW,
    ("POST", "/"): Need.EDIT,
    ("GET", "/{operational_endpoint_id}"): Need.VIEW,
    ("PUT", "/{operational_endpoint_id}"): Need.EDIT,
    ("PATCH", "/{operational_endpoint_id}"): Need.EDIT,
    ("DELETE", "/{operational_endpoint_id}"): Need.EDIT,
    ("GET", "/{operational_endpoint_id}/attempts"): Need.VIEW,
    ("GET", "/{operational_endpoint_id}/secret"): Need.EDIT,
    ("POST", "/{operational_endpoint_id}/secret/rotate"): Need.EDIT,
    ("POST", "/{operational_endpoint_id}/test"): Need.EDIT,
    ("POST", "/{operational_endpoint_id}/replay"): Need.EDIT,
    ("GET", "/replays/{replay_id}"): Need.EDIT,
    ("DELETE", "/replays/{replay_id}"): Need.EDIT,
    ("GET", "/event_types"): Need.KNOW,
    ("GET", "/event_types/{name}"): Need.KNOW,
    ("POST", "/event_types/{name}"): Need.EDIT,
    ("DELETE", "/event_types/{name}"): Need.EDIT,
    ("GET", "/events"): Need.VIEW,
    ("POST", "/events"): Need.REPORT,
    ("GET", "/events/{event_id}"): Need.VIEW,
    ("GET", "/events/{event_id}/attempts"): Need.VIEW,
    ("POST", "/events/{event_id}/resend"): Need.EDIT,
    ("POST", "/filters/test"): Need.VIEW,
    ("GET", "/stats"): Need.VIEW,
    ("GET", "/monitored_endpoints"): Need.VIEW,
    ("GET", "/monitored_endpoints/{endpoint_id}"): Need.VIEW,
    ("GET", "/monitored_endpoints/{endpoint_id}/mute"): Need.VIEW,
    ("POST", "/monitored_endpoints/{endpoint_id}/mute"): Need.EDIT,
    ("DELETE", "/monitored_endpoints/{endpoint_id}/mute"): Need.EDIT,
    ("GET", "/policies/{application_id}"): Need.VIEW,
    ("PUT", "/policies/{application_id}"): Need.EDIT,
    ("POST", "/signals"): Need.REPORT,
    ("POST", "/sources"): Need.EDIT,
    ("GET", "/sources/{source_id}"): Need.EDIT,
    ("DELETE", "/sources/{source_id}"): Need.EDIT,
    ("DELETE", "/applications/{application_id}"): Need.ADMINISTER,
    ("GET", "/applications/{application_id}/deletion"): Need.ADMINISTER,
    ("GET", "/applications/{application_id}/export"): Need.ADMINISTER,
    ("GET", "/keys"): Need.ADMINISTER,
    ("POST", "/keys"): Need.ADMINISTER,
    ("GET", "/keys/{key_id}"): Need.ADMINISTER,
    ("DELETE", "/keys/{key_id}"): Need.ADMINISTER,
    ("GET", "/audit"): Need.ADMINISTER,
}
# Who posts to these has no key: a signature says who it is, or there is nothing to know.
OPEN = frozenset({("POST", "/sources/{source_id}"), ("GET", "/health"), ("GET", "/openapi.json")})


def decide(identity: Identity, method: str, route: str, application_id: str | None = None) -> Decision:
    """Whether `identity` may do this at all, and to what belongs to `application_id`, where that is known: what belongs
    to another application does not exist, and nor does a route without a rule."""
    need = NEEDS.get((method, route))
    if need is None:
        return Decision.NOT_FOUND
    if identity.role not in need.value:
        return Decision.FORBIDDEN
    if application_id is not None and not identity.is_for(application_id):
        return Decision.NOT_FOUND
    return Decision.ALLOWED
