#!/usr/bin/env bash
# @opentelemetry/otlp-transformer 0.223.1 with sdk-trace-base 2.12.1 (npm): one
# span with number attributes, through the JSON and the protobuf serializer.
#
# Surprise: the two exporters of one SDK say different things. In JSON any
# whole number is an intValue, so 1e300 is {"intValue":1e+300}, which is no
# 64 bit integer: a strict receiver refuses the request and every span in it.
# protobuf writes a double. 2^60 loses its last digits in JSON only (it ends in
# 847000 in place of 846976). NaN and the infinities are {"doubleValue":null}
# in JSON and themselves in protobuf. In both, 1.0 is an integer and 1.5 not,
# so an attribute's type changes from span to span.
#
# For gopiper: an OTLP source takes an intValue as a number or a text, and one
# that is out of range is a double, or costs this attribute; never the batch.
# doubleValue null is a value that is not known, and no error.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @opentelemetry/api@1.9.0 @opentelemetry/otlp-transformer@0.223.1 @opentelemetry/sdk-trace-base@2.12.1
node - > seen <<'E'
const {BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor} = require('@opentelemetry/sdk-trace-base');
const {JsonTraceSerializer, ProtobufTraceSerializer} = require('@opentelemetry/otlp-transformer');
const numbers = {one: 1.0, half: 1.5, '2^60': 2**60, '1e300': 1e300, nan: NaN, infinity: Infinity};
const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({spanProcessors: [new SimpleSpanProcessor(exporter)]});
provider.getTracer('finding').startSpan('span', {attributes: numbers}).end();
const spans = exporter.getFinishedSpans();
const json = Buffer.from(JsonTraceSerializer.serializeRequest(spans)).toString();
const data = Buffer.from(ProtobufTraceSerializer.serializeRequest(spans));
for (const name in numbers) {
    const value = json.match(new RegExp(`"key":"${name.replace('^', '\\^')}","value":(\\{[^}]*\\})`))[1];
    const at = data.indexOf(Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)])) + name.length + 4;
    const [field, value64] = [data[at] >> 3, data[at] === 0x21 ? data.readDoubleLE(at + 1) : 'a varint'];
    console.log(`${name}: JSON ${value}, protobuf ${field === 3 ? 'intValue' : 'doubleValue'} ${value64}`);
}
E
cat seen
diff -u - seen <<'E'
one: JSON {"intValue":1}, protobuf intValue a varint
half: JSON {"doubleValue":1.5}, protobuf doubleValue 1.5
2^60: JSON {"intValue":1152921504606847000}, protobuf intValue a varint
1e300: JSON {"intValue":1e+300}, protobuf doubleValue 1e+300
nan: JSON {"doubleValue":null}, protobuf doubleValue NaN
infinity: JSON {"doubleValue":null}, protobuf doubleValue Infinity
E
