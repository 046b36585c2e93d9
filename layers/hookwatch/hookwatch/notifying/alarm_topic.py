"""The alarm topic (SNS): notices ─▶ whoever has subscribed to it."""

from threading import Lock
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from hookwatch import aws
from hookwatch.notifying.notices import Notice

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

# Shorter than `aws.CONFIG`: an attempt of 10 s has come before, in a function of 30.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": min(2, aws.ATTEMPTS)},
)


class AlarmTopic:
    def __init__(self, arn: str) -> None:
        self._arn = arn
        self._client: SNSClient | None = None
        self._lock = Lock()

    def publish(self, notice: Notice) -> None:
        """Raises:
        botocore.exceptions.ClientError, BotoCoreError: it may not have been published.
        """
        self._sns().publish(
            TopicArn=self._arn,
            Subject=notice.subject,
            Message=notice.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in notice.attributes.items()
            },
        )

    def _sns(self) -> "SNSClient":
        """Made when it is needed, by one thread: few functions ever publish, and a cold start pays for each client."""
        with self._lock:
            if self._client is None:
                self._client = boto3.client("sns", config=_CONFIG)
            return self._client
