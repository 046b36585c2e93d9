"""What template.yaml promises and the local cloud cannot show."""

import json
import re
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from hookwatch.observing.alarms import Deployment, StateChange
from tests.in_process.aws import ROOT
from tests.sam_local.answers import CHECKS

TEMPLATE: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
DEAD_LETTERS = (
    "SignalsDeadLetters",
    "DeliveriesDeadLetters",
    "RetriesDeadLetters",
    "BatchesDeadLetters",
    "ReplaysDeadLetters",
    "EmitterFailures",
    "AlarmsFailures",
)
# The managed policy AWSLambdaVPCAccessExecutionRole, version 3.
VPC_ACCESS = (
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
FUNCTIONS = sorted(path.name for path in (ROOT / "functions").iterdir() if (path / "app.py").exists())


def of_type(resource_type: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == resource_type}


def statements(properties: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in properties["Policies"] for statement in policy["Statement"]]


def test_functions_and_folders_share_their_names() -> None:
    assert sorted(name.lower() for name in of_type("AWS::Serverless::Function")) == FUNCTIONS
    for name, properties in of_type("AWS::Serverless::Function").items():
        assert properties["CodeUri"] == f"functions/{name.lower()}"


def test_every_function_logs_to_a_group_with_retention() -> None:
    for properties in of_type("AWS::Serverless::Function").values():
        group = properties["LoggingConfig"]["LogGroup"]["Ref"]
        assert "RetentionInDays" in RESOURCES[group]["Properties"]


def test_no_function_may_do_what_it_need_not() -> None:
    for name, properties in of_type("AWS::Serverless::Function").items():
        for statement in statements(properties):
            actions = actions_of(statement)
            assert not any(action.endswith(":*") for action in actions), name
            # The only action here for which AWS knows no resource.
            is_allowed = statement["Effect"] == "Allow"
            assert not is_allowed or statement["Resource"] != "*" or actions == ["dynamodb:ListStreams"], name


def test_only_who_needs_a_secret_may_read_it() -> None:
    readers = {
        name: {
            str(secret)
            for statement in statements(properties)
            if {"secretsmanager:GetSecretValue", "kms:Decrypt"} & set(actions_of(statement))
            for secret in [statement["Resource"]["Fn::GetAtt"][0]]
        }
        for name, properties in of_type("AWS::Serverless::Function").items()
    }
    assert readers == {
        "Authorizer": {"AdminKey"},
        "Ingest": {"SecretsEncryptionKey"},
        "Observer": set(),
        "Sweeper": set(),
        "Alarms": set(),
        "Emitter": {"SealKey"},
        "Eraser": set(),
        "Batcher": {"SealKey"},
        "Reemitter": {"SealKey"},
        "Replayer": {"SealKey"},
        "Delivery": {"SealKey", "SecretsEncryptionKey"},
        "Api": {"SecretsEncryptionKey", "CursorKey"},
    }


def actions_of(statement: dict[str, Any]) -> list[str]:
    return statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]


def test_delivery_alone_may_stand_in_a_vpc_and_its_own_code_may_not_touch_the_network() -> None:
    """SAM lets it with the managed policy AWSLambdaVPCAccessExecutionRole, which Lambda needs and the code does not."""
    functions = of_type("AWS::Serverless::Function")
    assert [name for name, properties in functions.items() if "VpcConfig" in properties] == ["Delivery"]
    inside = {"SubnetIds": {"Ref": "VpcSubnetIds"}, "SecurityGroupIds": {"Ref": "VpcSecurityGroupIds"}}
    assert functions["Delivery"]["VpcConfig"] == {"Fn::If": ["HasVpc", inside, {"Ref": "AWS::NoValue"}]}
    [denied] = [statement for statement in statements(functions["Delivery"]) if statement["Effect"] == "Deny"]
    assert (denied["Resource"], list(denied["Condition"])) == ("*", ["ArnLike"])
    assert list(denied["Condition"]["ArnLike"]) == ["lambda:SourceFunctionArn"]
    assert {action for action in VPC_ACCESS if action.startswith("ec2:")} <= set(actions_of(denied))


def test_a_parameter_that_is_empty_is_no_vpc() -> None:
    for name in ("VpcSubnetIds", "VpcSecurityGroupIds"):
        parameter = TEMPLATE["Parameters"][name]
        assert (parameter["Type"], parameter["Default"]) == ("CommaDelimitedList", "")
        assert re.fullmatch(parameter["AllowedPattern"], "")
        assert name in str(TEMPLATE["Conditions"]["HasVpc"])


