"""What Schemathesis cannot know of the application. It runs in a virtual environment of its own."""

import os
from typing import Any

import schemathesis

ENDPOINT = "/{operational_endpoint_id}"


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """An endpoint stays in its application."""
    if context.operation.path == ENDPOINT and isinstance(body, dict) and isinstance(body.get("application_id"), str):
        return {**body, "application_id": os.environ["HOOKWATCH_APPLICATION_ID"]}
    return body
