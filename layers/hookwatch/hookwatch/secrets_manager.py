"""Secrets Manager: the deployment's own keys."""

from functools import cache
from typing import TYPE_CHECKING

from cachetools import TTLCache

from hookwatch import aws

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_KEPT_AT_MOST, _KEPT_SECONDS = 10, 300
_kept: TTLCache[str, str] = TTLCache(_KEPT_AT_MOST, _KEPT_SECONDS)


@cache
def client() -> "SecretsManagerClient":
    made: SecretsManagerClient = aws.client("secretsmanager")
    return made


def get(secret_id: str, *, is_fresh: bool = False) -> str:
    """The text of a secret, five minutes old at most, or as it is now.

    Raises:
        botocore.exceptions.ClientError, BotoCoreError: it could not be read.
    """
    text = None if is_fresh else _kept.get(secret_id)
    if text is None:
        text = client().get_secret_value(SecretId=secret_id)["SecretString"]
        _kept[secret_id] = text
    return text


def forget() -> None:
    """What is kept, before its time."""
    _kept.clear()