def test_what_is_on_record_nobody_may_change_or_delete() -> None:
    may = {
        (name, action)
        for name, properties in of_type("AWS::Serverless::Function").items()
        for statement in statements(properties)
        if "'Audit'" in str(statement["Resource"]) or "${Audit.Arn}" in str(statement["Resource"])
        for action in actions_of(statement)
    }
    assert may == {("Api", "dynamodb:Query"), *((name, "dynamodb:PutItem") for name in ("Api", "Delivery", "Eraser"))}


def test_every_table_is_kept_and_can_be_restored() -> None:
    for name, properties in of_type("AWS::DynamoDB::Table").items():
        assert properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
        assert RESOURCES[name]["DeletionPolicy"] == {"Ref": "TableDeletionPolicy"}
        assert RESOURCES[name]["UpdateReplacePolicy"] == "Retain"
    assert TEMPLATE["Parameters"]["TableDeletionPolicy"]["Default"] == "Retain"


def test_a_queue_hides_a_message_for_six_times_as_long_as_a_function_may_run() -> None:
    timeout = TEMPLATE["Globals"]["Function"]["Timeout"]
    for name in ("Signals", "Deliveries", "Retries", "Replays"):
        assert RESOURCES[name]["Properties"]["VisibilityTimeout"] >= 6 * timeout


