"""A deployed stack, by the logical ids of its template."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

_LOCAL = Path(".local/stack.json")  # as `make up` writes it


class NotFound(Exception):
    """The stack cannot be found; the message says in one line what to do."""


class Deployment:
    def __init__(self, stack_name: str, endpoint_url: str | None = None, region: str | None = None) -> None:
        self._stack_name = stack_name
        self._endpoint_url = endpoint_url
        # The local cloud knows everybody as test; on AWS the credentials are the environment's.
        key = "test" if endpoint_url else None
        self._session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=key, region_name=region)

    @classmethod
    def named(cls, stack_name: str | None) -> "Deployment":
        """The stack of that name, where the environment's AWS credentials lead; without a name, the local cloud's.

        Raises:
            NotFound: no name, and no local cloud.
        """
        if stack_name:
            return cls(stack_name)
        try:
            local = json.loads(_LOCAL.read_text())
        except FileNotFoundError:
            raise NotFound("Which stack? Name it (STACK=hookwatch), or start the local one: make up") from None
        return cls(local["stack_name"], local["endpoint_url"], local["region"])

    @cache  # noqa: B019  # one deployment for the life of a command
    def client(self, service: Any) -> Any:
        return self._session.client(service, endpoint_url=self._endpoint_url, config=Config(read_timeout=60))

    @cache  # noqa: B019
    def physical_id(self, logical_id: str) -> str:
        """Of a function its name, of a queue its URL."""
        answer = self.client("cloudformation").describe_stack_resource(
            StackName=self._stack_name, LogicalResourceId=logical_id
        )
        return str(answer["StackResourceDetail"]["PhysicalResourceId"])

    @property
    def api_url(self) -> str:
        """Ends in `/api/v1/operational_webhooks`."""
        if self._endpoint_url:  # the local cloud serves an API under a path
            base = f"{self._endpoint_url}/_aws/execute-api/{self.physical_id('RestApi')}/live/api/v1"
        else:
            [stack] = self.client("cloudformation").describe_stacks(StackName=self._stack_name)["Stacks"]
            base = next(output["OutputValue"] for output in stack["Outputs"] if output["OutputKey"] == "ApiUrl")
        return f"{base}/operational_webhooks"

    def admin_key(self) -> str:
        """The first one, for whom AWS lets read its secret."""
        answer = self.client("secretsmanager").get_secret_value(SecretId=self.physical_id("AdminKey"))
        return f"hwk_admin_{answer['SecretString']}"
