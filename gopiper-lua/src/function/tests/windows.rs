use std::{
    ops::Range,
    sync::mpsc::{Receiver, Sender, TryRecvError, channel},
    thread,
    time::Instant,
};

use gopiper_abi::Outcome;
use gopiper_core::{ManualClock, MetricValue, Running, StopReason};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const GOPIPER: &str = "local gopiper = require('gopiper')";

/// The events so far, in order.
type Events = Arc<Mutex<Vec<String>>>;

/// Sends the messages that the test gives it, and reports their outcomes.
struct Fed {
    given: Vec<String>,
    messages: Receiver<&'static str>,
    events: Events,
    postponed: Postponed,
}

impl gopiper_abi::Source for Fed {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        match self.messages.try_recv() {
            Ok(text) => {
                let mut batch = self.postponed.batch();
                batch.push(Message::new(text)).unwrap();
                self.given.push(text.into());
                self.postponed.send_tracked(batch, self.given.len() as u64 - 1)?;
            }
            Err(TryRecvError::Empty) => thread::sleep(Duration::from_millis(1)),
            Err(TryRecvError::Disconnected) => return Ok(Produced::FINISHED),
        }
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, _indices: Range<u32>, outcome: Outcome) {
        let said = format!("{} {outcome:?}", self.given[token as usize]);
        self.events.lock().unwrap().push(said.to_lowercase());
    }
}

/// Fails messages that begin with 'bad'.
struct Tells(Events);

impl Component for Tells {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let text = String::from_utf8_lossy(message.data()).into_owned();
        let is_bad = text.starts_with("bad");
        self.0.lock().unwrap().push(format!("-> {text}"));
        match is_bad {
            true => handled.fail(message, "bad"),
            false => handled.done(message),
        }
    }
}

/// A pipeline that the test feeds, whose clock the test moves.
struct Live {
    messages: Sender<&'static str>,
    events: Events,
    clock: ManualClock,
    running: Running,
    sent: u64,
}

impl Live {
    /// With a transform that is flushed every second.
    fn new(limit: Duration, before: &str, options: &str) -> Self {
        let text = format!(
            "{GOPIPER}\n{before}\ngopiper.createPipeline({{ gopiper.transform({options}) }})"
        );
        let source = Arc::new(Script::new(text, "pipeline.lua".as_ref()));
        let (sender, receiver) = channel();
        let (events, receiver) = (Events::default(), Mutex::new(Some(receiver)));
        let of_source = events.clone();
        let fed = own::source("fed", move |postponed| {
            let messages = receiver.lock().unwrap().take().unwrap();
            Ok(Fed { given: Vec::new(), messages, events: of_source.clone(), postponed })
        });
        let of_sink = events.clone();
        let tells = own::sink("tells", move |_| Ok(Tells(of_sink.clone())));
        let window = of_first(source, limit, Some(SECOND));
        let components = [fed, window, tells]
            .map(|factory| ComponentSpec { factory, options: ComponentOptions::default() });
        let clock = ManualClock::new();
        let options = PipelineOptions { clock: clock.clock(), ..PipelineOptions::default() };
        let pipeline = Pipeline::new(components.into(), options).unwrap();
        let pipeline = pipeline.dead_letters_to(sink("dead", &Messages::default())).unwrap();
        let running = pipeline.start().unwrap_or_else(|error| panic!("{error}"));
        Live { messages: sender, events, clock, running, sent: 0 }
    }

