"""Writes docs/openapi.json: `make openapi`."""

import logging

import tests.conftest  # noqa: F401  # the environment, without which no function starts
from hookwatch.api.openapi import document
from tests.in_process.aws import Aws
from tests.openapi import FILE, text_of

logging.getLogger("werkzeug").setLevel(logging.ERROR)
with Aws() as aws:
    FILE.write_text(text_of(document(aws.function("api").app, aws.function("ingest").app)))
print(f"{FILE.name}: {FILE.stat().st_size // 1024} KB")
