"""Clients of AWS: a session each would read all that botocore knows of AWS, 40 ms of every cold start."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from pynamodb.models import Model

from hookwatch import aws, tables

MODELS = [model for model in vars(tables).values() if isinstance(model, type) and issubclass(model, Model)]


@pytest.mark.parametrize("model", [model for model in MODELS if hasattr(model, "Meta")])
def test_all_tables_are_of_one_session_in_every_thread(model: type[Model]) -> None:
    connection = tables.connection_of(model)
    with ThreadPoolExecutor(1) as other:
        assert connection.session is other.submit(lambda: connection.session).result() is aws.session()


def test_aws_is_told_who_calls() -> None:
    assert aws.client("sqs").meta.config.user_agent.startswith("Hookwatch/")
