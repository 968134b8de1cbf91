mod fuzz;
mod robustness;
mod structured;
mod windows;

use std::sync::{Arc, Mutex};

use gopiper_abi::{
    Component, Error, HandledCallback, Map, Message, Payload, Postponed, Produced, Value, own,
};
use gopiper_core::{ComponentOptions, ComponentSpec, Pipeline, PipelineOptions, Summary};

use super::*;
use crate::state::LIMIT;

type Messages = Arc<Mutex<Vec<Message>>>;

/// Produces the given messages.
struct Gives(Messages, Postponed);

impl gopiper_abi::Source for Gives {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut left = self.0.lock().unwrap();
        let mut batch = self.1.batch();
        let count = left.len().min(batch.room());
        for message in left.drain(..count) {
            batch.push(message).unwrap();
        }
        self.1.send_batch(batch)?;
        Ok(if left.is_empty() { Produced::FINISHED } else { Produced::MORE })
    }
}

struct Takes(Messages);

impl Component for Takes {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        self.0.lock().unwrap().push(message.duplicate());
        handled.done(message);
    }
}

fn sink(name: &'static str, into: &Messages) -> ComponentSpec {
    let into = into.clone();
    let factory = own::sink(name, move |_| Ok(Takes(into.clone())));
    ComponentSpec { factory, options: ComponentOptions::default() }
}

struct Ran {
    out: Vec<Message>,
    failed: Vec<Message>,
    summary: Summary,
}

impl Ran {
    fn text(&self) -> Vec<String> {
        self.out.iter().map(|one| String::from_utf8_lossy(one.data()).into_owned()).collect()
    }

    fn descriptions(&self) -> Vec<&str> {
        let description = |one: &'_ Message| one.attribute("gopiper.description").cloned();
        let said = self.failed.iter().map(description);
        assert!(said.clone().all(|said| said.is_some()));
        let of = |one| Message::attribute(one, "gopiper.description").and_then(Value::as_str);
        self.failed.iter().filter_map(of).collect()
    }
}

/// Runs messages through a function, in a file that has `before` it.
fn run_after(before: &str, function: &str, messages: Vec<Message>) -> Ran {
    run_every(None, before, function, messages)
}

/// The same with a function whose window is flushed at an interval.
fn run_every(every: Option<Duration>, before: &str, function: &str, messages: Vec<Message>) -> Ran {
    run_with(LIMIT, every, before, function, messages)
}

/// A limit for endless loops only: a machine under load may be slow at anything.
const SHORT: Duration = Duration::from_millis(50);

fn run_with(
    limit: Duration,
    every: Option<Duration>,
    before: &str,
    function: &str,
    messages: Vec<Message>,
) -> Ran {
    let text = format!("{before}\nrequire('gopiper').createPipeline({{ {function} }})");
    let source = Script::new(text, "pipeline.lua".as_ref());
    let (given, out, failed) = (Messages::default(), Messages::default(), Messages::default());
    *given.lock().unwrap() = messages;
    let gives = own::source("gives", move |postponed| Ok(Gives(given.clone(), postponed)));
    let function = of_first(Arc::new(source), limit, every);
    let options = ComponentOptions::default;
    let components = vec![
        ComponentSpec { factory: gives, options: options() },
        ComponentSpec { factory: function, options: options() },
        sink("takes", &out),
    ];
    let pipeline = Pipeline::new(components, PipelineOptions::default()).unwrap();
    let pipeline = pipeline.dead_letters_to(sink("dead", &failed)).unwrap();
    let summary = pipeline.start().unwrap_or_else(|error| panic!("{error}")).wait();
    let take = |messages: &Messages| std::mem::take(&mut *messages.lock().unwrap());
    Ran { out: take(&out), failed: take(&failed), summary }
}

/// The first function of a file.
fn of_first(source: Arc<Script>, limit: Duration, every: Option<Duration>) -> FactoryHandle {
    let at = count(&source).unwrap()[0].clone();
    transform("lua", source, Wanted { number: 1, at }, limit, every)
}

fn run(function: &str, messages: &[&str]) -> Ran {
    run_after("", function, messages.iter().map(|text| Message::new(text.to_string())).collect())
}

