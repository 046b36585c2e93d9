"""Secrets Manager: the deployment's own keys."""

from functools import cache

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from hookwatch import aws

_KEPT = 300  # seconds


@cache
def provider() -> SecretsProvider:
    return SecretsProvider(boto_config=aws.CONFIG)


def get(secret_id: str, *, is_fresh: bool = False) -> str:
    """The text of a secret, five minutes old at most, or as it is now.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: which Powertools wraps in an error of its own.
    """
    try:
        return str(provider().get(secret_id, max_age=_KEPT, force_fetch=is_fresh))
    except GetParameterError as error:
        raise error.__context__ or error from None
