//! Pipelines from standard input or a file, against the commands that they replace.

use crate::checks::access_log::Format;
use crate::checks::bench::row::{Figure, How, Input, Row, Target};

const LOG: Input = Input::Requests(Format::AccessLog);
const JSON: Input = Input::Requests(Format::Json);
const SET_ATTRIBUTES: &str = "gopiper.loadComponent('attributes_component.so', { count = tonumber(os.getenv('COUNT') or 1) })";
pub(in crate::checks::bench) const PASS: &str = "gopiper.loadComponent('pass_component.so')";

const THROUGH: &str = r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#;
/// The same, with the runtime directory in which requests are sent.
const IN_SCRATCH: &str = r#"mkdir -p -m 700 "$SCRATCH" &&
    cat "$INPUT" | XDG_RUNTIME_DIR="$SCRATCH" "$GOPIPER" run "$PIPELINE" | cat"#;

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "seed",
        what: "stdin to stdout, in the place of the middle cat of three",
        target: Target::AtMost(1.03),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&[]),
        reference: r#"cat "$INPUT" | cat | cat"#,
        ours: r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#,
    },
    Row {
        name: "pass",
        what: "the same, with a component between that passes on",
        target: Target::AtMost(1.06),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&[PASS]),
        reference: r#"cat "$INPUT" | cat | cat"#,
        ours: r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#,
    },
    // The reference has its socket elsewhere, so it gets no requests.
    Row {
        name: "scraped",
        what: "stdin to stdout, its metrics read once a second",
        target: Target::AtMost(1.02),
        figure: Figure::Cpu,
        how: How::Asked("/metrics"),
        input: LOG,
        between: Some(&[]),
        reference: THROUGH,
        ours: IN_SCRATCH,
    },
    Row {
        name: "scraped_stages",
        what: "the same with 8 stages between",
        target: Target::AtMost(1.03),
        figure: Figure::Cpu,
        how: How::Asked("/metrics"),
        input: LOG,
        between: Some(&[PASS; 8]),
        reference: THROUGH,
        ours: IN_SCRATCH,
    },
    Row {
        name: "tapped",
        what: "stdin to stdout, ten messages a second tapped",
        target: Target::AtMost(1.01),
        figure: Figure::Cpu,
        how: How::Asked("/api/v1/tap?component=stdout"),
        input: LOG,
        between: Some(&[]),
        reference: THROUGH,
        ours: IN_SCRATCH,
    },
    Row {
        name: "answers",
        what: "/metrics of 200 components, against the same text as a file by the same server",
        target: Target::AtMost(10.0),
        figure: Figure::Cpu,
        how: How::Answers("/metrics"),
        input: Input::Nothing,
        between: None,
        reference: "$STATIC $ANSWER $SCRATCH",
        ours: "$GOPIPER run $MANY",
    },
    Row {
        name: "file",
        what: "a file to /dev/null, against mawk 1",
        target: Target::AtMost(0.5),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&[]),
        reference: r#"mawk 1 "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "read",
        what: "file_source to null, against mawk 1",
        target: Target::AtMost(0.3),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#"mawk 1 "$INPUT""#,
        ours: r#"rm -rf "$SCRATCH" && "$GOPIPER" run "$FILE_TO_NULL""#,
    },
    Row {
        name: "stages",
        what: "each of 8 further stages that pass on",
        target: Target::AtMost(10.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&[PASS; 8]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    // The interface is on both sides. This row shows the cost of code in a file of its own, which
    // cannot be inlined; the row before shows the cost of the interface.
    Row {
        name: "substring",
        what: "a search in each message by a .so, against the same compiled into the host",
        target: Target::AtMost(1.2),
        figure: Figure::Cpu,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#""$STAGE" "$INPUT" "$LINES" compiled '" 503 '"#,
        ours: r#""$STAGE" "$INPUT" "$LINES" loaded "$GREP" '" 503 '"#,
    },
    // One line of a hundred.
    Row {
        name: "grep",
        what: "a search in lines, into a pipe, against grep -F",
        target: Target::AtMost(0.35),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&[r#"gopiper.loadComponent('grep_component.so', { word = '" 503 ' })"#]),
        reference: r#"LC_ALL=C grep -F '" 503 ' < "$INPUT" | cat"#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT" | cat"#,
    },
    Row {
        name: "json",
        what: "the same in lines of JSON",
        target: Target::AtMost(1.5),
        figure: Figure::Wall,
        how: How::Shell,
        input: JSON,
        between: Some(&[
            r#"gopiper.loadComponent('grep_component.so', { word = '"status":503,' })"#,
        ]),
        reference: r#"LC_ALL=C grep -F '"status":503,' < "$INPUT" | cat"#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT" | cat"#,
    },
    // Either gain is over one process with one worker and all of the messages: that time is in
    // both, so their ratio is that of the two times.
    Row {
        name: "workers",
        what: "a stage of 2 µs: the gain of 2 workers, as a share of the gain of 2 processes",
        target: Target::AtLeast(0.9),
        figure: Figure::Speed,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#""$STAGE" "$INPUT" $((LINES / 20)) work 1 &
            "$STAGE" "$INPUT" $((LINES / 20)) work 1 && wait $!"#,
        ours: r#""$STAGE" "$INPUT" $((LINES / 20 * 2)) work 2"#,
    },
    // The writer of the pipe is faster than its reader: the channels are full. `sh`, `cat` and
    // xtask, whose memory a child has at first, are smaller than gopiper: the maximum is gopiper's.
    Row {
        name: "memory",
        what: "the most memory, stdin to stdout",
        target: Target::AtMost(32.0),
        figure: Figure::Megabytes,
        how: How::Shell,
        input: LOG,
        between: Some(&[]),
        reference: r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#,
        ours: r#"cat "$INPUT" | "$GOPIPER" run "$PIPELINE" | cat"#,
    },
    Row {
        name: "start",
        what: "start to exit with two components and no input, against dlopen of both in C",
        target: Target::AtMost(3.0),
        figure: Figure::Wall,
        how: How::Start,
        input: Input::Nothing,
        between: Some(&[]),
        reference: "$DLOPEN $STDIN $STDOUT",
        ours: "$GOPIPER run $PIPELINE",
    },
    Row {
        name: "latency",
        what: "a line each millisecond, from written to read back, against two cats",
        target: Target::AtMost(3.0),
        figure: Figure::Wall,
        how: How::Echo,
        input: LOG,
        between: Some(&[]),
        reference: "cat | cat",
        ours: r#""$GOPIPER" run "$PIPELINE""#,
    },
    // The kept messages cost the same without it.
    Row {
        name: "function",
        what: "a Lua function that keeps the lines with a word",
        target: Target::AtMost(40.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&[
            r#"function(message) if not message:find('" 503 ') then return gopiper.DROP end end"#,
        ]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "luajit",
        what: "the same function, against luajit with io.lines (a string for each line)",
        target: Target::AtMost(0.3),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&[
            r#"function(message) if not message:find('" 503 ') then return gopiper.DROP end end"#,
        ]),
        reference: r#"luajit -e "for line in io.lines() do
            if line:find('\" 503 ', 1, true) then io.write(line, '\n') end end" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    // Both write to /dev/null; jq has no threads.
    Row {
        name: "lua_json",
        what: "lines of JSON with status >= 500, a field added, by a Lua function of 2 workers, against jq",
        target: Target::AtMost(0.07),
        figure: Figure::Wall,
        how: How::Shell,
        input: JSON,
        between: Some(&["gopiper.transform(function(message)
    local status = message:json('status')
    if not status or status < 500 then return gopiper.DROP end
    message:add_json('checked', true)
  end, { pool_size = 2 })"]),
        reference: r#"head -n $((LINES / 20)) "$INPUT" | jq -c 'select(.status >= 500) | .checked = true'"#,
        ours: r#"head -n $((LINES / 20)) "$INPUT" | "$GOPIPER" run "$PIPELINE""#,
    },
    // Neither waits for the disk, but for the checkpoints.
    Row {
        name: "files",
        what: "file to file, with deliveries and checkpoints, against stdin to stdout with < and >",
        target: Target::AtMost(1.3),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            "$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT" > "$SCRATCH/out""#,
        ours: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            SYNC=never "$GOPIPER" run "$FILES""#,
    },
    Row {
        name: "synced_files",
        what: "file to file, synced before it is reported, against dd with a sync for each MB",
        target: Target::AtLeast(0.8),
        figure: Figure::Speed,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            dd if="$INPUT" of="$SCRATCH/out" bs=1M oflag=dsync status=none"#,
        ours: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            SYNC=batch "$GOPIPER" run "$FILES""#,
    },
    Row {
        name: "buffer",
        what: "through a buffer on disk, against dd with a sync for each MB",
        target: Target::AtLeast(0.6),
        figure: Figure::Speed,
        how: How::Shell,
        input: LOG,
        between: Some(&["gopiper.buffer()"]),
        reference: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            dd if="$INPUT" of="$SCRATCH/out" bs=1M oflag=dsync status=none"#,
        ours: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" && "$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    // Another thread drops them, with the batch; its time counts, too.
    Row {
        name: "attributes",
        what: "three attributes of 12 bytes, set by a .so",
        target: Target::AtMost(140.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&[SET_ATTRIBUTES]),
        reference: r#"COUNT=0 "$GOPIPER" run "$PIPELINE" < "$INPUT""#,
        ours: r#"COUNT=3 "$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "attribute",
        what: "one attribute of 12 bytes, set by a .so",
        target: Target::AtMost(60.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&[SET_ATTRIBUTES]),
        reference: r#"COUNT=0 "$GOPIPER" run "$PIPELINE" < "$INPUT""#,
        ours: r#"COUNT=1 "$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "lua_attributes",
        what: "three attributes set by a Lua function, against luajit making a table of them",
        target: Target::AtMost(1.0),
        figure: Figure::Wall,
        how: How::Shell,
        input: LOG,
        between: Some(&["function(message)
    local attributes = message.attributes
    attributes.one, attributes.two, attributes.three = 'twelve bytes', 'twelve bytes', 'twelve bytes'
  end"]),
        reference: r#"luajit -e "for line in io.lines() do
            last = { one = 'twelve bytes', two = 'twelve bytes', three = line } end" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "allocates",
        what: "three attributes and an end for each message, in a Lua function",
        target: Target::AtMost(700.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&["function(message)
    local attributes = message.attributes
    attributes.one, attributes.two, attributes.three = 'twelve bytes', 'twelve bytes', 'twelve bytes'
    message:append(' and an end')
  end"]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "route",
        what: "a route by an attribute, to four branches; the attribute set by a .so",
        target: Target::AtMost(200.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&["gopiper.loadComponent('attributes_component.so', { count = 1 })",
            "gopiper.route(function(message) return message.attributes.field_0 end, {
    one = {}, two = {}, ['twelve bytes'] = {}, default = {},
  })"]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "decode",
        what: "a whole JSON object as a table, in a Lua function",
        target: Target::AtMost(1150.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: JSON,
        between: Some(&["function(message) message:decode() end"]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    Row {
        name: "emitted",
        what: "three messages made of each, in a Lua function",
        target: Target::AtMost(700.0),
        figure: Figure::NanosecondsAStage,
        how: How::Shell,
        input: LOG,
        between: Some(&["function(message)
    message:emit('the first')
    message:emit('the second')
    message:emit('the third')
  end"]),
        reference: r#""$GOPIPER" run "$NOTHING_BETWEEN" < "$INPUT""#,
        ours: r#""$GOPIPER" run "$PIPELINE" < "$INPUT""#,
    },
    // As many as the default limit of dead letters has room for.
    Row {
        name: "dead_letters",
        what: "every message to the dead letters, against dd with a sync for each MB",
        target: Target::AtLeast(0.2),
        figure: Figure::Speed,
        how: How::Shell,
        input: LOG,
        between: None,
        reference: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            head -n $((LINES / 20)) "$INPUT" | dd of="$SCRATCH/out" bs=1M iflag=fullblock oflag=dsync status=none"#,
        ours: r#"rm -rf "$SCRATCH" && mkdir "$SCRATCH" &&
            head -n $((LINES / 20)) "$INPUT" | "$GOPIPER" run "$ALL_FAIL""#,
    },
];
