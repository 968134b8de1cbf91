#!/usr/bin/env bash
# CloudEvents 1.0 over HTTP: cloudevents 2.2.0 (Python) and cloudevents 10.0.0
# (npm), the SDKs of one project.
#
# Surprise: an event has a structured form (all in JSON) and a binary one
# (attributes in headers, data as the body). From one to the other it changes.
# Data that is a JSON text, "5", gets a binary body without its quotes, which
# Python then reads as the number 5. A time is optional: both SDKs give an event
# without one the time of reading. The binding has headers percent-encoded;
# npm's SDK neither encodes nor decodes: it reads Python's 'a b' as 'a%20b', and
# Python reads its '50%25' as '50%'. It also cuts a time to milliseconds.
#
# For gopiper: a bridge keeps the form that it received and the bytes of the
# data, and an absent time stays absent. Duplicates are found by source and id,
# not by a digest of the event. A test has a JSON text and a '%' in both forms.
set -eu
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v; v/bin/pip -q install cloudevents==2.2.0
npm install --silent --no-audit --no-fund --prefix . cloudevents@10.0.0
cat > event.js <<'E'
const {CloudEvent, HTTP} = require('cloudevents');
if (process.argv[2] == 'write') {
    const event = new CloudEvent({id: '1', source: '/s', type: 't', datacontenttype: 'application/json',
        time: '2025-10-01T12:00:00.123456Z', subject: '50%25', data: '5'});
    console.log(JSON.stringify([HTTP.binary(event), HTTP.structured(event)]));
} else {
    for (const message of JSON.parse(require('fs').readFileSync(0))) {
        const event = HTTP.toEvent(message);
        const time = Date.now() - Date.parse(event.time) < 60000 ? 'of reading' : event.time;
        console.log(`npm reads subject ${event.subject}, time ${time}, data ${JSON.stringify(event.data)}; as binary ${HTTP.binary(event).body}`);
    }
}
E
cat > event.py <<'E'
import json, sys
from datetime import datetime, timedelta, timezone
from cloudevents.core.bindings.http import HTTPMessage, from_http, to_binary, to_structured
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

form = JSONFormat()
if sys.argv[1] == "write":
    event = CloudEvent({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "datacontenttype": "application/json",
                        "time": datetime.fromisoformat("2025-10-01T12:00:00.123456+00:00"), "subject": "a b"}, "5")
    print(json.dumps([{"headers": m.headers, "body": m.body.decode()} for m in (to_binary(event, form), to_structured(event, form))]))
else:
    for message in json.load(sys.stdin):
        event = from_http(HTTPMessage(message["headers"], message["body"].encode()), form)
        age = datetime.now(timezone.utc) - event.get_time()
        time = "of reading" if age < timedelta(minutes=1) else event.get_time().isoformat()
        print(f"Python reads subject {event.get_subject()}, time {time}, data {json.dumps(event.get_data())}; as binary {to_binary(event, form).body.decode()}")
E
node event.js write > npm; v/bin/python event.py write > python
cat > no_time <<'E'
[{"headers": {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t", "content-type": "application/json"}, "body": "\"5\""},
 {"headers": {"content-type": "application/cloudevents+json"}, "body": "{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/s\", \"type\": \"t\", \"data\": \"5\"}"}]
E
for file in npm python no_time; do
    echo "$file, binary and structured:"; node event.js read < $file; v/bin/python event.py read < $file
done > seen
cat seen
diff -u - seen <<'E'
npm, binary and structured:
npm reads subject 50%25, time 2025-10-01T12:00:00.123Z, data "5"; as binary 5
npm reads subject 50%25, time 2025-10-01T12:00:00.123Z, data "5"; as binary 5
Python reads subject 50%, time 2025-10-01T12:00:00.123000+00:00, data 5; as binary 5
Python reads subject 50%25, time 2025-10-01T12:00:00.123000+00:00, data "5"; as binary 5
python, binary and structured:
npm reads subject a%20b, time 2025-10-01T12:00:00.123Z, data "5"; as binary 5
npm reads subject a b, time 2025-10-01T12:00:00.123Z, data "5"; as binary 5
Python reads subject a b, time 2025-10-01T12:00:00.123456+00:00, data 5; as binary 5
Python reads subject a b, time 2025-10-01T12:00:00.123456+00:00, data "5"; as binary 5
no_time, binary and structured:
npm reads subject undefined, time of reading, data "5"; as binary 5
npm reads subject undefined, time of reading, data "5"; as binary 5
Python reads subject None, time of reading, data "5"; as binary 5
Python reads subject None, time of reading, data "5"; as binary 5
E
