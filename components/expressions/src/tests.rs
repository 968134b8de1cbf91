use super::*;

fn message() -> Message {
    let text = r#" {"status":503,"path":"/api/users","big":18446744073709551615,"ratio":0.5,
        "none":null,"tags":["a","b"],"user":{"name":"Ann","list":[{"x":7}]},"esc":"a\"b","a-b":1}"#;
    let mut message = Message::new(text);
    message.set_attribute("host", "web-1");
    message.set_attribute("count", 3i64);
    message.set_time(1_764_576_000_000_000_000);
    message
}

fn value(text: &str) -> Result<String, String> {
    let message = message();
    let expression = Expression::parse(text).map_err(|mistake| mistake.to_string())?;
    let scope = Scope::new(&message, 1_764_576_060_000_000_000);
    let value = expression.value(&scope).map_err(|failure| failure.to_string())?;
    Ok(format!("{value:?}"))
}

#[test]
fn conditions() {
    for text in [
        "json.status >= 500",
        "json.status == 503.0 && json.status in [502, 503]",
        "json.big == 18446744073709551615u && json.big > 9223372036854775807",
        "json.ratio < 1 && 1 > json.ratio && json.ratio == 0.5",
        "json.none == null && json.none != 0",
        "json.user.name == 'Ann' && json[\"user\"].name.startsWith('A')",
        "json.user.list[0].x == 7 && json['a-b'] == 1",
        "'a' in json.tags && !('c' in json.tags) && size(json.tags) == 2",
        "json.path.matches('^/api/[a-z]+$') && json.path.contains('users')",
        r#"json.esc == 'a"b'"#,
        "attributes.host == 'web-1' && attributes.count + 1 == 4",
        "has(json.user.name) && !has(json.user.age) && has(attributes.host)",
        "has(json.none)",
        "time < now && now - time == duration('1m') && time >= timestamp('2025-12-01T08:00:00Z')",
        "json.status > 500 ? true : json.missing",
        "json.missing == 1 || json.status == 503",
        "-json.status == -503 && 7 % 4 == 3 && 7 / 2 == 3 && 7.0 / 2 == 3.5 && 2 * 3 - 1 == 5",
        "string(json.status) + '!' == '503!' && int('42') == 42 && double('1.5') == 1.5",
        "' Ab '.trim().lowerAscii() == 'ab' && 'é'.size() == 1",
        "data.startsWith(' {')",
    ] {
        assert_eq!(value(text).as_deref(), Ok("Bool(true)"), "{text}");
    }
}

#[test]
fn a_message_may_have_no_value_for_it() {
    for (text, expected) in [
        ("json.age > 18", "column 1: there is no json.age"),
        ("1 < json.path", "column 3: a whole number and a text cannot be compared"),
        ("json.status + 'x'", "column 13: a whole number and a text cannot be calculated with"),
        ("json.status / 0", "a division by zero"),
        ("json.big * 2", "more than 64 bits"),
        ("json.path && true", "column 1: it is a text, neither true nor false"),
        ("json.missing == 1 && json.status == 503", "there is no json.missing"),
        ("attributes.other == 1", "there is no attributes.other"),
        ("json.status.contains('a')", "it is a whole number, and not a text"),
        ("int('x')", "'x' is not a whole number"),
    ] {
        let failure = value(text).unwrap_err();
        assert!(failure.contains(expected), "{text}: {failure}");
    }
    let message = Message::new("no JSON");
    let expression = Expression::parse("json.a == 1").unwrap();
    let failure = expression.is_true(&Scope::new(&message, 0)).unwrap_err().to_string();
    assert!(failure.starts_with("column 1: the data: the JSON cannot be read"), "{failure}");
    let failure = Expression::parse("1 + 1").unwrap().is_true(&Scope::new(&message, 0));
    assert_eq!(
        failure.unwrap_err().to_string(),
        "column 1: it is a whole number, neither true nor false"
    );
}