    /// Sends messages, and waits until the function has kept them.
    fn send(&mut self, messages: &[&'static str]) {
        for text in messages {
            self.messages.send(text).unwrap();
            self.sent += 1;
            let control = self.running.control();
            self.until("it is kept", || control.counts()[1].1.kept == self.sent);
        }
    }

    fn until(&self, what: &str, done: impl Fn() -> bool) {
        let begun = Instant::now();
        while !done() {
            assert!(begun.elapsed() < 20 * SECOND, "{what}: {:?}", self.events());
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn events(&self) -> Vec<String> {
        self.events.lock().unwrap().clone()
    }

    /// Moves the clock on by the time of a flush, and waits for so many events in all.
    fn flush(&self, events: usize) {
        self.clock.advance(SECOND);
        self.until("it flushes", || self.events().len() >= events);
    }

    fn end(self) -> (Vec<String>, Summary) {
        drop(self.messages);
        let summary = self.running.wait();
        let events = self.events.lock().unwrap().clone();
        (events, summary)
    }
}

/// Keeps all under their first letter, and counts.
const COUNTS: &str = "function(message)
        local key = message:sub(1, 1)
        counts[key] = (counts[key] or 0) + 1
        return gopiper.CONTINUE, key
    end, { every = 1, flush = function(window, ended)
        local keys = {}
        for key in pairs(counts) do keys[#keys + 1] = key end
        table.sort(keys)
        for _, key in ipairs(keys) do
            local text = key .. '=' .. counts[key] .. (ended and ' at the end' or '')
            window:emit((key == 'b' and 'bad ' or '') .. text, { key = key })
        end
        counts = {}
    end }";

#[test]
fn a_window_of_time_settles_each_key_by_its_result() {
    let mut live = Live::new(LIMIT, "counts = {}", COUNTS);
    live.send(&["a1", "b1", "a2"]);
    thread::sleep(Duration::from_millis(20));
    assert!(live.events().is_empty(), "{:?}", live.events());
    live.flush(5);
    let events = live.events();
    assert_eq!(events[0], "-> a=2");
    assert!(events.contains(&"-> bad b=1".into()));
    let place = |event: &str| events.iter().position(|one| one == event).expect(event);
    assert!(place("a1 delivered") > place("-> a=2") && place("a2 delivered") > place("-> a=2"));
    assert!(events.contains(&"b1 dead_lettered".into()), "{events:?}");

    live.send(&["a3"]);
    live.flush(7);
    live.send(&["c1"]);
    let (events, summary) = live.end();
    assert_eq!(events[events.len() - 2..], ["-> c=1 at the end", "c1 delivered"]);
    assert!(events.contains(&"-> a=1".into()));
    let counts = summary.components[1].1;
    assert_eq!((counts.kept, counts.sent, counts.unsent), (5, 4, 0));
    assert_eq!((summary.outcomes.delivered, summary.unsettled), (4, 0));
    assert!(summary.stopped.is_none());
}

#[test]
fn a_window_by_count_sends_in_the_function() {
    let function = "function(message, window)
        n, sum = n + 1, sum + tonumber(message.data)
        if n == 3 then
            window:emit(tostring(sum), { time = 5, attributes = { n = n, of = { 'a' } } })
            n, sum = 0, 0
        end
        return gopiper.CONTINUE
    end, flush = function(window, ended) if n > 0 then window:emit('rest ' .. sum) end end";
    let messages = (1..=10).map(|n: i32| Message::new(n.to_string())).collect();
    let ran = run_every(
        Some(SECOND),
        &format!("{GOPIPER}\nn, sum = 0, 0"),
        &table_of(function),
        messages,
    );
    assert_eq!(ran.descriptions(), [""; 0]);
    assert_eq!(ran.text(), ["6", "15", "24", "rest 10"]);
    assert_eq!(ran.out[0].time(), 5);
    assert_eq!(ran.out[0].attribute("n"), Some(&3i64.into()));
    assert_eq!(ran.out[0].attribute("of"), Some(&vec![Value::from("a")].into()));
    assert_eq!((ran.summary.outcomes.delivered, ran.summary.unsettled), (10, 0));
    assert_eq!(ran.summary.components[1].1.kept, 10);
}

/// `function, flush = function`, as the argument of createPipeline.
fn table_of(function: &str) -> String {
    let function = function.replacen("end, flush", "end, { every = 1, flush", 1);
    format!("gopiper.transform({function} }})")
}

#[test]
fn kept_messages_without_a_result_are_dropped_on_request_and_otherwise_returned() {
    let function = "function(message) return gopiper.CONTINUE, message.data end,
        flush = function(window, ended) window:drop('told') end";
    let function = function.replace("end,\n        flush", "end, flush");
    let messages = ["told", "untold", "told", "untold", "untold"].map(Message::new);
    let ran = run_every(Some(SECOND), GOPIPER, &table_of(&function), messages.into());
    assert_eq!((ran.out.len(), ran.failed.len()), (0, 0));
    assert_eq!((ran.summary.outcomes.dropped, ran.summary.outcomes.returned), (2, 3));
    assert_eq!(ran.summary.components[1].1.unsent, 0);
    assert!(!ran.summary.is_success());
}

/// Messages kept before: one that fails or is retried has sent nothing, all others have.
#[test]
fn messages_emitted_from_kept_ones_are_sent_unless_the_message_fails() {
    let function = "function(message, window)
        local what = message.data
        if what == 'keep' then return gopiper.CONTINUE end
        window:emit(what)
        if what == 'drop' then return gopiper.DROP end
        if what == 'fail' then return gopiper.FAIL end
        if what == 'boom' then error('boom') end
        if what == 'emit' then message:emit('of itself') end
    end, flush = function() end";
    let messages =
        ["keep", "fail", "boom", "drop", "keep", "fail", "done", "keep", "boom", "emit", "drop"];
    let messages = messages.map(Message::new);
    let ran = run_every(Some(SECOND), GOPIPER, &table_of(function), messages.into());
    // Messages sent while a message is handled take its place; its own stay before them, or after
    // those that it emits.
    assert_eq!(ran.text(), ["drop", "done", "done", "of itself", "emit", "drop"]);
    assert_eq!(ran.failed.len(), 4);
    assert_eq!((ran.summary.outcomes.failed, ran.summary.unsettled), (0, 0));
    assert_eq!(ran.summary.components[1].1.unsent, 0);
}

#[test]
fn a_flush_that_fails_has_sent_nothing_and_is_tried_again() {
    let mut live = Live::new(
        SECOND / 2,
        "calls = 0",
        "function(message) return gopiper.CONTINUE end, { every = 1, flush = function(window, ended)
            calls = calls + 1
            if not ended then window:emit('flush ' .. calls) end
            if calls == 1 then error('not yet') end
            if calls == 2 then while true do end end
        end }",
    );
    live.send(&["a"]);
    live.clock.advance(SECOND);
    let control = live.running.control();
    let failed = |count: u64| {
        let name = "failed_flushes_total";
        let metric = || control.metrics().into_iter().find(|metric| metric.name == name);
        let is_there =
            || metric().is_some_and(|metric| metric.value == MetricValue::Counter(count));
        live.until("it fails", is_there);
    };
    failed(1);
    assert!(live.events().is_empty());
    live.clock.advance(SECOND);
    // Stopped at its limit.
    failed(2);
    live.flush(2);
    let (events, summary) = live.end();
    assert_eq!(events, ["-> flush 3", "a delivered"]);
    assert!(summary.is_success());
}

#[test]
fn the_last_flush_that_fails_ends_the_pipeline_and_its_messages_go_back() {
    let mut live = Live::new(
        LIMIT,
        "",
        "function(message) return gopiper.CONTINUE end, { every = 1, flush = function(window, ended)
            window:emit('never seen')
            error('broken')
        end }",
    );
    live.send(&["a", "b"]);
    let (events, summary) = live.end();
    assert_eq!(events, ["a returned", "b returned"]);
    assert_eq!((summary.components[1].1.unsent, summary.outcomes.returned), (0, 2));
    let Some(StopReason::Failed { error, .. }) = summary.stopped else { panic!("it has failed") };
    assert!(error.contains("pipeline.lua:5: broken"), "{error}");
}

#[test]
fn mistakes_are_reported() {
    let of = |every, function: &str| {
        let ran = run_every(every, GOPIPER, function, vec![Message::new("one")]);
        assert_eq!(ran.out.len(), 0);
        ran.descriptions()[0].to_owned()
    };
    let plain = "function() return gopiper.CONTINUE end";
    assert_eq!(
        of(None, plain),
        "the function at pipeline.lua:2 returned gopiper.CONTINUE: only a function with the \
         options every and flush (gopiper.transform) can keep a message"
    );
    for (body, said) in [
        (
            "return gopiper.CONTINUE, {}",
            "the function at pipeline.lua:2 returned gopiper.CONTINUE with a key that is a table, and not \
             a string",
        ),
        (
            "m:emit('a') return gopiper.CONTINUE",
            "the function at pipeline.lua:2 returned gopiper.CONTINUE: for a kept message, emit \
             others with window:emit, not with message:emit",
        ),
        ("w:emit()", "pipeline.lua:2: window:emit wants a string, not nil"),
        (
            "w.emit('a')",
            "pipeline.lua:2: a method of a window is called with a colon: window:emit(…)",
        ),
        ("w.drop()", "pipeline.lua:2: a method of a window is called with a colon: window:drop(…)"),
        ("w:emit('a', { ky = 'a' })", "pipeline.lua:2: window:emit has no option 'ky'"),
        ("w:emit('a', { key = {} })", "pipeline.lua:2: the key wants a string, not a table"),
        ("w:emit('a', 7)", "pipeline.lua:2: window:emit's options cannot be a number"),
        (
            "w:emit('a', { time = 0/0 })",
            "pipeline.lua:2: the time is a whole number of nanoseconds",
        ),
        (
            "w:emit('a', { time = 'x' })",
            "pipeline.lua:2: the time is a whole number of nanoseconds",
        ),
        ("w:emit('a', { attributes = 1 })", "pipeline.lua:2: the attributes cannot be a number"),
        ("w:emit('a', { attributes = { 1 } })", "pipeline.lua:2: attributes: each needs a name"),
        (
            "w:emit('a', { attributes = { a = { print } } })",
            "pipeline.lua:2: attributes.a[1] cannot be a function",
        ),
        ("w:emitt('a')", "pipeline.lua:2: a window has no 'emitt'; did you mean 'emit'?"),
        ("w:drop({})", "pipeline.lua:2: window:drop wants a string, not a table"),
    ] {
        let function = table_of(&format!("function(m, w) {body} end, flush = function() end"));
        let found = of(Some(SECOND), &function);
        assert!(found.starts_with(said), "{body}: {found}");
    }
}

/// Enough for LuaJIT to compile it all, and to collect garbage many times.
#[test]
fn much_is_kept_as_little_is() {
    for jit in ["", "jit.off()"] {
        let function = "function(message, window)
            local n = tonumber(message.data)
            local key = 'k' .. n % 7
            local group = groups[key] or { n = 0, sum = 0 }
            groups[key] = group
            group.n, group.sum = group.n + 1, group.sum + n
            if n % 1000 == 0 then collectgarbage() end
            if group.n == 100 then
                window:emit(tostring(group.sum), { key = key, attributes = { group = group } })
                groups[key] = nil
            end
            return gopiper.CONTINUE, key
        end, flush = function(window, ended)
            for key, group in pairs(groups) do
                window:emit(tostring(group.sum), { key = key, attributes = { group = group } })
            end
            groups = {}
        end";
        let count = 100_000u64;
        let messages = (1..=count).map(|n| Message::new(n.to_string())).collect();
        let before = format!("{jit}\n{GOPIPER}\ngroups = {{}}");
        let ran = run_every(Some(SECOND), &before, &table_of(function), messages);
        assert_eq!(ran.descriptions(), [""; 0]);
        let (mut n, mut sum) = (0, 0);
        for message in &ran.out {
            let group = message.attribute("group").and_then(Value::as_map).unwrap();
            n += group.get("n").and_then(Value::as_u64).unwrap();
            sum += String::from_utf8_lossy(message.data()).parse::<u64>().unwrap();
        }
        assert_eq!((n, sum), (count, count * (count + 1) / 2));
        assert!(ran.out.len() >= 1000);
        assert_eq!((ran.summary.outcomes.delivered, ran.summary.unsettled), (count, 0));
    }
}
