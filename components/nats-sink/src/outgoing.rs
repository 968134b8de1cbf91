//! A message as it is published.
use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_STREAM, NATS_MESSAGE_ID},
};
use bytes::Bytes;
use gopiper_abi::{Identity, Message, Payload, Report};

use crate::Settings;

/// The numbers for the reasons in reports.
pub(crate) const WRONG_MESSAGE: u8 = 1;

/// A message on its way. It keeps its id in each attempt.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    id: String,
    /// Those of its attributes. Many messages wait here, and most have none: an empty map of them
    /// would be larger than a short message.
    headers: Option<Box<HeaderMap>>,
    pub(crate) payload: Bytes,
}

/// Shares the bytes of a message with the client.
struct Shared(Payload);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// The id of a message: the same in each attempt. `None` if it has none.
fn id(message: &Message, identity: Option<Identity>, settings: &Settings) -> Option<String> {
    let Some(name) = &settings.id_attribute else {
        return identity.map(|identity| identity.to_string());
    };
    let id = message.attribute(name)?;
    let number = || id.as_i64().map(|id| id.to_string()).or(id.as_u64().map(|id| id.to_string()));
    let id = id.as_str().map(str::to_owned).or_else(number)?;
    (!id.is_empty()).then_some(id)
}

/// An id that no other message has.
fn random_id() -> String {
    format!("{:032x}", fastrand::u128(..))
}

impl Outgoing {
    /// What to publish for a message.
    ///
    /// # Errors
    /// The report for a message that cannot be published.
    pub(crate) fn new(
        message: &Message,
        identity: Option<Identity>,
        settings: &Settings,
    ) -> Result<Self, Report> {
        let fail = |problem: String| Report::fail(WRONG_MESSAGE, problem);
        let subject = settings.subject.of(message).map_err(fail)?;
        let headers = settings.headers.write(message).map_err(fail)?;
        let id = id(message, identity, settings).unwrap_or_else(random_id);
        if id.contains(['\r', '\n']) {
            return Err(fail(format!("its id '{}' contains the end of a line", id.escape_debug())));
        }
        let headers = (!headers.is_empty()).then(|| Box::new(headers));
        let payload = Bytes::from_owner(Shared(message.payload().clone()));
        Ok(Outgoing { subject, id, headers, payload })
    }

    /// All headers that it is sent with.
    pub(crate) fn headers(&self, settings: &Settings) -> HeaderMap {
        let mut headers = self.headers.as_deref().cloned().unwrap_or_default();
        headers.insert(NATS_MESSAGE_ID, self.id.as_str());
        if let Some(stream) = &settings.stream {
            headers.insert(NATS_EXPECTED_STREAM, stream.as_str());
        }
        headers
    }
}
