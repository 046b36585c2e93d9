"""The environment that a deployment gives the functions, so that their modules can be imported; nothing listens there."""

import os

os.environ |= {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_REGION": "eu-central-1",
    "POWERTOOLS_SERVICE_NAME": "hookwatch",
    "POWERTOOLS_METRICS_NAMESPACE": "Hookwatch",
    "SOURCE_TABLE": "Source",
    "MONITORED_ENDPOINT_TABLE": "MonitoredEndpoint",
    "OPERATIONAL_EVENT_TABLE": "OperationalEvent",
    "OPERATIONAL_ENDPOINT_TABLE": "OperationalEndpoint",
    "OPERATIONAL_ATTEMPT_TABLE": "OperationalAttempt",
}
for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
    os.environ.pop(name, None)
