"""Routes: the numbers of the rules, for one application."""

from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path
from aws_lambda_powertools.event_handler.router import APIGatewayRouter
from pydantic import WithJsonSchema
from typing_extensions import TypedDict

from hookwatch import errors
from hookwatch.access.keys import EVERY_APPLICATION
from hookwatch.api import answer, audited, raw_body, scope
from hookwatch.api.answers import answers, takes
from hookwatch.observing import policies
from hookwatch.observing.bodies import parse_json
from hookwatch.observing.given import Id
from hookwatch.observing.policies import Policies
from hookwatch.policy import Policy
from hookwatch.settings import ApiSettings

router = APIGatewayRouter()
known = Policies(ApiSettings.from_environment().policy)


Numbers = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]  # of the schema of Policy


class ApplicationPolicyView(TypedDict):
    """`policy` is what holds; `own` are those of its numbers that are the application's own."""

    application_id: str
    policy: Numbers
    own: Numbers


def view(application_id: str, policy: Policy, own: dict[str, Any]) -> ApplicationPolicyView:
    return {"application_id": application_id, "policy": msgspec.to_builtins(policy), "own": own}


@router.get("/policies/<application_id>", responses=answers(ApplicationPolicyView))
def get_policy(application_id: Annotated[Id, Path()]) -> Response[str]:
    application_id = _one(application_id)
    own = policies.own_numbers(application_id)
    return answer(200, view(application_id, known.resolved(application_id, own), own))


@router.put(
    "/policies/<application_id>", responses=answers(ApplicationPolicyView, 409), openapi_extensions=takes("Policy")
)
def put_policy(application_id: Annotated[Id, Path()]) -> Response[str]:
    """The body holds the application's own numbers, `{}` for none. In effect within a minute."""
    application_id, own = _one(application_id), parse_json(raw_body(router.current_event))
    if not isinstance(own, dict):
        raise errors.invalid('The body must be {"opens_at_share": 0.15, …}.')
    shown = view(application_id, known.checked(own), own)
    old = policies.own_numbers(application_id, as_of_now=True)
    before = view(application_id, known.resolved(application_id, old), old)
    entry = audited(
        router.current_event, "policy.updated", application_id, target=application_id, before=before, after=shown
    )
    policies.put(application_id, old, own, entry)
    return answer(200, shown)


def _one(application_id: str) -> str:
    if application_id == EVERY_APPLICATION:
        raise errors.invalid("Name one application; what holds for all are parameters of the deployment.")
    return scope(router, application_id)
