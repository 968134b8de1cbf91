use super::*;

#[test]
fn mistakes_are_reported() {
    let of = |function: &str| {
        let ran = run(function, &["one"]);
        assert_eq!(ran.out.len(), 0);
        ran.descriptions()[0].to_owned()
    };
    for (function, said) in [
        ("function(m) m:find(7) end", "pipeline.lua:2: find wants a string, not a number"),
        ("function(m) m.data = nil end", "pipeline.lua:2: data wants a string, not nil"),
        (
            "function(m) m.dat = '' end",
            "pipeline.lua:2: a message's 'dat' cannot be set; did you mean 'data'?",
        ),
        (
            "function(m) return m.dat end",
            "pipeline.lua:2: a message has no 'dat'; did you mean 'data'?",
        ),
        (
            "function(m) m:appendd('x') end",
            "pipeline.lua:2: a message has no 'appendd'; did you mean 'append'?",
        ),
        ("function(m) return m[{}] end", "pipeline.lua:2: a message has no 'table: "),
        ("function(m) m.data = m end", "pipeline.lua:2: data wants a string, not a message"),
        (
            "function(m) m.attributes.a = print end",
            "pipeline.lua:2: attribute 'a' cannot be a function",
        ),
        (
            "function(m) m.append('x') end",
            "pipeline.lua:2: a method of a message is called with a colon: message:find(…)",
        ),
        ("function(m) m.time = 2 ^ 63 end", "to 2^53 or an int64 (1LL), not 9.223372036854776e+18"),
        (
            "function(m) m.time = 18446744073709551615ULL end",
            "an int64 (1LL), not 18446744073709551615ULL",
        ),
        ("function(m) m.time = 'x' end", "a whole number of nanoseconds since 1970, up to"),
        ("function(m) m.time = 0.5 end", "or an int64 (1LL), not 0.5"),
        ("function(m) return 200, 1.5 end", "returned the code 1.5: the code of a report is a"),
        (
            "function(m) return 200, 7LL, 'x' end",
            "returned the code 7LL: the code of a report is a whole number from 0 to 99 (tonumber \
             converts it)",
        ),
        (
            "function(m) m:sub(1LL) end",
            "pipeline.lua:2: sub wants a number, not 1LL (tonumber converts it)",
        ),
        ("function(m) m:find('x', 1ULL) end", "find wants a number, not 1ULL (tonumber converts"),
        ("function(m) m.attempts = 1 end", "pipeline.lua:2: a message's 'attempts' cannot be set"),
        (
            "function(m) m.attributes = {} end",
            "a message's 'attributes' cannot be set: message.attributes.NAME can",
        ),
        ("function(m) m.find = 1 end", "a message's 'find' cannot be set"),
        ("function(m) return 200, {}, 'x' end", "returned the code a table: the code of a"),
        ("function(m) os.exit(0) end", "pipeline.lua:2: os.exit is not allowed in pipelines"),
        ("function(m) error('told', 2) end", "the function at pipeline.lua:2: told"),
        (
            "function(m) require('string.buffer').encode({ print }) end",
            "pipeline.lua:2: cannot serialize 'function'",
        ),
        (
            "function(m) require('string.buffer').new():put('x'):decode() end",
            "pipeline.lua:2: unexpected end of buffer",
        ),
        (
            "function(m) return 0, ('xx'):rep(0x7fffffff) end",
            "the function at pipeline.lua:2: not enough memory",
        ),
        ("function(m) require('ffi') end", "module 'ffi' not found"),
    ] {
        assert!(of(function).contains(said), "{function}: {}", of(function));
    }
    for (done, said) in [
        ("return gopiper.DORP", "gopiper has no 'DORP'; did you mean 'DROP'?"),
        (
            "gopiper.env('NO_SUCH')",
            "env: the environment has no variable 'NO_SUCH', and there is no default",
        ),
        (
            "m.attributes.a = gopiper.loadComponent('grep_component.so')",
            "gopiper.loadComponent can be called only while the file runs, not in a function that \
             receives messages",
        ),
        ("m.attributes.a = token .. {}", "attempt to concatenate a secret and a table"),
        ("m.attributes.a = part", "attribute 'a' cannot be a component"),
    ] {
        let before = "local gopiper = require('gopiper') local part = gopiper.buffer() \
                      local token = gopiper.secret{ env = 'NOT_LOOKED_AT' }";
        let function = format!("function(m)\n{done} end");
        let ran = run_after(before, &function, vec![Message::new("")]);
        assert_eq!(ran.descriptions(), [format!("pipeline.lua:3: {said}")]);
    }
}

