use proptest::{prelude::*, strategy::ValueTree};

use super::{super::structured::like, *};

/// Any value, with those that Lua could take for others, in lists and maps.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3..3i64).prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..3u64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3..3i32).prop_map(|n| Value::from(f64::from(n))),
        Just(Value::from(-0.0)),
        any::<i64>().prop_map(Value::time),
        (0..3i64).prop_map(Value::time),
        ".{0,300}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|b| Payload::from(b).into()),
        "[a-z]{0,3}".prop_map(|text| Payload::from(text.into_bytes()).into()),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        let keys = prop_oneof!["[a-c1-3]{1,2}", ".{0,4}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..6).prop_map(|all| Map::from_iter(all).into()),
        ]
    })
}

/// As text, where a NaN is the same as itself.
fn shown(value: Option<&Value>) -> String {
    format!("{value:?}")
}

/// A thousand random values, put back where they were: all in one run, as each needs a Lua of its
/// own.
#[test]
fn values_put_back_unchanged_are_unchanged() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut value = || values().new_tree(&mut runner).unwrap().current();
    let mut messages: Vec<_> = (0..2000)
        .map(|_| {
            let mut message = Message::new("");
            message.set_attribute("x", value());
            message.set_value(value());
            message
        })
        .collect();
    messages[0].set_value(Value::NULL);
    let expected: Vec<_> = messages.iter().map(Message::duplicate).collect();
    for jit in ["", "jit.off()"] {
        let function = "function(message)
            message.attributes.x = message.attributes.x
            message.value = message.value
            n = (n or 0) + 1
            if n % 100 == 0 then collectgarbage() end
        end";
        let given = expected.iter().map(Message::duplicate).collect();
        let ran = run_after(jit, function, given);
        assert_eq!(ran.descriptions(), [""; 0]);
        assert_eq!(ran.out.len(), expected.len());
        for (found, expected) in ran.out.iter().zip(&expected) {
            assert_eq!(shown(found.attribute("x")), shown(expected.attribute("x")));
            assert_eq!(shown(found.value()), shown(expected.value()));
            // Their text does not tell all kinds apart.
            if let Some((found, expected)) = found.attribute("x").zip(expected.attribute("x")) {
                assert_eq!(found.tag(), expected.tag());
            }
        }
    }
}

#[test]
fn tables_are_lists_or_maps() {
    let function = "function(message)
        local a = message.attributes
        a.list = { 'a', gopiper.NULL, { 2.5, true } }
        a.map = { b = 9007199254740993LL, a = { c = 18446744073709551615ULL } }
        a.empty = {}
        a.null = gopiper.NULL
        a.is_null = a.null == gopiper.NULL and a.list[2] == gopiper.NULL
        local grown = {}
        for i = 1, 40 do grown[41 - i] = i end
        a.grown = grown
        a.taken = a.map.a
        message.value = { whole = a.list }
        a.given = message.value.whole[1]
    end";
    let ran = run_after("local gopiper = require('gopiper')", function, vec![Message::new("")]);
    assert_eq!(ran.descriptions(), [""; 0]);
    let out = &ran.out[0];
    let attribute = |key| out.attribute(key).cloned().unwrap();
    let inner = vec![Value::from(2.5), true.into()];
    let list = Value::from(vec!["a".into(), Value::NULL, inner.into()]);
    assert_eq!(attribute("list"), list);
    let inner = Map::from_iter([("c", u64::MAX)]);
    let map =
        Map::from_iter([("a", Value::from(inner.clone())), ("b", 9007199254740993i64.into())]);
    assert_eq!(attribute("map"), map.into());
    assert_eq!(attribute("empty"), Map::default().into());
    assert_eq!(attribute("null"), Value::NULL);
    assert_eq!(attribute("is_null"), true.into());
    let grown: Vec<Value> = (1..=40i64).rev().map(Value::from).collect();
    assert_eq!(attribute("grown"), grown.into());
    assert_eq!(attribute("taken"), inner.into());
    assert_eq!(attribute("given"), "a".into());
    assert_eq!(out.value(), Some(&Map::from_iter([("whole", list)]).into()));
}

