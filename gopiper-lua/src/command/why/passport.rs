//! A passport as text.
use std::fmt::Write as _;

use gopiper_core::{in_a_line, plural};
use serde_json::Value;

use crate::command::tap;

/// The way of a message, one event on each line.
pub(super) fn text(passport: &Value) -> String {
    let of = |name: &str| passport[name].as_str().unwrap_or_default();
    let bytes = passport["bytes"].as_u64().unwrap_or_default() as usize;
    let mut text = format!("{}: ", of("pipeline"));
    if !of("position").is_empty() {
        let _ = write!(text, "{}, ", in_a_line(of("position")));
    }
    let data = tap::data(passport);
    let data = in_a_line(&String::from_utf8_lossy(&data)).into_owned();
    let _ = writeln!(text, "{}: {data}", plural(bytes, "byte"));
    let parent = match passport["parent"].as_str() {
        Some(parent) => format!(", from span {parent}"),
        None => String::new(),
    };
    let _ = writeln!(text, "trace {}{parent}", of("trace"));
    let events = passport["events"].as_array().map_or(&[][..], Vec::as_slice);
    let component = |event: &Value| event["component"].as_str().unwrap_or_default().to_owned();
    let width = events.iter().map(|it| component(it).chars().count()).max().unwrap_or(0);
    for (place, event) in events.iter().enumerate() {
        let waited = place.checked_sub(1).map(|before| seconds(event) - seconds(&events[before]));
        let what = words(event, waited.unwrap_or_default());
        let component = component(event);
        let _ = writeln!(text, "{:>14}  {component:width$}  {what}", time(seconds(event)));
    }
    match passport["left_out"].as_u64() {
        None | Some(0) => {}
        Some(more) => drop(writeln!(text, "({} more)", plural(more as usize, "event"))),
    }
    if passport["outcome"].is_null() {
        let age = passport["age_seconds"].as_f64().unwrap_or_default();
        let next = passport["next"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let next = next.collect::<Vec<_>>().join(" or ");
        let whereabouts = events.last().map(|it| whereabouts(it, &next)).unwrap_or_default();
        let _ = writeln!(text, "{:>14}  no outcome yet: {whereabouts}", time(age));
    }
    text
}

fn seconds(event: &Value) -> f64 {
    event["after_seconds"].as_f64().unwrap_or_default()
}

fn time(seconds: f64) -> String {
    match seconds {
        0.0..1.0 => format!("{:.3} ms", seconds * 1e3),
        _ => format!("{seconds:.3} s"),
    }
}

/// An event as text. `waited` is the time since the previous event.
fn words(event: &Value, waited: f64) -> String {
    match event["event"].as_str().unwrap_or_default() {
        "began" => match event["attempt"].as_u64() {
            Some(attempt @ 2..) => format!("attempt {attempt} begins"),
            _ => format!("begins, after {}", time(waited)),
        },
        "reported" => report(
            event["status"].as_i64().unwrap_or_default(),
            event["description"].as_str().unwrap_or_default(),
        ),
        "made" => {
            let messages = event["messages"].as_u64().unwrap_or_default() as usize;
            format!("sends {} made of it", plural(messages, "message"))
        }
        // Before, a message of another worker had to go on, or there was no room.
        "passed_on" if waited >= 0.001 => format!("passes it on, after {}", time(waited)),
        "passed_on" => "passes it on".into(),
        "dead_letter" => {
            format!("becomes dead letter {}", event["id"].as_str().unwrap_or_default())
        }
        "ended" => event["outcome"].as_str().unwrap_or_default().replace('_', " "),
        other => other.to_owned(),
    }
}

/// A component's report as text.
pub(super) fn report(status: i64, description: &str) -> String {
    let name = match status {
        0 => return "done".into(),
        1 => return "keeps it, to make something of it".into(),
        100..200 => "wants it again",
        200..300 => "fails",
        300.. => "drops it",
        _ => "reports an invalid status",
    };
    match description {
        "" => format!("{name} ({status})"),
        _ => format!("{name} ({status}): {}", in_a_line(description)),
    }
}

/// The place of a message whose last event this was. `next` comes after that component.
fn whereabouts(event: &Value, next: &str) -> String {
    let component = event["component"].as_str().unwrap_or_default();
    match (event["event"].as_str(), event["status"].as_i64()) {
        (Some("began"), _) => format!("{component} has it"),
        (Some("reported"), Some(1)) => format!("{component} keeps it"),
        (Some("reported"), Some(100..200)) => {
            format!("it waits for another attempt of {component}")
        }
        (Some("dead_letter"), _) => "it waits to be written to the dead letters".into(),
        _ if next.is_empty() => format!("after {component} it waits for its next component"),
        _ => format!("after {component} it waits for {next}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_way_is_shown_event_by_event() {
        let passport = json!({
            "pipeline": "main", "position": "standard input, message 7", "bytes": 3, "data": "one",
            "trace": "ab", "parent": null, "left_out": 0, "outcome": null, "age_seconds": 2.5,
            "events": [
                { "event": "created", "component": "stdin", "after_seconds": 0.0 },
                { "event": "passed_on", "component": "stdin", "after_seconds": 0.0001 },
                { "event": "began", "component": "sink", "attempt": 1, "after_seconds": 0.0011 },
                { "event": "reported", "component": "sink", "status": 100,
                  "description": "busy", "after_seconds": 1.25 },
            ],
        });
        let expected = "\
main: standard input, message 7, 3 bytes: one
trace ab
      0.000 ms  stdin  created
      0.100 ms  stdin  passes it on
      1.100 ms  sink   begins, after 1.000 ms
       1.250 s  sink   wants it again (100): busy
       2.500 s  no outcome yet: it waits for another attempt of sink
";
        assert_eq!(text(&passport), expected);
        let mut waiting = passport.clone();
        waiting["events"].as_array_mut().expect("a list").truncate(2);
        for (next, said) in [(json!([]), "its next component"), (json!(["a", "b"]), "a or b")] {
            waiting["next"] = next;
            let text = text(&waiting);
            let line = format!("2.500 s  no outcome yet: after stdin it waits for {said}\n");
            assert!(text.ends_with(&line), "{text}");
        }
    }
}