#[test]
fn the_return_value_of_a_function_is_the_outcome_of_the_message() {
    let ran = run_after(
        "local gopiper = require('gopiper')",
        "function(message)
            if message.data == 'done' then return gopiper.DONE end
            if message.data == 'drop' then return gopiper.DROP end
            if message.data == 'fail' then return gopiper.FAIL, 7, 'told' end
            if message.data == 'words' then return gopiper.FAIL, 'words alone' end
            if message.data == 'nonsense' then return 'DROP' end
            if message.data == 'number' then return 17 end
            if message.data == 'code' then return gopiper.FAIL, 100 end
            if message.data == 'false' then return false end
            if message.data == 'true' then return true end
            if message.data == 'no code' then return gopiper.FAIL, false end
            if message.data == 'silent' then return gopiper.FAIL end
        end",
        [
            "nothing", "done", "drop", "fail", "words", "nonsense", "number", "code", "false",
            "true", "no code", "silent", "last",
        ]
        .map(Message::new)
        .into(),
    );
    assert_eq!(ran.text(), ["nothing", "done", "last"]);
    assert_eq!(ran.summary.outcomes.dropped, 1);
    let (function, returns) = (
        "the function at pipeline.lua:2 returned",
        "; it must return nothing, gopiper.DONE, CONTINUE, DROP, RETRY or FAIL",
    );
    assert_eq!(
        ran.descriptions(),
        [
            "told",
            "words alone",
            &format!("{function} a string{returns}"),
            &format!("{function} 17{returns}"),
            &format!(
                "{function} the code 100: the code of a report is a whole number from 0 to 99"
            ),
            &format!("{function} a boolean{returns}"),
            &format!("{function} a boolean{returns}"),
            &format!(
                "{function} the code a boolean: the code of a report is a whole number from 0 to 99"
            ),
            &format!("{function} gopiper.FAIL without a description")
        ]
    );
    assert_eq!(ran.failed[0].attribute("gopiper.status"), Some(&207i64.into()));
}

#[test]
fn bytes_are_found_and_changed() {
    let function = "function(message)
        local from, to = message:find('needle')
        if from then
            message.attributes.place = from .. '-' .. to .. ' of ' .. #message
            message.attributes.again = message:find('needle', from + 1)
            message.attributes.part = message:sub(from, -2)
            message:crop(from, to)
            message:append('!')
            message:append(7)
        else
            message.data = message.data:upper()
        end
    end";
    let ran = run(function, &["hay needle hay needle", "needle", "", "needl\0e \u{ff}"]);
    assert_eq!(ran.text(), ["needle!7", "needle!7", "", "NEEDL\0E \u{ff}"]);
    let attribute = |key| ran.out[0].attribute(key).cloned();
    assert_eq!(attribute("place"), Some("5-10 of 21".into()));
    assert_eq!(attribute("again"), Some(16i64.into()));
    assert_eq!(attribute("part"), Some("needle hay needl".into()));
    assert_eq!(ran.out[1].attribute("again"), None);
}

#[test]
fn several_messages_take_the_place_of_one() {
    let before = "local gopiper = require('gopiper')";
    let function = "function(message)
        if message.data == 'as it is' then return end
        message.attributes.whole = message.data
        for word in message.data:gmatch('%a+') do message:emit(word) end
        if message.data == 'not these' then return gopiper.FAIL, 'told' end
        if message.data == 'nor these' then return gopiper.DROP end
        if message.data == 'boom' then error('boom') end
    end";
    let messages =
        ["one", "two three", "as it is", "not these", "boom", "nor these", "four five six", "..."];
    let ran = run_after(before, function, messages.map(Message::new).into());
    assert_eq!(ran.text(), ["one", "two", "three", "as it is", "four", "five", "six", "..."]);
    assert_eq!(ran.out[2].attribute("whole"), Some(&"two three".into()));
    assert_eq!(ran.descriptions().len(), 2);
    assert_eq!((ran.failed[0].data(), ran.failed[0].attribute("whole")), (&b"not these"[..], None));
    assert_eq!(ran.summary.outcomes.dropped, 1);
    assert_eq!((ran.summary.unsettled, ran.summary.outcomes.failed), (0, 0));
}

/// Enough for LuaJIT to compile it all, and to collect garbage many times.
#[test]
fn much_is_done_as_little_is() {
    for jit in ["", "jit.off()"] {
        let before = format!("{jit}\nlocal n, gopiper = 0, require('gopiper')");
        let function = "function(message)
            n = n + 1
            message.attributes.kind = 'a' .. message.data
            if n % 3 == 0 then message.data = message.data .. message.attributes.kind end
            if n % 5 == 0 then return gopiper.DROP end
            if n % 7 == 0 then return gopiper.FAIL, 'b' .. n end
            if n % 11 == 0 then message:append('!') end
            if n % 13 == 0 then message:crop(2, -2) end
            if n % 500 == 0 then collectgarbage() end
        end";
        let count = 20_000;
        let given = (1..=count).map(|n| Message::new(format!("-{n}-"))).collect();
        let ran = run_after(&before, function, given);
        let mut expected = Vec::new();
        for n in (1..=count).filter(|n| n % 5 != 0 && n % 7 != 0) {
            let mut text = format!("-{n}-");
            if n % 3 == 0 {
                text = format!("{text}a{text}");
            }
            if n % 11 == 0 {
                text.push('!');
            }
            if n % 13 == 0 {
                text = text[1..text.len() - 1].to_owned();
            }
            expected.push(text);
        }
        assert_eq!(ran.text(), expected, "{jit}");
        let failed = (1..=count).filter(|n| n % 5 != 0 && n % 7 == 0);
        assert_eq!(ran.failed.len(), failed.clone().count());
        for (message, n) in ran.failed.iter().zip(failed) {
            assert_eq!(message.data(), format!("-{n}-").as_bytes());
            assert_eq!(
                message.attribute("gopiper.description"),
                Some(&format!("b{n}").as_str().into())
            );
            assert_eq!(message.attribute("kind"), None);
        }
    }
}

