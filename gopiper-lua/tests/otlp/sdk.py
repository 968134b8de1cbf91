"""Sends a metric of each kind and a line of a log by the SDK of OpenTelemetry.

sdk.py URL
"""

import sys

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

url = sys.argv[1]
resource = Resource.create({"service.name": "sdk"})

reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=url, insecure=True))
metrics = MeterProvider(resource=resource, metric_readers=[reader])
meter = metrics.get_meter("sdk")
labels = {"component_id": "parse"}
meter.create_counter("received_bytes", unit="By", description="Bytes.").add(8, labels)
meter.create_gauge("depth").set(2.5, labels)
meter.create_histogram(
    "took", unit="s", explicit_bucket_boundaries_advisory=[0.5, 1.0]
).record(0.75, labels)
metrics.shutdown()

logs = LoggerProvider(resource=resource)
logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(endpoint=url, insecure=True)))
logs.get_logger("sdk").emit(
    severity_number=SeverityNumber.WARN,
    severity_text="WARN",
    body="a message failed",
    attributes={"code": "message_failed", "messages": 3},
)
logs.shutdown()
