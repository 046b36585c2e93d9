"""What the functions log: a line of JSON for each decision, with the ids by which it is found.

CloudWatch keeps with each line when it was written (`@timestamp`), by which function (`@log`) and in which of its
environments (`@logStream`). A log is paid by the byte, so a line says none of that again.
"""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.logging.types import LogRecord

_KNOWN_TO_CLOUDWATCH = {"timestamp", "service", "function_name", "function_arn", "function_memory_size", "cold_start"}
_OF_TROUBLE = {"location", "function_request_id"}  # where in the code, and which of Lambda's START and REPORT lines


class _Line(LambdaPowertoolsFormatter):
    def serialize(self, log: LogRecord) -> str:
        left_out = _KNOWN_TO_CLOUDWATCH | {"xray_trace_id"}  # nothing is traced
        if log["level"] == "INFO":
            left_out |= _OF_TROUBLE
        kept = {name: value for name, value in log.items() if name not in left_out}
        if "correlation_id" in kept:
            kept["request_id"] = kept.pop("correlation_id")  # API Gateway's, by the name that the audit has for it
        return super().serialize(kept)


logger = Logger(logger_formatter=_Line(log_record_order=["level", "message"], serialize_stacktrace=False))
