"""What Temporal tells of the calls that it took, as it is read."""

from pathlib import Path

import pytest

from bench.calls import Calls, calls_since, calls_so_far, in_words, read
from bench.stage import Servers, Wrong
from waymark.stack.kafka import KafkaServer
from waymark.stack.kafka import Program as KafkaProgram
from waymark.stack.temporal import Program, TemporalServer

TOLD = """\
# TYPE service_requests_total counter
service_requests_total{namespace="_unknown_",operation="GetSystemInfo",service_name="frontend"} 2
service_requests_total{namespace="default",operation="SignalWithStartWorkflowExecution",service_name="frontend"} 1.2e+03
service_requests_total{namespace="default",operation="SignalWithStartWorkflowExecution",service_name="history"} 1200
service_requests_total{namespace="other",operation="DescribeWorkflowExecution",service_name="frontend"} 1
service_requests_total{namespace="default",operation="PollWorkflowTaskQueue",service_name="frontend"} 7
service_requests_total{namespace="temporal-system",operation="StartWorkflowExecution",service_name="frontend"} 2
service_errors_total{namespace="default",operation="DescribeWorkflowExecution",service_name="frontend"} 1
"""


def test_every_request_of_the_frontend_counts() -> None:
    """Of any namespace but Temporal's own, and none twice because another service of the server had it too."""
    calls = read(TOLD)
    assert {"SignalWithStartWorkflowExecution": 1_200, "DescribeWorkflowExecution": 1} == calls.other
    assert {"GetSystemInfo": 2, "PollWorkflowTaskQueue": 7} == calls.polling


def test_what_came_between() -> None:
    """An operation that nobody has called before is counted from nothing; one that nobody called again is left out."""
    after = Calls({"GetSystemInfo": 2, "PollWorkflowTaskQueue": 9, "QueryWorkflow": 1})
    since = calls_since(Calls({"GetSystemInfo": 2, "PollWorkflowTaskQueue": 7}), after)
    assert ({"QueryWorkflow": 1}, {"PollWorkflowTaskQueue": 2}) == (since.other, since.polling)
    assert "1 QueryWorkflow" == in_words(since.other)
    assert "none" == in_words({})


async def test_a_server_that_does_not_count_is_no_server_without_calls(tmp_path: Path) -> None:
    """Neither one that was not asked to count, nor one that tells of nothing."""
    stage = Servers(tmp_path, TemporalServer(Program(()), 7233), KafkaServer(KafkaProgram((), ""), 9092), {})
    with pytest.raises(Wrong, match="does not count"):
        await calls_so_far(stage)
    with pytest.raises(Wrong, match="no call at all"):
        read(TOLD.replace("service_requests", "requests"))
