"""A moto server with the tables, queues, key and secrets of template.yaml, and the functions that use them."""

import importlib
import io
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import boto3
from moto.dynamodb.models import dynamodb_backends
from moto.server import ThreadedMotoServer
from moto.sqs.models import sqs_backends
from samcli.yamlhelper import yaml_parse

from hookwatch import secrets_manager
from tests.in_process.invoking import Context, handed_out

ROOT = Path(__file__).parents[2]
ADMIN_SECRET = "A" * 43
SEAL_KEY = "S" * 64
SETTINGS = {
    "EVENT_RETENTION_DAYS": "30",
    "STATS_RETENTION_DAYS": "396",
    "POLICY": "{}",
    "HEARTBEAT_MINUTES": "0",
    "ALARMS_APPLICATION": "operations",
    "STACK_NAME": "hookwatch",
    "STACK_RESOURCES": "hookwatch-Ingest-AbCdEfGhIjKl,hookwatch-Signals-MnOpQrStUvWx.fifo",
    "API_URL": "https://hooks.example.com/api/v1/operational_webhooks",
    "LINKS": '{"runbook": "https://wiki.example.com/webhooks"}',
    "SIGNALS_VISIBILITY_SECONDS": "180",
    "SIGNALS_RECEIVES": "10",
    "ENDPOINT_CACHE_SECONDS": "0",
    "ERASURE_SETTLES_SECONDS": "900",
    "RETRY_SCHEDULE": "5,60,300,1800",
    "DISABLES_AFTER_DAYS": "5",
    "ENDPOINTS_PER_APPLICATION": "20",
    "ALLOWED_NETWORKS": "127.0.0.0/8",
    "ALLOW_HTTP": "true",
    "HIDE_URL_PATHS": "false",
}
_ACCOUNT, _REGION = "123456789012", "eu-central-1"
_TABLE_PROPERTIES = ("KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes")


@cache
def _client(service: Any, endpoint_url: str) -> Any:
    """To make one takes as long as ten calls."""
    return boto3.client(service, endpoint_url=endpoint_url)


def _backend() -> Any:
    return dynamodb_backends[_ACCOUNT][_REGION]