#[test]
fn errors_that_are_not_text_are_reported_all_the_same() {
    let before = "bad = setmetatable({}, { __tostring = function() error('no words') end })
        odd = setmetatable({}, { __tostring = function() return {} end })
        stuck = setmetatable({}, { __tostring = function() while true do end end })
        good = setmetatable({}, { __tostring = function() return 'in words' end })";
    for (raised, said) in [
        ("bad", "an error that cannot be shown: a table"),
        ("odd", "an error that cannot be shown: a table"),
        ("stuck", "an error that cannot be shown: a table"),
        ("good", "in words"),
        ("{ code = 7, text = 'told' }", "{ code = 7, text = told }"),
        ("{}", "{}"),
        (
            "{ { { 1 } }, print, { { { { { 2 } } } } } }",
            "{ 1 = { 1 = { 1 = 1 } }, 2 = a function, 3 = { 1 = { 1 = { 1 = { ... } } } } }",
        ),
        ("{ inner = bad }", "an error that cannot be shown: a table"),
        ("nil", "nil"),
        ("5", "5"),
        ("print", "a function"),
        ("coroutine.create(print)", "a thread"),
    ] {
        let function = format!(
            "function(message) if message.data == 'go on' then return end error({raised}) end"
        );
        let messages = ["one", "go on", "two", "go on"].map(Message::new);
        // A function that is not stuck must not look so on a machine under load.
        let limit = if raised == "stuck" { 6 * SHORT } else { LIMIT };
        let ran = run_with(limit, None, before, &function, messages.into());
        assert_eq!(ran.text(), ["go on"; 2], "{raised}: {:?}", ran.descriptions());
        let found = ran.descriptions();
        assert!(found.len() == 2 && found[0].contains(said), "{raised}: {found:?}");
    }
    let ran = run_after(
        &format!("{before}\nlocal gopiper = require('gopiper')"),
        "function(message) return gopiper.FAIL, 1, bad end",
        vec![Message::new("")],
    );
    assert_eq!(ran.descriptions(), ["an error that cannot be shown: a table"]);
}

#[test]
fn coroutines_may_be_used_and_not_left_by() {
    let function = "function(message)
        if message.data == 'leave' then coroutine.yield() end
        local words = coroutine.wrap(function()
            for word in message.data:gmatch('%a+') do coroutine.yield(word) end
        end)
        local all = {}
        for word in words do
            message.attributes.last = word
            all[#all + 1] = word
        end
        message.data = table.concat(all, '-')
    end";
    for jit in ["", "jit.off()"] {
        let count = 50_000;
        let mut messages: Vec<_> = (0..count).map(|_| Message::new("a bc def")).collect();
        messages.push(Message::new("leave"));
        let ran = run_after(jit, function, messages);
        assert_eq!(ran.out.len(), count, "{:?}", ran.descriptions());
        assert!(ran.out.iter().all(|message| message.data() == b"a-bc-def"
            && message.attribute("last") == Some(&"def".into())));
        assert!(ran.descriptions()[0].contains("yield"), "{:?}", ran.descriptions());
    }
}

/// The memory of a Lua state does not grow with the number of messages.
#[test]
fn garbage_is_collected() {
    let function = "function(message, window)
        n = n + 1
        message.attributes.text = ('x'):rep(n % 100) .. n
        message.attributes.list = { n, { text = message.attributes.text } }
        message:append(message:json('a') .. n)
        message.value = message:decode('b')
        message:emit(message.data)
        if n == 100000 or n == 500000 then
            collectgarbage()
            message.attributes.held = collectgarbage('count')
        else
            return gopiper.DROP
        end
        message:emit('last')
    end";
    let text = r#"{"a":"b","b":[1,2,{"c":"d"}]}"#;
    let messages = (0..500_000).map(|_| Message::new(text)).collect();
    let ran = run_after("local gopiper = require('gopiper') n = 0", function, messages);
    assert_eq!(ran.descriptions(), [""; 0]);
    let held: Vec<_> = ran
        .out
        .iter()
        .filter_map(|message| message.attribute("held"))
        .filter_map(|held| held.as_f64().or(held.as_i64().map(|n| n as f64)))
        .collect();
    assert_eq!(ran.out.len(), 4);
    assert!(held.len() == 2 && (held[1] - held[0]).abs() < 512.0, "{held:?} KB");
}
