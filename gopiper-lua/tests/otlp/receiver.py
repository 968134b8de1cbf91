"""A receiver of OTLP by gRPC. It writes what it gets to standard output, as lines of JSON.

    receiver.py PORT [ANSWER,...]

Port 0 is a free one; the first line says which. Each signal (metrics, logs, traces) gets these answers in
order, then it is taken: `ok`, the name of a status of gRPC as in `UNAVAILABLE`, with `:N` after it
to demand a wait of N milliseconds, `partial:N` to reject N items, or `warning`.
"""

import json
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

WRITING = threading.Lock()


def write(line):
    with WRITING:
        print(json.dumps(line), flush=True)


class Receiver:
    def __init__(self, signal, answers, response, rejected):
        self.signal, self.answers = signal, list(answers)
        self.response, self.rejected = response, rejected

    def Export(self, request, context):
        answer = self.answers.pop(0) if self.answers else "ok"
        headers = {key: value for key, value in context.invocation_metadata()}
        body = MessageToDict(request, preserving_proto_field_name=True)
        write({"signal": self.signal, "answer": answer, "headers": headers, "body": body})
        name, _, number = answer.partition(":")
        response = self.response()
        if name == "ok":
            return response
        if name == "partial":
            setattr(response.partial_success, self.rejected, int(number))
            response.partial_success.error_message = "some are too old"
            return response
        if name == "warning":
            response.partial_success.error_message = "this is an old version"
            return response
        code = grpc.StatusCode[name]
        if number:
            status = status_pb2.Status(code=code.value[0], message="not now")
            wait = error_details_pb2.RetryInfo()
            wait.retry_delay.FromMilliseconds(int(number))
            status.details.add().Pack(wait)
            context.set_trailing_metadata(
                (("grpc-status-details-bin", status.SerializeToString()),)
            )
        context.abort(code, "not now")


def main():
    port, answers = sys.argv[1], sys.argv[2].split(",") if len(sys.argv) > 2 else []
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4), options=(("grpc.so_reuseport", 0),)
    )
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(
        Receiver(
            "metrics",
            answers,
            metrics_service_pb2.ExportMetricsServiceResponse,
            "rejected_data_points",
        ),
        server,
    )
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(
        Receiver(
            "logs", answers, logs_service_pb2.ExportLogsServiceResponse, "rejected_log_records"
        ),
        server,
    )
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(
        Receiver("traces", answers, trace_service_pb2.ExportTraceServiceResponse, "rejected_spans"),
        server,
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    write({"port": port})
    server.wait_for_termination()


main()
