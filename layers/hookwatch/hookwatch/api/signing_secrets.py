"""Routes: the secrets with which deliveries to an operational endpoint are signed."""

from datetime import timedelta
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from msgspec.structs import replace
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from hookwatch import errors, times
from hookwatch.api import answer, audited
from hookwatch.api.answers import TAKEN, Time, answers
from hookwatch.api.operational_endpoints import audit_reading, encryption, own
from hookwatch.notifying import credentials, endpoints, signing
from hookwatch.notifying.credentials import Credentials
from hookwatch.notifying.endpoints import HIDDEN

router = APIGatewayRouter()

LONGEST_GRACE = timedelta(days=7)
GRACE = timedelta(days=1)


class RotationBody(BaseModel):
    model_config = TAKEN

    grace_period_seconds: Annotated[int, Field(ge=0, le=int(LONGEST_GRACE.total_seconds()))] = int(
        GRACE.total_seconds()
    )


USUAL = RotationBody()


class RetiringView(TypedDict):
    expires_at: Time


class SecretView(TypedDict):
    """The newest secret, and until when older ones sign too. Null where a rotation was sent again and the endpoint is
    gone by then."""

    secret: str | None
    retiring: list[RetiringView]


def view(known: Credentials) -> SecretView:
    """The newest secret, and until when older ones sign too."""
    now = times.now()
    return {
        "secret": known.secrets[0],
        "retiring": [{"expires_at": times.to_text(expires_at)} for expires_at in known.expiries if expires_at > now],
    }


@router.get("/<operational_endpoint_id>/secret", responses=answers(SecretView))
def get_secret(operational_endpoint_id: str) -> Response[str]:
    endpoint = own(operational_endpoint_id)
    known = credentials.decrypt(endpoint, encryption)
    audit_reading(endpoint)
    return answer(200, view(known))


@router.post("/<operational_endpoint_id>/secret/rotate", responses=answers(SecretView))
def rotate_secret(operational_endpoint_id: str, body: Annotated[RotationBody, Body()] = USUAL) -> Response[str]:
    """A new secret signs from now on, and those so far beside it until the grace period is over."""
    old = own(operational_endpoint_id)
    grace = timedelta(seconds=body.grace_period_seconds)
    known = credentials.decrypt(old, encryption)
    rotated = known.rotated(signing.new_secret(), times.now(), grace)
    encrypted = credentials.encrypt(rotated, operational_endpoint_id, encryption)
    entry = audited(
        router.current_event,
        "operational_endpoint.secret_rotated",
        old.application_id,
        target=operational_endpoint_id,
        before={**view(known), "secret": HIDDEN},
        after={**view(rotated), "secret": HIDDEN},
    )
    if not endpoints.replace(old, replace(old, credentials=encrypted, updated_at=endpoints.next_update(old)), entry):
        raise errors.conflict("operational endpoint")
    return answer(200, view(rotated))


def _with_secret(body: dict[str, Any], path: str) -> dict[str, Any]:
    """The answer to a request that is sent again: the secret as it is now, null where its endpoint is gone."""
    named = body.get("operational_endpoint_id") or path.rstrip("/").split("/")[-3]
    endpoint = endpoints.find(named)
    if endpoint is None:
        return {**body, "secret": None}
    known = credentials.decrypt(endpoint, encryption)
    audit_reading(endpoint)
    return {**body, "secret": known.secrets[0]}


REFILLS = {"/": _with_secret, "/{operational_endpoint_id}/secret/rotate": _with_secret}