#[test]
fn attributes_keep_their_types() {
    let values = [
        ("yes", Value::from(true)),
        ("small", (-3i64).into()),
        ("large", i64::MAX.into()),
        ("unsigned", u64::MAX.into()),
        ("half", 0.5.into()),
        ("time", Value::time(i64::MAX - 1)),
        ("text", "text".into()),
        ("bytes", Payload::from(vec![0xff, 0]).into()),
    ];
    let mut message = Message::new("");
    values.iter().for_each(|(key, value)| message.set_attribute(key, value.clone()));
    message.set_attribute("list", vec![Value::from(1i64)]);
    message.set_attribute("gone", "soon");
    message.set_time(i64::MAX);
    let function = "function(message)
        local a = message.attributes
        for _, key in ipairs({ 'yes', 'small', 'large', 'unsigned', 'half', 'time', 'text', 'bytes' }) do
            a['copy of ' .. key] = a[key]
        end
        a.gone = nil
        a.nothing = type(a.not_there)
        a.later = message.time == 9223372036854775807LL
        message.time = message.time - 1
        a.list = { a.list[1] + 1, a.list }
    end";
    let ran = run_after("", function, vec![message]);
    let out = &ran.out[0];
    for (key, value) in values {
        let copy = out.attribute(&format!("copy of {key}")).cloned();
        let expected = match value.as_time() {
            // A time is a number in Lua.
            Some(time) => time.into(),
            None => value,
        };
        assert_eq!(copy, Some(expected), "{key}");
    }
    assert_eq!(out.attribute("gone"), None);
    assert_eq!(out.attribute("nothing"), Some(&"nil".into()));
    assert_eq!(out.attribute("later"), Some(&true.into()));
    assert_eq!(out.time(), i64::MAX - 1);
    let list = vec![2i64.into(), Value::from(vec![Value::from(1i64)])];
    assert_eq!(out.attribute("list"), Some(&list.into()));
}

#[test]
fn failed_messages_are_kept_as_received_and_the_error_names_its_line() {
    let mut message = Message::new("as it came");
    message.set_attribute("key", "before");
    message.set_time(5);
    let function = "function(message)
        message.data = 'changed'
        message.attributes.key = 'changed'
        message.time = 6
        message:append('!')
        error('told')
    end";
    let ran = run_after("", function, vec![message, Message::new("the next")]);
    assert_eq!(ran.out.len(), 0);
    assert_eq!(ran.descriptions(), ["pipeline.lua:7: told"; 2]);
    let failed = &ran.failed[0];
    assert_eq!((failed.data(), failed.time()), (&b"as it came"[..], 5));
    assert_eq!(failed.attribute("key"), Some(&"before".into()));
    assert_eq!(ran.failed[1].data(), b"the next");
}

#[test]
fn a_message_that_was_put_away_is_the_one_of_the_moment() {
    let function = "function(message)
        kept = kept or message
        kept:append(' ' .. kept.data)
    end";
    assert_eq!(run(function, &["first", "second"]).text(), ["first first", "second second"]);
}

/// Takes a second: each of them runs until its limit.
#[test]
fn endless_loops_end_at_their_limit() {
    let stopped = "the function ran for more than 0.05 s (timeout)";
    for (what, line) in [
        ("while true do end", 3),
        ("local x = 0 while true do x = x + 1 end", 3),
        ("while true do message:find('zz') end", 3),
        ("while true do pcall(function() while true do end end) end", 3),
        ("local f f = function(n) return f(n + 1) end f(1)", 3),
        ("local t = {} while true do t[#t % 10 + 1] = ('x'):rep(10) end", 3),
        ("xpcall(function() while true do end end, function() while true do end end)", 3),
        ("coroutine.wrap(function() while true do end end)()", 3),
        ("local c = coroutine.create(function() while true do end end) coroutine.resume(c)", 3),
    ] {
        let function =
            format!("function(message) if message.data == 'go on' then return end\n{what}\nend");
        let messages = ["stuck", "go on", "go on"].map(Message::new);
        let ran = run_with(SHORT, None, "", &function, messages.into());
        assert_eq!(ran.text(), ["go on"; 2], "{what}: {:?}", ran.descriptions());
        let [said] = ran.descriptions()[..] else { panic!("{what}: {:?}", ran.descriptions()) };
        // `coroutine.wrap` puts its own place before it.
        assert!(said.ends_with(&format!("pipeline.lua:{line}: {stopped}")), "{what}: {said}");
    }
}

#[test]
fn helpers_and_globals_are_there_in_each_worker() {
    let before = "local prefix = '> '
        function shout(text) return prefix .. text:upper() end
        local count = 0";
    let function = "function(message)
        count = count + 1
        message.data = shout(message.data) .. ' ' .. count
    end";
    let ran = run_after(before, function, vec![Message::new("a"), Message::new("b")]);
    assert_eq!(ran.text(), ["> A 1", "> B 2"]);
    let map: Map = ran.out[0].attributes().to_map();
    assert!(map.is_empty());
}
