"""Authorization header → who asks. It only authenticates; what that identity may do is decided where it is done."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.typing import LambdaContext

from hookwatch.access import keys
from hookwatch.settings import AuthorizerSettings

logger, settings = Logger(), AuthorizerSettings.from_environment()


def authenticate(header: str) -> keys.Identity | None:
    match keys.parse(header):
        case (key_id, secret) if keys.is_admin(
            key_id, secret, parameters.get_secret(settings.admin_key_secret, max_age=300)
        ):
            return keys.Identity(key_id, role="admin", applications=(keys.EVERY_APPLICATION,))
    return None


@logger.inject_lambda_context
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The policy covers the whole stage, for API Gateway caches it and uses it for the key's next requests, whatever
    their route. A Deny is cached too, so a wrong key costs no invocation a request."""
    identity = authenticate(event["authorizationToken"])
    stage_arn = "/".join(event["methodArn"].split("/")[:2])
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Allow" if identity else "Deny",
        "Resource": f"{stage_arn}/*",
    }
    return {
        "principalId": identity.key_id if identity else "nobody",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": identity.to_context() if identity else {},
    }
