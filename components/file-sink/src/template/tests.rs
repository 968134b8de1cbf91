//! Paths out of templates, and none out of bounds.
use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::*;

fn parse(text: &str) -> Result<Template, String> {
    Template::parse(&text.into(), TimeZone::UTC).map_err(|error| error.to_string())
}

fn message(attributes: &[(&str, Value)], time: i64) -> Message {
    let mut message = Message::new("");
    message.set_time(time);
    attributes.iter().for_each(|(name, value)| message.set_attribute(name, value.clone()));
    message
}

#[test]
fn attributes_and_time_are_filled_in() {
    let mut template = parse("/var/{{x}}/%Y-%m-%d/{host}-{n}.log").unwrap();
    let mut render = |time: i64| {
        let message = message(&[("host", "a".into()), ("n", 7i64.into())], time);
        template.render(&message, 0).unwrap().display().to_string()
    };
    assert_eq!(render(86_400 * NANOSECONDS), "/var/{x}/1970-01-02/a-7.log");
    assert_eq!(render(0), "/var/{x}/1970-01-01/a-7.log", "without a time: now");
    assert_eq!(render(-1), "/var/{x}/1969-12-31/a-7.log");
}

/// Nothing in the folder's name is a placeholder.
#[test]
fn a_relative_path_starts_at_its_folder() {
    for (written, expected) in [
        ("a.log", "/of {the}/100%Y/a.log"),
        ("{n}.log", "/of {the}/100%Y/7.log"),
        ("%Y.log", "/of {the}/100%Y/1970.log"),
        ("/a/{n}.log", "/a/7.log"),
    ] {
        let path = FilePath::new("/of {the}/100%Y", written);
        let mut template = Template::parse(&path, TimeZone::UTC).unwrap();
        let mut message = Message::new("");
        message.set_attribute("n", 7);
        assert_eq!(template.render(&message, 0).unwrap(), PathBuf::from(expected), "{written}");
    }
}

#[test]
fn a_folder_that_is_not_text_is_refused_for_a_relative_path() {
    let folder = PathBuf::from(OsString::from_vec(b"/of \xff".to_vec()));
    let of = |written| Template::parse(&FilePath::new(folder.clone(), written), TimeZone::UTC);
    assert_eq!(of("/a.log").unwrap().constant(), Some("/a.log".into()));
    let error = of("a.log").err().expect("refused").to_string();
    assert!(error.contains("'a.log': the folder /of "), "{error}");
    assert!(error.ends_with("is not UTF-8: give an absolute path"), "{error}");
}

#[test]
fn a_path_without_placeholders_is_constant() {
    assert_eq!(parse("a/b.log").unwrap().constant(), Some("a/b.log".into()));
    assert_eq!(parse("a{b}").unwrap().constant(), None);
    assert_eq!(parse("a%Y").unwrap().constant(), None);
}

#[test]
fn an_attribute_cannot_lead_to_another_folder() {
    let mut template = parse("/logs/{a}{b}").unwrap();
    let mut render = |a: Value, b: Value| template.render(&message(&[("a", a), ("b", b)], 0), 0);
    assert_eq!(render("x".into(), "y..".into()), Ok("/logs/xy..".into()));
    for wrong in ["", ".", "..", ".x", "../x", "a/b", "/etc", "a\0"] {
        assert!(render(wrong.into(), "y".into()).is_err(), "{wrong:?}");
        assert!(render("y".into(), wrong.into()).is_err(), "{wrong:?}");
    }
    assert!(render(Value::NULL, "y".into()).unwrap_err().contains("'a' is neither text nor"));
    let missing = template.render(&message(&[("a", "x".into())], 0), 0).unwrap_err();
    assert_eq!(missing, "it has no attribute 'b', which the path needs");
}

#[test]
fn a_wrong_template_is_refused() {
    for wrong in ["", "a{", "a}", "{}", "a{b", "%!"] {
        let refused = parse(wrong).err().unwrap_or_else(|| panic!("{wrong}"));
        assert!(refused.starts_with("attribute path: "), "{refused}");
    }
    assert!(parse("a-%s.%f").err().unwrap().contains("finer than a second"));
    for slash in ["%D.log", "a/%n"] {
        let refused = parse(slash).err().unwrap();
        assert!(refused.contains(" cannot be a part of a file name"), "{refused}");
    }
    let zone = TimeZone::get("Etc/GMT+2").unwrap_or(TimeZone::fixed(jiff::tz::offset(-2)));
    let by_zone = Template::parse(&"%Y/%Q.log".into(), zone.clone()).err();
    let refused = by_zone.is_some_and(|error| error.to_string().contains("%Q cannot be a part"));
    assert_eq!(refused, zone.iana_name().is_some());
    assert!(parse("%Y/%m/%d-%%.log").is_ok());
}

#[test]
fn those_that_go_to_one_place_are_a_run() {
    let template = parse("%H/{a}").unwrap();
    let of = |a: &str, second: i64| message(&[("a", a.into())], second * NANOSECONDS);
    let messages = [of("x", 5), of("x", 5), of("y", 5), of("y", 6), message(&[], 6 * NANOSECONDS)];
    let run = |from: usize| template.run(&messages[from..], 0);
    assert_eq!([run(0), run(1), run(2), run(3), run(4), run(5)], [2, 1, 1, 1, 1, 0]);
    assert_eq!(parse("a").unwrap().run(&messages, 0), 5);
}
