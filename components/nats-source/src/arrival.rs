//! A message as the server has sent it, and its position in the stream.
use async_nats::{HeaderMap, Subject};
use bytes::Bytes;
use gopiper_abi::{Message, PayloadMut, Value};

use crate::settings::Settings;

/// A message of the server.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) payload: Bytes,
    pub(crate) headers: Option<HeaderMap>,
    /// The subject; of a bucket, the key.
    pub(crate) subject: String,
    /// When the stream took it, in nanoseconds; 0 if that is not known.
    pub(crate) time: i64,
    /// Its number in the stream; `None` without a stream.
    pub(crate) sequence: Option<u64>,
    /// What else is known of it.
    pub(crate) more: Vec<(&'static str, Value)>,
}

/// The attribute with the last message's subject: neighbours with the same one share it.
#[derive(Debug, Default)]
pub(crate) struct LastSubject(Option<(String, Message)>);

impl LastSubject {
    fn attribute(&mut self, name: &str, subject: String) -> &Message {
        let known = self.0.take().filter(|(known, _)| *known == subject);
        let known = known.unwrap_or_else(|| {
            let mut message = Message::new("");
            message.set_attribute(name, subject.as_str());
            (subject, message)
        });
        &self.0.insert(known).1
    }
}

impl Arrival {
    /// Makes the message. Its bytes are copied into the block, which has room for them.
    pub(crate) fn into_message(
        self,
        block: &mut PayloadMut,
        last: &mut LastSubject,
        settings: &Settings,
    ) -> Message {
        let length = self.payload.len();
        block[..length].copy_from_slice(&self.payload);
        let mut message = Message::new(block.split_to(length));
        message.set_time(self.time);
        if !settings.subject_attribute.is_empty() {
            message.share_attributes(last.attribute(&settings.subject_attribute, self.subject));
        }
        if let Some(headers) = &self.headers {
            settings.headers.read(headers, &mut message);
        }
        for (name, value) in self.more {
            message.set_attribute(name, value);
        }
        message
    }
}

/// What the subject for the answer says of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// How often it was sent, this time included.
    pub(crate) times: u64,
    pub(crate) sequence: u64,
    /// When the stream took it, in nanoseconds.
    pub(crate) time: i64,
    /// How many messages of the stream come after it for this consumer.
    pub(crate) pending: u64,
}

impl Delivered {
    /// Reads `$JS.ACK.STREAM.CONSUMER.TIMES.SEQUENCE.….TIME.PENDING`; newer servers have a domain
    /// and a hash of the account before the stream, and a random word at the end.
    pub(crate) fn of(reply: &Subject) -> Option<Self> {
        let words: Vec<_> = reply.as_str().strip_prefix("$JS.ACK.")?.split('.').collect();
        let words = match words.len() {
            7 => &words[2..],
            9.. => &words[4..],
            _ => return None,
        };
        Some(Delivered {
            times: words[0].parse().ok()?,
            sequence: words[1].parse().ok()?,
            time: words[3].parse().ok()?,
            pending: words[4].parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subjects_for_answers_of_old_and_new_servers() {
        let wanted =
            Delivered { times: 3, sequence: 41, time: 1_700_000_000_000_000_000, pending: 5 };
        for reply in [
            "$JS.ACK.orders.mail.3.41.40.1700000000000000000.5",
            "$JS.ACK._.x7f.orders.mail.3.41.40.1700000000000000000.5",
            "$JS.ACK.hub.x7f.orders.mail.3.41.40.1700000000000000000.5.r4nd0m",
        ] {
            assert_eq!(Delivered::of(&reply.into()), Some(wanted), "{reply}");
        }
        for reply in ["_INBOX.x.y", "$JS.ACK.a.b", "$JS.ACK.a.b.x.1.1.1.1"] {
            assert_eq!(Delivered::of(&reply.into()), None, "{reply}");
        }
    }
}
