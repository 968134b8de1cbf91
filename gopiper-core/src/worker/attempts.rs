//! The attempts of messages that are tried again. If a message fails for good, its dead letter
//! lists them.
use gopiper_abi::{Map, Message, Value};

use crate::{base::secrets::redact_beginning, dead_letters::about};

/// The most attempts with different reports. If there are more, the first and the last are kept.
const MOST: usize = 8;
/// The most characters of a description.
const DESCRIBED: usize = 200;

/// The attempts of one message so far.
#[derive(Default)]
pub(crate) struct Attempts(Vec<Alike>);

/// Consecutive attempts with the same report.
struct Alike {
    first: i64,
    last: i64,
    count: u16,
    status: i32,
    description: String,
}

impl Attempts {
    /// Adds the attempt that the message has just had.
    pub(crate) fn add(&mut self, message: &Message, now: i64) {
        let status = message.status();
        let description = redact_beginning(message.description(), DESCRIBED);
        match self.0.last_mut() {
            Some(last) if (last.status, &last.description) == (status, &description) => {
                last.last = now;
                last.count = last.count.saturating_add(1);
            }
            _ => {
                if self.0.len() == MOST {
                    self.0.remove(MOST / 2);
                }
                self.0.push(Alike { first: now, last: now, count: 1, status, description });
            }
        }
    }

    /// Writes them into an attribute of the message, which has failed for good.
    pub(crate) fn write_on(&self, message: &mut Message) {
        if self.0.is_empty() {
            return;
        }
        let value = |alike: &Alike| {
            Value::from(Map::from_iter([
                ("first", Value::time(alike.first)),
                ("last", Value::time(alike.last)),
                ("attempts", i64::from(alike.count).into()),
                ("status", i64::from(alike.status).into()),
                ("description", alike.description.as_str().into()),
            ]))
        };
        let all: Vec<_> = self.0.iter().map(value).collect();
        message.set_attribute(about::HISTORY, all);
    }
}

#[cfg(test)]
mod tests {
    use gopiper_abi::Report;

    use super::*;

    fn written(reports: &[(u8, &str)]) -> Vec<(i64, i64, i64, String)> {
        let mut attempts = Attempts::default();
        let mut message = Message::new("text");
        for (now, (status, description)) in reports.iter().enumerate() {
            let report = Report::retry(*status, (*description).to_owned());
            attempts.add(&Message::new("text").with_report(report), now as i64);
        }
        attempts.write_on(&mut message);
        let all = message.attribute(about::HISTORY).and_then(Value::as_list).unwrap_or_default();
        let read = |value: &Value| {
            let map = value.as_map().expect("a map");
            let number = |name| map.get(name).and_then(Value::as_i64).unwrap_or_default();
            let time = |name| map.get(name).and_then(Value::as_time).unwrap_or_default();
            let text = map.get("description").and_then(Value::as_str).unwrap_or_default();
            (time("first"), time("last"), number("attempts"), text.to_owned())
        };
        all.iter().map(read).collect()
    }

    #[test]
    fn attempts_that_are_alike_are_counted() {
        let all = written(&[(1, "busy"), (1, "busy"), (2, "busy"), (1, "gone")]);
        let text = |text: &str| text.to_owned();
        let expected = [(0, 1, 2, text("busy")), (2, 2, 1, text("busy")), (3, 3, 1, text("gone"))];
        assert_eq!(all, expected);
    }

    #[test]
    fn no_part_of_a_secret_is_kept() {
        crate::secrets::keep("attempts-password");
        let text = format!("{}attempts-password", "x".repeat(DESCRIBED - 5));
        let kept = redact_beginning(&text, DESCRIBED);
        assert!(kept.ends_with("x(secr…") && !kept.contains("atte"), "{kept}");
    }

    #[test]
    fn of_many_the_first_and_the_last_are_kept() {
        let texts: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        let reports: Vec<_> = texts.iter().map(|text| (1, text.as_str())).collect();
        let kept: Vec<_> = written(&reports).into_iter().map(|(.., text)| text).collect();
        assert_eq!(kept, ["0", "1", "2", "3", "16", "17", "18", "19"]);
    }
}