#[test]
fn unsupported_values_are_reported_with_their_place() {
    for (given, said) in [
        ("{ { b = { 1, x = 2 } } }", "[1].b is both a list and a table with names: use one"),
        ("{ 1, nil, 3 }", " is a list with holes"),
        ("{ [2] = 1 }", " is a list with holes"),
        ("{ a = { [0.5] = 1 } }", ".a is a list with holes"),
        ("{ [true] = 1 }", " has a key that is neither a string nor a number"),
        ("{ ['\\255'] = 1 }", " has a key that is not UTF-8"),
        ("{ print }", "[1] cannot be a function"),
        ("{ b = { c = { 1, print } } }", ".b.c[2] cannot be a function"),
        ("{ b = { coroutine.create(print), gopiper.NULL } }", ".b[1] cannot be a thread"),
        ("{ [print] = 1 }", ": cannot serialize 'function'"),
        ("(function() local t = {} t.t = t return t end)()", ": nested deeper than 64 levels"),
        (
            "(function() local t = {} t.t = { t, t } t.u = t return t end)()",
            ": nested deeper than 64",
        ),
        (
            "(function() local t = {} for i = 1, 64 do t = { t } end return t end)()",
            ": nested deeper than 64 levels",
        ),
        ("coroutine.create(print)", " cannot be a thread"),
    ] {
        let ran = run_after(
            "local gopiper = require('gopiper')",
            &format!("function(m) m.attributes.a = {given} end"),
            vec![Message::new("one")],
        );
        let [found] = ran.descriptions()[..] else { panic!("{given}: {:?}", ran.out) };
        assert!(found.contains("pipeline.lua:2: attribute 'a'"), "{given}: {found}");
        assert!(found.contains(said), "{given}: {found}");
    }
    // The table of attributes cannot be the value of one.
    let nested = |levels| {
        format!(
            "function(m, w)
                local t = {{}} for i = 2, {levels} do t = {{ t }} end
                m.attributes.a = t
                w:emit('x', {{ attributes = {{ a = t }} }})
            end"
        )
    };
    let every = Some(Duration::from_secs(60));
    let within = |function: &str| {
        run_every(
            every,
            "",
            &format!(
                "require('gopiper').transform({function}, {{ every = 60, flush = function() end }})"
            ),
            vec![Message::new("one")],
        )
    };
    assert_eq!(within(&nested(64)).text(), ["x", "one"]);
    assert!(within(&nested(65)).descriptions()[0].contains("attribute 'a': nested deeper than 64"));
    let emitted = nested(65).replace("m.attributes.a = t", "");
    assert!(
        within(&emitted).descriptions()[0].contains("attributes: nested deeper than 64"),
        "{:?}",
        within(&emitted).descriptions()
    );
    let mut deep = Value::NULL;
    for _ in 0..70 {
        deep = vec![deep].into();
    }
    let mut message = Message::new("");
    message.set_attribute("a", deep);
    message.set_attribute("b", Value::of_unknown_tag(99));
    let function = |body: &str| format!("function(m) local a = {body} end");
    for (body, said) in [
        ("m.attributes.a", "attribute 'a': nested deeper than 64 levels"),
        ("m.attributes.b", "attribute 'b' is of a kind that this gopiper does not support"),
    ] {
        let ran = run_after("", &function(body), vec![message.duplicate()]);
        assert!(ran.descriptions()[0].contains(said), "{:?}", ran.descriptions());
    }
}

#[test]
fn changed_values_have_their_new_content() {
    let old = Value::from(Map::from_iter([
        ("z", Value::time(5)),
        ("y", Payload::from(b"text".to_vec()).into()),
        ("gone", 1.0.into()),
        ("a", vec![Value::from(1.0), Value::from(2.0)].into()),
    ]));
    let new = Value::from(Map::from_iter([
        ("a", Value::from(vec![Value::from(1i64), 3i64.into(), 4i64.into()])),
        ("b", 1i64.into()),
        ("y", "other".into()),
        ("z", 5i64.into()),
    ]));
    let expected = Value::from(Map::from_iter([
        ("z", Value::time(5)),
        ("y", "other".into()),
        ("a", vec![Value::from(1.0), 3i64.into(), 4i64.into()].into()),
        ("b", 1i64.into()),
    ]));
    assert_eq!(like(new, &old), expected);
}