class Aws:
    def __enter__(self) -> Self:
        self._serve()
        resources: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
        self.queue_urls: dict[str, str] = {}
        self._make_tables(resources)
        self._make_queues(resources)
        os.environ |= SETTINGS | self._keys()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        os.environ.pop("AWS_ENDPOINT_URL")

    def _serve(self) -> None:
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else it logs each request
        self._server = ThreadedMotoServer(port=0, verbose=False)
        self._server.start()
        self.use(self._server.get_host_and_port()[1])

    @staticmethod
    def use(port: int) -> None:
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"

    def _stop(self) -> None:
        self._server.stop()

    def client(self, service: Any) -> Any:
        return _client(service, os.environ["AWS_ENDPOINT_URL"])

    def environment(self, name: str) -> str:
        return os.environ[name]

    def function(self, name: str) -> ModuleType:
        """`functions/<name>/app.py`, imported as Lambda does: once, with the environment in place."""
        return importlib.import_module(f"functions.{name}.app")

    def invoke(self, name: str, event: dict[str, Any]) -> Any:
        return self.function(name).handler(event, Context())

    @contextmanager
    def log_of(self, name: str) -> Iterator[io.StringIO]:
        """What the function logs meanwhile, a line of JSON each."""
        logger, stream = self.function(name).logger, io.StringIO()
        handler = logging.StreamHandler(stream)
        handler.setFormatter(logger.registered_formatter)
        logger.addHandler(handler)
        yield stream
        logger.removeHandler(handler)

    @contextmanager
    def seal_key(self, current: str, previous: str) -> Iterator[None]:
        """The deployment's seal key is another one meanwhile."""
        secrets, arn = self.client("secretsmanager"), self.environment("SEAL_KEY_SECRET")
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"current": current, "previous": previous}))
        yield
        secrets.put_secret_value(SecretId=arn, SecretString=json.dumps({"current": SEAL_KEY, "previous": ""}))
        secrets_manager.forget()

    def sample(self, name: str) -> dict[str, Any]:
        """`events/<name>.json`."""
        event: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
        return event

    def items(self, table: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client("dynamodb").scan(TableName=table, ConsistentRead=True)["Items"]
        return items

    @staticmethod
    def stored(table: str) -> list[dict[str, Any]]:
        """As `items`, looked up in moto itself: for what is asked hundreds of times."""
        return [item.to_json()["Attributes"] for item in _backend().tables[table].all_items()]

    @staticmethod
    def forget(*tables: str) -> None:
        """Takes all items away, if there are such tables."""
        for table in tables:
            if table in _backend().tables:
                _backend().tables[table].items.clear()

    @classmethod
    def forget_everything(cls) -> None:
        cls.forget(*_backend().tables)

    def forget_what_is_under_way(self) -> None:
        """Messages, and deletions that another test asked for."""
        self.renew("Deliveries", "Retries")
        self.take("Signals")
        self.forget("Application")

    def take(self, queue: str) -> list[dict[str, Any]]:
        """All messages of a queue, as Lambda would hand them out. They are gone from it then."""
        sqs, url, taken = self.client("sqs"), self.queue_urls[queue], []
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"]).get(
            "Messages"
        ):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                taken += handed_out([message], arn)
        return taken

    def renew(self, *queues: str) -> None:
        """Makes queues anew: empty, of what is hidden or delayed too. (SQS purges one only every 60 seconds.)"""
        for queue in queues:
            self.client("sqs").delete_queue(QueueUrl=self.queue_urls[queue])
            self.client("sqs").create_queue(QueueName=queue)

    def waiting(self, queue: str) -> int:
        """How many messages are on a queue, in sight or delayed."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.queue_urls[queue], AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    @staticmethod
    def sent(queue: str) -> list[tuple[str, int]]:
        """The body of each message on a queue, and by how many seconds it was delayed: looked up in moto itself."""
        messages = sqs_backends[_ACCOUNT][_REGION].queues[queue]._messages
        return [
            (message.body, max(0, round((message.delayed_until - int(message.sent_timestamp or 0)) / 1000)))
            for message in messages
        ]

    @staticmethod
    def bodies(queue: str) -> list[str]:
        """Of all messages on a queue: those out of sight too. Looked up in moto itself."""
        return [message.body for message in sqs_backends[_ACCOUNT][_REGION].queues[queue]._messages]

    def _make_tables(self, resources: dict[str, Any]) -> None:
        for name, resource in resources.items():
            if resource["Type"] == "AWS::DynamoDB::Table":
                properties = {
                    key: resource["Properties"][key] for key in _TABLE_PROPERTIES if key in resource["Properties"]
                }
                self.client("dynamodb").create_table(TableName=name, **properties)

    def _make_queues(self, resources: dict[str, Any]) -> None:
        for name, resource in resources.items():
            if resource["Type"] == "AWS::SQS::Queue":
                is_fifo = resource["Properties"].get("FifoQueue", False)
                url = self.client("sqs").create_queue(
                    QueueName=f"{name}.fifo" if is_fifo else name,
                    Attributes={"FifoQueue": "true", "DeduplicationScope": "messageGroup"} if is_fifo else {},
                )["QueueUrl"]
                self.queue_urls[name] = url
        os.environ |= {
            "SIGNALS_QUEUE_URL": self.queue_urls["Signals"],
            "DELIVERIES_QUEUE_URL": self.queue_urls["Deliveries"],
            "RETRIES_QUEUE_URL": self.queue_urls["Retries"],
            "DELIVERIES_DEAD_LETTERS_QUEUE_URL": self.queue_urls["DeliveriesDeadLetters"],
            "EMITTER_FAILURES_QUEUE_URL": self.queue_urls["EmitterFailures"],
            "BATCHES_QUEUE_URL": self.queue_urls["Batches"],
            "REPLAYS_QUEUE_URL": self.queue_urls["Replays"],
            "ALARM_TOPIC": self.client("sns").create_topic(Name="AlarmTopic")["TopicArn"],
        }

    def _keys(self) -> dict[str, str]:
        secrets = self.client("secretsmanager")
        admin = secrets.create_secret(Name="AdminKey", SecretString=ADMIN_SECRET)
        seal = secrets.create_secret(Name="SealKey", SecretString=json.dumps({"current": SEAL_KEY, "previous": ""}))
        cursors = secrets.create_secret(Name="CursorKey", SecretString="C" * 64)
        key = self.client("kms").create_key(Description="secrets")
        return {
            "ADMIN_KEY_SECRET": admin["ARN"],
            "SEAL_KEY_SECRET": seal["ARN"],
            "CURSOR_KEY_SECRET": cursors["ARN"],
            "SECRETS_ENCRYPTION_KEY": key["KeyMetadata"]["Arn"],
        }
