#!/usr/bin/env bash
# OTLP over gRPC: opentelemetry-exporter-otlp-proto-grpc 1.45.2 of PyPI, with
# opentelemetry-sdk 1.45.2, against a receiver on grpcio 1.85.3.
#
# Surprise: the exporter reads neither of the two answers by which a receiver
# slows it down or refuses a part. A receiver that is full says when to come
# again (RetryInfo in the details of the status): 30 seconds are demanded, and
# the next request comes after about one. A receiver that has taken only a part
# of a request says so in its response; the exporter reports success, and
# writes no line.
#
# For gopiper: '--otlp' waits as long as it is told, and counts what a receiver
# has left out. A receiver of OTLP cannot hold senders back by RetryInfo alone:
# it has to stop reading. Tests have both answers.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip -q install grpcio==1.85.3 opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-grpc==1.45.2
v/bin/python - > seen <<'E'
import logging, sys, time
from concurrent import futures

import grpc
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as messages
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as services
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

asked = []


class Receiver(services.TraceServiceServicer):
    def Export(self, request, context):
        asked.append(time.monotonic())
        if len(asked) == 1:
            wait = error_details_pb2.RetryInfo()
            wait.retry_delay.FromSeconds(30)
            status = status_pb2.Status(code=8, message="full")
            status.details.add().Pack(wait)
            details = (("grpc-status-details-bin", status.SerializeToString()),)
            context.set_trailing_metadata(details)
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        response = messages.ExportTraceServiceResponse()
        response.partial_success.rejected_spans = 1
        response.partial_success.error_message = "its time is too old"
        return response


server = grpc.server(futures.ThreadPoolExecutor())
services.add_TraceServiceServicer_to_server(Receiver(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()

lines = []
handler = logging.Handler()
handler.emit = lambda record: lines.append(record.getMessage())
logging.getLogger().addHandler(handler)
exporter = OTLPSpanExporter(endpoint=f"http://127.0.0.1:{port}")
results, export = [], exporter.export
exporter.export = lambda spans: results.append(export(spans)) or results[-1]
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
provider.get_tracer("a").start_span("one").end()
waited = asked[1] - asked[0]
print("requests:", len(asked), "- it waited for 30 s:", waited >= 30, "- for less than 5 s:", waited < 5)
print("result:", results[0].name, "- lines about what was rejected:", sum("old" in line for line in lines))
server.stop(1).wait()
E
cat seen
diff -u - seen <<'E'
requests: 2 - it waited for 30 s: False - for less than 5 s: True
result: SUCCESS - lines about what was rejected: 0
E