def test_a_delivery_may_be_received_far_more_often_than_waiting_takes() -> None:
    """It is hidden for up to 12 hours at a time, 14 days long; each is a receive."""
    receives = RESOURCES["Retries"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
    assert receives >= 10 * 14 * 24 / 12


def test_first_attempts_and_retries_have_a_concurrency_each() -> None:
    limits = {
        name: RESOURCES[name]["Properties"]["ScalingConfig"]["Fn::If"][1]["MaximumConcurrency"]["Ref"]
        for name in ("DeliverySource", "RetrySource")
    }
    assert limits == {"DeliverySource": "DeliveryConcurrency", "RetrySource": "RetryConcurrency"}


@pytest.mark.parametrize(
    ("queue", "metric", "below"),
    [
        ("Retries", "ApproximateNumberOfMessagesNotVisible", 120_000),  # SQS quotas: messages in flight
        ("Deliveries", "ApproximateAgeOfOldestMessage", 1_209_600),  # its retention
        *((queue, "ApproximateNumberOfMessagesVisible", 2) for queue in DEAD_LETTERS),
    ],
)
def test_what_sqs_limits_has_an_alarm_before_it(queue: str, metric: str, below: int) -> None:
    found = [
        alarm
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == metric and alarm["Dimensions"][0]["Value"] == {"Fn::GetAtt": [queue, "QueueName"]}
    ]
    assert found
    for alarm in found:
        threshold = alarm["Threshold"]
        number = threshold if isinstance(threshold, int) else TEMPLATE["Parameters"][threshold["Ref"]]["Default"]
        assert number < below


def test_the_observer_is_told_how_signals_hands_out() -> None:
    signals = RESOURCES["Signals"]["Properties"]
    told = RESOURCES["Observer"]["Properties"]["Environment"]["Variables"]
    assert told["SIGNALS_VISIBILITY_SECONDS"] == str(signals["VisibilityTimeout"])
    assert told["SIGNALS_RECEIVES"] == str(signals["RedrivePolicy"]["maxReceiveCount"])


def test_every_queue_that_is_worked_on_has_a_dead_letter_queue_that_keeps_for_14_days() -> None:
    for name in ("Signals", "Deliveries", "Retries", "Replays"):
        target = RESOURCES[name]["Properties"]["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"]
        target = target.split(".")[0] if isinstance(target, str) else target[0]
        assert RESOURCES[target]["Properties"]["MessageRetentionPeriod"] == 1209600


def test_what_lambda_gives_up_of_alarms_is_kept_for_14_days_and_is_among_the_dead_letters() -> None:
    destination = RESOURCES["Alarms"]["Properties"]["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
    assert destination == {"Type": "SQS", "Destination": {"Fn::GetAtt": ["AlarmsFailures", "Arn"]}}
    assert RESOURCES["AlarmsFailures"]["Properties"]["MessageRetentionPeriod"] == 1209600
    listed = TEMPLATE["Outputs"]["DeadLetterQueues"]["Value"]["Fn::Join"][1]
    assert sorted(each["Ref"] for each in listed) == sorted(DEAD_LETTERS)


def test_the_loop_guard_is_told_every_function_and_queue_and_the_topic() -> None:
    """Tables each function is told, and its own name it is told when it is invoked."""
    told = RESOURCES["Alarms"]["Properties"]["Environment"]["Variables"]["STACK_RESOURCES"]["Fn::Join"][1]
    functions = of_type("AWS::Serverless::Function").keys() - {"Alarms"}
    assert {each["Ref"] for each in told if "Ref" in each} == functions
    names = {tuple(each["Fn::GetAtt"]) for each in told if "Fn::GetAtt" in each}
    queues = {(name, "QueueName") for name in of_type("AWS::SQS::Queue")}
    assert names == queues | {(name, "TopicName") for name in of_type("AWS::SNS::Topic")}
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    tables = {value["Ref"] for name, value in variables.items() if name.endswith("_TABLE")}
    assert tables == of_type("AWS::DynamoDB::Table").keys()


@pytest.mark.parametrize("kind", ["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"])
def test_the_loop_guard_knows_each_alarm_by_the_name_that_cloudformation_gives_it(kind: str) -> None:
    guard = Deployment("hookwatch", "Hookwatch", frozenset())
    change = json.loads((ROOT / "events" / "alarms.json").read_text())
    for name in of_type(kind):
        change["detail"]["alarmName"] = f"hookwatch-{name}-AbCdEfGhIjKl"
        assert guard.owns(StateChange.from_event(change)), f"the logical id {name} does not end in Alarm"


def test_alarms_come_in_only_where_an_application_is_named_for_them() -> None:
    for name in ("AlarmStateChanges", "AlarmStateChangesPermission"):
        assert RESOURCES[name]["Condition"] == "TellsAlarms"
    pattern = re.compile(TEMPLATE["Parameters"]["AlarmsApplication"]["AllowedPattern"])
    assert all(pattern.fullmatch(name) for name in ("", "shop", "a", "**", "x" * 256))
    assert not any(pattern.fullmatch(name) for name in ("*", "my shop", "shöp", "x" * 257))


@pytest.mark.parametrize("response", sorted(RESOURCES["RestApi"]["Properties"]["GatewayResponses"]))
def test_api_gateways_own_answers_are_problems(response: str) -> None:
    answer = RESOURCES["RestApi"]["Properties"]["GatewayResponses"][response]
    assert answer["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
    text = answer["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"x"')
    problem = json.loads(text)
    assert problem["id"]
    assert problem["detail"]
    if "StatusCode" in answer:
        assert str(problem["status"]) == answer["StatusCode"]


def test_every_parameter_says_what_it_is_and_has_a_default() -> None:
    for parameter in TEMPLATE["Parameters"].values():
        assert parameter["Description"]
        assert "Default" in parameter


def test_no_resource_has_a_fixed_name() -> None:
    names = ("TableName", "QueueName", "FunctionName", "LogGroupName", "Name", "RoleName")
    for name, resource in RESOURCES.items():
        fixed = [key for key in names if isinstance(resource.get("Properties", {}).get(key), str)]
        assert not fixed, name


def test_the_seam_is_the_event_table_and_nothing_else() -> None:
    """Neither half imports the other."""
    package = ROOT / "layers" / "hookwatch" / "hookwatch"
    for half, other in (("observing", "notifying"), ("notifying", "observing")):
        for path in (package / half).rglob("*.py"):
            assert f"hookwatch.{other}" not in path.read_text(), path


def test_a_generated_secret_has_letters_and_digits_on_aws_and_on_the_local_cloud() -> None:
    """AWS refuses characters that exhaust a class which is not excluded by its switch."""
    for properties in of_type("AWS::SecretsManager::Secret").values():
        assert properties["GenerateSecretString"]["ExcludePunctuation"] is True
        assert properties["GenerateSecretString"]["ExcludeCharacters"]


def test_lines_of_signals_arrive_as_the_bytes_they_were_and_json_as_text() -> None:
    # SAM wants the slash escaped (AWS::Serverless::Api, BinaryMediaTypes).
    assert RESOURCES["RestApi"]["Properties"]["BinaryMediaTypes"] == ["application~1x-ndjson"]


def test_reporting_is_throttled_apart_from_the_rest_of_the_api() -> None:
    limits = {
        (setting["ResourcePath"].replace("~1", "/"), setting["HttpMethod"]): setting["ThrottlingRateLimit"]["Ref"]
        for setting in RESOURCES["RestApi"]["Properties"]["MethodSettings"]
    }
    base = "//api/v1/operational_webhooks"
    assert limits == {
        ("/*", "*"): "ApiRequestsPerSecond",
        (f"{base}/signals", "POST"): "IngestRequestsPerSecond",
        (f"{base}/sources/{{source_id}}", "POST"): "IngestRequestsPerSecond",
    }
    routes = {
        event["Properties"]["Path"] for event in of_type("AWS::Serverless::Function")["Ingest"]["Events"].values()
    }
    assert {path[1:] for path, method in limits if method == "POST"} <= routes


def test_every_sample_event_is_invoked_by_sam_local_and_its_answer_checked() -> None:
    assert {path.stem for path in (ROOT / "events").glob("*.json")} == set(CHECKS)
