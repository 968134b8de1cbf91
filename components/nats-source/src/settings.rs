//! The attributes, checked.
use gopiper_abi::Error;
use nats_client::{Connection, Headers};

use crate::{Attributes, NewConsumer};

/// Where the messages come from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Stream { stream: String, consumer: String, create: Option<NewConsumer> },
    Subjects { subjects: Vec<String>, queue_group: Option<String> },
    Bucket { bucket: String, keys: Vec<String> },
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) connection: Connection,
    pub(crate) origin: Origin,
    pub(crate) max_in_flight: usize,
    pub(crate) double_ack: bool,
    pub(crate) nak_delay_ms: u64,
    /// Empty if there is none.
    pub(crate) subject_attribute: String,
    pub(crate) headers: Headers,
}

/// Names of streams and consumers are words of a subject.
fn name(attribute: &str, name: String) -> Result<String, Error> {
    let is_wrong = |c: char| c.is_whitespace() || ".*>/\\".contains(c);
    if name.is_empty() || name.contains(is_wrong) {
        let problem = format!(
            "'{name}' is not a name: without spaces, dots, slashes, '*' and '>', not empty"
        );
        return Err(Error::attribute(attribute, problem));
    }
    Ok(name)
}

fn subjects(attribute: &str, subjects: Vec<String>) -> Result<Vec<String>, Error> {
    if subjects.is_empty() {
        return Err(Error::attribute(attribute, "is empty: name a subject"));
    }
    let is_wrong =
        |it: &&String| it.contains(char::is_whitespace) || it.split('.').any(str::is_empty);
    match subjects.iter().find(is_wrong) {
        None => Ok(subjects),
        Some(wrong) => {
            let problem = format!("'{wrong}' is not a subject: words with dots between them");
            Err(Error::attribute(attribute, problem))
        }
    }
}

impl Settings {
    pub(crate) fn new(attributes: Attributes) -> Result<Self, Error> {
        attributes.connection.validate()?;
        if attributes.max_in_flight == 0 {
            return Err(Error::attribute("max_in_flight", "must be 1 or more"));
        }
        let (connection, headers) =
            (attributes.connection.clone(), Headers::new(&attributes.header_prefix));
        Ok(Settings {
            connection,
            headers,
            max_in_flight: attributes.max_in_flight,
            double_ack: attributes.double_ack,
            nak_delay_ms: attributes.nak_delay_ms,
            subject_attribute: attributes.subject_attribute.clone(),
            origin: origin(attributes)?,
        })
    }
}

fn origin(attributes: Attributes) -> Result<Origin, Error> {
    let Attributes { stream, consumer, create, subjects: given, queue_group, .. } = attributes;
    let Attributes { bucket, keys, double_ack, .. } = attributes;
    let origins = [stream.is_some(), given.is_some(), bucket.is_some()];
    if origins.iter().filter(|is_given| **is_given).count() != 1 {
        let problem = "give one of stream, subjects and bucket: what to receive";
        return Err(Error::attribute("stream", problem));
    }
    let belongs = [
        ("consumer", consumer.is_some(), "stream", stream.is_some()),
        ("create", create.is_some(), "stream", stream.is_some()),
        ("double_ack", double_ack, "stream", stream.is_some()),
        ("queue_group", queue_group.is_some(), "subjects", given.is_some()),
        ("keys", keys.is_some(), "bucket", bucket.is_some()),
    ];
    for (name, is_given, of, has_it) in belongs {
        if is_given && !has_it {
            return Err(Error::attribute(name, format!("has no effect without {of}")));
        }
    }
    if let Some(stream) = stream {
        let Some(consumer) = consumer else {
            let problem = "must be given: the name of the durable consumer of the stream";
            return Err(Error::attribute("consumer", problem));
        };
        if let Some(filters) = create.as_ref().and_then(|create| create.filter_subjects.clone()) {
            subjects("create.filter_subjects", filters)?;
        }
        let (stream, consumer) = (name("stream", stream)?, name("consumer", consumer)?);
        return Ok(Origin::Stream { stream, consumer, create });
    }
    if let Some(given) = given {
        return Ok(Origin::Subjects { subjects: subjects("subjects", given)?, queue_group });
    }
    let bucket = name("bucket", bucket.unwrap_or_default())?;
    let keys = subjects("keys", keys.unwrap_or_else(|| vec![">".into()]))?;
    Ok(Origin::Bucket { bucket, keys })
}

#[cfg(test)]
mod tests {
    use gopiper_abi::{Map, Value, testing::Harness};

    use crate::NatsSourceFactory;

    fn refused(attributes: &[(&'static str, Value)]) -> String {
        let servers = vec![Value::from("nats://127.0.0.1:1")];
        let connection: Map = [("servers", Value::from(servers))].into_iter().collect();
        let all = [("connection", connection.into())].into_iter().chain(attributes.iter().cloned());
        match Harness::source::<NatsSourceFactory>(all) {
            Ok(_) => panic!("there is no server"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn attributes_have_to_fit_together() {
        let text = Value::from;
        let list = |it: &str| Value::from(vec![Value::from(it)]);
        for (attributes, wanted) in [
            (vec![], "give one of stream, subjects and bucket"),
            (vec![("stream", text("a")), ("bucket", text("b"))], "give one of"),
            (vec![("stream", text("a"))], "attribute consumer: must be given"),
            (vec![("stream", text("a.b")), ("consumer", text("c"))], "is not a name"),
            (vec![("bucket", text("b")), ("double_ack", true.into())], "without stream"),
            (vec![("subjects", list("a..b"))], "is not a subject"),
            (vec![("subjects", list("a")), ("keys", list("b"))], "without bucket"),
        ] {
            let refused = refused(&attributes);
            assert!(refused.contains(wanted), "{attributes:?}: {refused}");
        }
        // These fit: only the server is missing.
        let refused = refused(&[("subjects", list("a.>"))]);
        assert!(refused.contains("no connection to nats://127.0.0.1:1"), "{refused}");
    }
}
