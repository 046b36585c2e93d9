"""What docs/openapi.json tells is what the deployed application does: no 500, nothing undocumented, nothing invalid
that is taken, and answers of the shapes that it names. `make fuzz` asks for longer."""

import requests

from tests.fuzz import fuzz
from tests.local_cloud.api import Api
from tests.local_cloud.cloud import Stack
from tests.openapi import FILE


def test_what_is_documented_is_what_is_done(stack: Stack) -> None:
    assert fuzz(stack, seconds=60, seed=20261124) == 0


def test_the_document_is_there_for_everybody(api: Api) -> None:
    answer = requests.get(f"{api.base}/openapi.json", timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.text == FILE.read_text()
