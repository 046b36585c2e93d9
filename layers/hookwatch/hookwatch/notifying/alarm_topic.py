"""The alarm topic (SNS): notices ─▶ whoever has subscribed to it."""

from threading import Lock
from typing import TYPE_CHECKING

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from hookwatch import aws, times
from hookwatch.logs import logger
from hookwatch.metrics import count
from hookwatch.notifying import notices
from hookwatch.notifying.notices import Notice
from hookwatch.notifying.queue import Delivery

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

# Shorter than `aws.session`: an attempt of 10 s has come before, in a function of 30.
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

    def tell(self, delivery: Delivery, status: str, outcome: str) -> None:
        """Of a receiver that was given up, or that missed a delivery. What SNS does not take neither fails a delivery
        nor repeats it."""
        if status not in notices.FAILED_FOR_GOOD:
            return
        is_exhausted = status == "exhausted" and not delivery.is_heartbeat  # which is for its receiver to miss
        notice = notices.take(delivery, outcome, is_exhausted=is_exhausted, now=times.now())
        if notice is None:
            return
        try:
            self._publish(notice)
        except (BotoCoreError, ClientError):
            logger.exception("a notice was not published", **delivery.ids(), notice=notice.kind)
            count("NoticesFailed")
        else:
            notices.published(notice, times.now())
            count("NoticesPublished")

    def _publish(self, notice: Notice) -> None:
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
                self._client = aws.client("sns", _CONFIG)
            return self._client
