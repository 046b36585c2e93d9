from datetime import timedelta
from ipaddress import ip_network

import pytest

from hookwatch import settings
from hookwatch.policy import Policy
from hookwatch.settings import DeliverySettings, InvalidSetting, ObserverSettings

DELIVERY = {
    "RETRIES_QUEUE_URL": "https://sqs.example/retries",
    "DELIVERIES_DEAD_LETTERS_QUEUE_URL": "https://sqs.example/dead",
    "SEAL_KEY_SECRET": "arn:seal",
    "SECRETS_ENCRYPTION_KEY": "arn:key",
    "RETRY_SCHEDULE": "5,60, 300,1800",
    "DISABLES_AFTER_DAYS": "5",
    "ALARM_TOPIC": "arn:aws:sns:eu-central-1:123456789012:AlarmTopic",
    "ALLOWED_NETWORKS": "127.0.0.0/8, ::1/128",
    "ALLOW_HTTP": "false",
    "EVENT_RETENTION_DAYS": "30",
    "ENDPOINT_CACHE_SECONDS": "5",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in DELIVERY.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_every_setting_is_read_from_the_variable_of_its_name() -> None:
    assert DeliverySettings.from_environment() == DeliverySettings(
        retries_queue_url="https://sqs.example/retries",
        deliveries_dead_letters_queue_url="https://sqs.example/dead",
        seal_key_secret="arn:seal",
        secrets_encryption_key="arn:key",
        retry_schedule=(timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)),
        disables_after_days=5,
        allowed_networks=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        allow_http=False,
        event_retention_days=30,
        endpoint_cache_seconds=5,
        alarm_topic="arn:aws:sns:eu-central-1:123456789012:AlarmTopic",
    )


@pytest.mark.parametrize("name", DELIVERY)
def test_a_missing_setting_fails_with_its_name(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)

    with pytest.raises(InvalidSetting, match=name):
        DeliverySettings.from_environment()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALLOW_HTTP", ""),
        ("ALLOW_HTTP", "True"),
        ("ALLOW_HTTP", "yes"),
        ("EVENT_RETENTION_DAYS", ""),
        ("EVENT_RETENTION_DAYS", "thirty"),
        ("EVENT_RETENTION_DAYS", "30.5"),
        ("ALLOWED_NETWORKS", "localhost"),
        ("ALLOWED_NETWORKS", "127.0.0.1/8"),
        ("ALLOWED_NETWORKS", "10.0.0.0/33"),
        ("RETRY_SCHEDULE", ""),
        ("RETRY_SCHEDULE", "5,,60"),
        ("RETRY_SCHEDULE", "5s"),
        ("RETRY_SCHEDULE", "39601"),
        ("RETRY_SCHEDULE", "9" * 30),
    ],
)
def test_a_setting_that_cannot_be_understood_fails_with_its_name(
    environment: pytest.MonkeyPatch, name: str, value: str
) -> None:
    environment.setenv(name, value)

    with pytest.raises(InvalidSetting, match=name):
        DeliverySettings.from_environment()


def test_a_wait_of_eleven_hours_is_allowed(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RETRY_SCHEDULE", "39600")

    assert DeliverySettings.from_environment().retry_schedule == (timedelta(hours=11),)


def test_no_allowed_networks_is_none(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("ALLOWED_NETWORKS", "")

    assert DeliverySettings.from_environment().allowed_networks == ()


@pytest.mark.parametrize(("text", "expected"), [("true", True), ("false", False)])
def test_a_switch_is_true_or_false(environment: pytest.MonkeyPatch, text: str, expected: bool) -> None:
    environment.setenv("ALLOW_HTTP", text)

    assert DeliverySettings.from_environment().allow_http is expected


def test_a_function_needs_only_its_own_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"POLICY": '{"opens_after_failures": 7}', "EVENT_RETENTION_DAYS": "1", "STATS_RETENTION_DAYS": "2"}
    own |= {"SIGNALS_VISIBILITY_SECONDS": "3", "SIGNALS_RECEIVES": "4"}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RETRY_SCHEDULE", raising=False)

    assert ObserverSettings.from_environment() == ObserverSettings(Policy(opens_after_failures=7), 1, 2, 3, 4)


def test_one_variable_can_be_read_and_is_missed_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TABLE", "Some")
    assert settings.environment("SOME_TABLE") == "Some"

    monkeypatch.delenv("SOME_TABLE")
    with pytest.raises(InvalidSetting, match="SOME_TABLE"):
        settings.environment("SOME_TABLE")
