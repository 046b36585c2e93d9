"""A client of the API that asks again while it is answered with a 503, as the docs tell clients to."""

import time
import uuid
from typing import Any

import requests

from tests.local_cloud.api import Api


class PatientApi(Api):
    """`refused` are the answers of 5XX; each has to be a 503 that says when to ask again."""

    refused: list[requests.Response] = []  # noqa: RUF012  # of every client: a world makes its own

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        again = False
        if method == "POST":
            arguments.setdefault("headers", {"Idempotency-Key": uuid.uuid4().hex})
        while True:
            answer = super().request(method, path, **arguments)
            if answer.status_code < 500 and not is_in_progress(answer):
                break
            self.refused.append(answer)
            again = True
            time.sleep(0.05)
        if again and is_done_already(method, answer):
            answer.status_code = 204 if method == "DELETE" else 201
        return answer


def is_in_progress(answer: requests.Response) -> bool:
    return answer.status_code == 409 and answer.json()["id"] == "in_progress"


def is_done_already(method: str, answer: requests.Response) -> bool:
    """The first request was carried out, though its answer was a 503: what it was to delete is gone, what it was to
    make is there."""
    return (method, answer.status_code) == ("DELETE", 404) or (
        method == "POST" and answer.status_code == 409 and answer.json()["id"] == "conflict"
    )