#[test]
fn mistakes_are_drawn() {
    let drawn = |text: &str| Expression::parse(text).err().map(|it| it.to_string());
    assert_eq!(
        drawn("json.path.contain('x')").as_deref(),
        Some(
            "there is no function 'contain'; did you mean 'contains'?
  json.path.contain('x')
            ^^^^^^^"
        )
    );
    for (text, expected) in [
        ("jsn.status > 1", "there is no 'jsn'; did you mean 'json'?\n  jsn.status > 1\n  ^^^"),
        ("status > 1", "(json.status is a field of the message's JSON)"),
        ("json.a > ", "^"),
        ("json.a.matches('(')", "regex parse error"),
        ("json.a.matches(json.b)", "has to be written out"),
        ("size()", "takes 1 in its brackets, and not 0"),
        ("json.tags.exists(x, x == 1)", "not part of these expressions"),
        ("{'a': 1}", "maps are not part"),
        ("data.x", "'data' has no part 'x'"),
        ("json[json.a]", "a key has to be written out"),
        ("timestamp('yesterday')", "is not a time"),
        ("attributes == 1", "name an attribute"),
        ("", "^"),
    ] {
        let mistake = drawn(text).unwrap_or_default();
        assert!(mistake.contains(expected), "{text}: {mistake}");
    }
}

#[test]
fn deeply_nested_parts_are_refused() {
    let text = format!("{}1{}", "(".repeat(400), ")".repeat(400));
    assert!(Expression::parse(&text).is_err());
}

fn set(target: &str, value: &str) -> Result<Message, String> {
    let mut message = message();
    message.set_data(r#"{ "a": 1.50, "list": [1, 2], "user":{"name":"Ann"} }"#.as_bytes().to_vec());
    let value = Expression::parse(value).map_err(|mistake| mistake.to_string())?;
    let kept = value.value(&Scope::new(&message, 7)).map_err(|it| it.to_string())?.keep();
    let mut target = Target::parse(target).map_err(|mistake| mistake.to_string())?;
    target.set(&mut message, kept)?;
    Ok(message)
}

#[test]
fn a_value_is_put_where_the_rest_stays_as_it_is() {
    for (target, value, expected) in [
        ("json.b", "true", r#"{ "a": 1.50, "list": [1, 2], "user":{"name":"Ann"} ,"b":true}"#),
        ("json.a", "json.a", r#"{ "a": 1.50, "list": [1, 2], "user":{"name":"Ann"} }"#),
        ("json.user.name", "'B'", r#"{ "a": 1.50, "list": [1, 2], "user":{"name":"B"} }"#),
        (
            "json.list[1]",
            "json.user",
            r#"{ "a": 1.50, "list": [1, {"name":"Ann"}], "user":{"name":"Ann"} }"#,
        ),
        ("data", "json.user", r#"{"name":"Ann"}"#),
        ("data", "string(json.a) + ' and ' + json.user.name", "1.5 and Ann"),
        ("data", "[1, 'a', null]", r#"[1,"a",null]"#),
    ] {
        let message = set(target, value).unwrap();
        assert_eq!(std::str::from_utf8(message.data()), Ok(expected), "{target} = {value}");
    }
    let message = set("attributes['a b']", "json.list").unwrap();
    assert_eq!(message.attribute("a b").and_then(|it| it.as_str()), Some("[1, 2]"));
    assert_eq!(set("time", "now").unwrap().time(), 7);
    assert!(set("time", "1").is_err_and(|it| it.contains("has to be a time")));
    assert!(set("json.a.b", "1").is_err_and(|it| it.contains("no")), "{:?}", set("json.a.b", "1"));
    for target in ["now", "json", "1", "attributes.a.b", "json.a == 1"] {
        assert!(set(target, "1").is_err_and(|it| it.contains("cannot be set")), "{target}");
    }
}
