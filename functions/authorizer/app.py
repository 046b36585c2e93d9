"""Authorization header → who asks. It only authenticates; what that identity may do is decided where it is done."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pynamodb.exceptions import PynamoDBException

from hookwatch import secrets_manager, tables, times
from hookwatch.access import api_keys, keys
from hookwatch.access.api_keys import ApiKey
from hookwatch.access.keys import Identity
from hookwatch.logs import logger
from hookwatch.settings import AuthorizerSettings

settings = AuthorizerSettings.from_environment()
tables.connect(tables.ApiKey)


def authenticate(header: str) -> Identity | None:
    match keys.parse(header):
        case (keys.ADMIN_KEY_ID, secret):
            known = secrets_manager.get(settings.admin_key_secret)
            return keys.ADMIN if keys.is_same(secret, known) else None
        case (key_id, secret):
            key = api_keys.find(key_id)
            if key is not None and key.is_proven_by(secret):
                note_use(key)
                return key.identity
    return None


def note_use(key: ApiKey) -> None:
    """A good key is not refused because of it."""
    try:
        api_keys.note_use(key, times.now())
    except PynamoDBException:
        logger.exception("the use of a key was not noted", key_id=key.key_id)


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