#[test]
fn json_is_read_and_added_to() {
    let function = "function(message)
        local status = message:json('status')
        if not status or status < 500 then return 300 end
        message.attributes.big = message:json('big')
        message.attributes.user = message:json('user.name')
        message.attributes.tags = message:json('user.tags')
        message.attributes.none = type(message:json('user.age'))
        message:add_json('checked', true)
        message:add_json('by', 'a \\\"function\\\"')
    end";
    let ran = run(
        function,
        &[
            r#"{"status":503,"big":9007199254740993,"user":{"name":"Zo\u00eb","tags":["a","b"]}}"#,
            r#"{"status":200}"#,
            "no JSON",
        ],
    );
    let expected = r#"{"status":503,"big":9007199254740993,"user":{"name":"Zo\u00eb","tags":["a","b"]},"checked":true,"by":"a \"function\""}"#;
    assert_eq!(ran.descriptions(), [""; 0]);
    assert_eq!(ran.text(), [expected]);
    let attribute = |key| ran.out[0].attribute(key).cloned();
    assert_eq!(attribute("big"), Some(9007199254740993i64.into()));
    assert_eq!(attribute("user"), Some("Zoë".into()));
    assert_eq!(attribute("tags"), Some(r#"["a","b"]"#.into()));
    assert_eq!(attribute("none"), Some("nil".into()));
    assert_eq!(ran.summary.outcomes.dropped, 2);
    let failed = run("function(message) message:add_json('a', 1) end", &["[]"]);
    assert_eq!(
        failed.descriptions(),
        ["pipeline.lua:2: the field 'a': the message is not a JSON object"]
    );
}

#[test]
fn json_is_tables_too() {
    let text = r#"{"n":null,"big":9007199254740993,"most":18446744073709551615,"f":0.5,"small":-7,
        "list":[1,[],{"a":"\u00eb"}],"yes":true,"none":{}}"#;
    let function = "function(message)
        local all = message:decode()
        if not all then return gopiper.DROP end
        assert(all.n == gopiper.NULL and all.big == 9007199254740993LL and all.yes == true)
        assert(all.most == 18446744073709551615ULL and all.f == 0.5 and all.small == -7)
        assert(all.list[3].a == 'ë' and #all.list == 3 and next(all.none) == nil)
        assert(message:decode('list')[1] == 1 and message:decode('big') == all.big)
        assert(message:decode('n') == nil and message:decode('not.there') == nil)
        message.data = '{}'
        message:add_json('all', all)
    end";
    let before = "local gopiper = require('gopiper')";
    let messages = [text, "no JSON", "{\"n\":null} x", "", "null"].map(Message::new);
    let ran = run_after(before, function, messages.into());
    assert_eq!(ran.descriptions(), [""; 0]);
    let expected = r#"{"all":{"big":9007199254740993,"f":0.5,"list":[1,[],{"a":"ë"}],"most":18446744073709551615,"n":null,"none":{},"small":-7,"yes":true}}"#;
    assert_eq!(ran.text(), [expected]);
    let deep = "[".repeat(100) + &"]".repeat(100);
    let deeper = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    let messages = [&deep, &deeper, r#"{"a":1,"a":2}"#].map(|text| Message::new(text.to_string()));
    let ran = run_after("", "function(message) message:decode() end", messages.into());
    let said = ran.descriptions();
    assert!(
        said[..2]
            .iter()
            .all(|said| *said == "pipeline.lua:2: the JSON: nested deeper than 64 levels"),
        "{said:?}"
    );
    assert_eq!((ran.out.len(), said.len()), (1, 2), "of two equal keys the first counts: {said:?}");
}

#[test]
fn numbers_of_json_are_the_nearest_that_there_are() {
    let numbers = ["-9.991712312597997", "9007199254740993.0", "123456789012345678901", "1e-300"];
    let text = format!("[{}]", numbers.join(","));
    let function = "function(message)
        for i, number in ipairs(message:decode()) do
            message:emit(('%.17g'):format(number - message:json(tostring(i - 1))))
        end
    end";
    let ran = run_after("", function, vec![Message::new(text)]);
    assert_eq!(ran.descriptions(), [""; 0]);
    assert_eq!(ran.text(), ["0"; 4]);
}

#[test]
fn lists_stay_lists_and_can_be_made() {
    let function = "function(message)
        local all = message:decode()
        table.remove(all.one)
        all.new, all.table = gopiper.list(), {}
        all.made = gopiper.list { 1, gopiper.list() }
        message.attributes.all = all
        message.data = '{}'
        message:add_json('all', message.attributes.all)
    end";
    let before = "local gopiper = require('gopiper')";
    let ran = run_after(before, function, vec![Message::new(r#"{"none":[],"one":[1]}"#)]);
    assert_eq!(ran.descriptions(), [""; 0]);
    let expected = r#"{"all":{"made":[1,[]],"new":[],"none":[],"one":[],"table":{}}}"#;
    assert_eq!(ran.text(), [expected]);
    for (what, said) in [
        ("gopiper.list('x')", "gopiper.list wants a table, or nothing, not a string"),
        ("gopiper.list { a = 1 }", "attribute 'all' is a list, and has names"),
    ] {
        let function = format!("function(message)\nmessage.attributes.all = {what} end");
        let ran = run_after(before, &function, vec![Message::new("")]);
        assert_eq!(ran.descriptions(), [format!("pipeline.lua:3: {said}")]);
    }
}

#[test]
fn fields_of_json_are_set_in_place() {
    let function = "function(message)
        message:set_json('level', 'warn')
        message:set_json('user.name', gopiper.NULL)
        message:set_json('user.id', 9007199254740993LL)
        assert(message:json('level') == 'warn')
    end";
    let before = "local gopiper = require('gopiper')";
    let text = r#"{"level":"info","user":{"name":"x"}, "n":1}"#;
    let messages = [text, "[]"].map(Message::new);
    let ran = run_after(before, function, messages.into());
    let expected = r#"{"level":"warn","user":{"name":null,"id":9007199254740993}, "n":1}"#;
    assert_eq!(ran.text(), [expected]);
    let said = "pipeline.lua:3: the field 'level': the message has neither this field nor a JSON \
                object to add it to";
    assert_eq!(ran.descriptions(), [said]);
}

#[test]
fn attributes_can_be_gone_through() {
    let function = "function(message)
        message.attributes.b, message.attributes.a = { 1 }, 'x'
        local names = {}
        for name, value in pairs(message.attributes) do
            names[#names + 1] = name .. type(value)
            message.attributes[name] = nil
        end
        table.sort(names)
        message.data = table.concat(names, ' ')
        for name in pairs(message.attributes) do error(name) end
    end";
    let ran = run(function, &["one"]);
    assert_eq!(ran.descriptions(), [""; 0]);
    assert_eq!(ran.text(), ["astring btable"]);
}
