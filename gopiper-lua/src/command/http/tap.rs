//! `/api/v1/tap`: messages of a component while they pass, a JSON object a line.
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use gopiper_core::{
    Control,
    observe::{MessageTap, Side, TapOptions, TappedMessage},
    secrets::redact,
};
use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::shared::Shared;

/// How often copies are collected.
const COLLECT: Duration = Duration::from_millis(20);
/// How often an empty line is sent while nothing passes: it shows whether somebody still reads.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Opens the tap that a query asks for.
///
/// # Errors
/// Why not.
pub(super) fn open(shared: &Shared, query: &str) -> Result<Channel<Bytes>, String> {
    let (mut component, mut pipeline) = (None, None);
    let mut options = TapOptions { per_second: 10.0, contains: Vec::new(), side: None };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "component" => component = Some(value.into_owned()),
            "pipeline" => pipeline = Some(value.into_owned()),
            "contains" => options.contains = value.as_bytes().to_vec(),
            "rate" => {
                let rate = value.parse().ok().filter(|rate| (0.001..=1000.0).contains(rate));
                options.per_second =
                    rate.ok_or("rate: give messages a second, from 0.001 to 1000")?;
            }
            "side" => {
                options.side = match &*value {
                    "before" => Some(Side::Before),
                    "after" => Some(Side::After),
                    _ => return Err("side: give 'before' or 'after'".into()),
                }
            }
            _ => return Err(format!("there is no parameter '{name}'")),
        }
    }
    let component = component.ok_or("give the component: ?component=NAME")?;
    let controls = shared.stops.controls();
    let mut having: Vec<_> = controls
        .iter()
        .filter(|control| pipeline.as_ref().is_none_or(|name| name == control.name()))
        .filter(|control| control.counts().iter().any(|(name, _)| *name == component))
        .collect();
    let control = match (having.pop(), having.is_empty()) {
        (None, _) => {
            let names = controls.iter().flat_map(Control::counts).map(|(name, _)| name);
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(format!("there is no component '{component}', but there are: {names}"));
        }
        (Some(_), false) => {
            return Err(format!("several pipelines have a component '{component}': name one"));
        }
        (Some(control), true) => control,
    };
    let tap = control.tap(&component, &options).ok_or("too many look at this component already")?;
    let (sender, body) = Channel::new(1);
    tokio::spawn(show(tap, sender));
    Ok(body)
}

/// Sends what passes, until the component has ended or nobody reads.
async fn show(tap: MessageTap, mut to: Sender<Bytes>) {
    let mut last = Instant::now();
    loop {
        let has_ended = tap.has_ended();
        let mut lines = String::new();
        for message in tap.take() {
            lines += &format!("{}\n", object(&message));
        }
        if lines.is_empty() && last.elapsed() >= SIGN_OF_LIFE {
            lines.push('\n');
        }
        if !lines.is_empty() {
            last = Instant::now();
            if to.send_data(Bytes::from(lines)).await.is_err() {
                return;
            }
        }
        if has_ended {
            return;
        }
        sleep(COLLECT).await;
    }
}

fn object(message: &TappedMessage) -> Value {
    let attributes: serde_json::Map<_, _> =
        message.attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    let mut object = json!({
        "side": match message.side { Side::Before => "before", Side::After => "after" },
        "time_seconds": message.seen as f64 / 1e9,
        "position": message.position,
        "bytes": message.length,
        "attributes": attributes,
    });
    match std::str::from_utf8(&message.data) {
        Ok(text) => object["data"] = json!(redact(text)),
        Err(_) => object["data_base64"] = json!(BASE64_STANDARD.encode(&message.data)),
    }
    object
}

/// An attribute: as JSON has it, or in words.
fn attribute(value: &gopiper_abi::Value) -> Value {
    let number = || value.as_f64().map(|number| json!(number));
    let whole = || value.as_i64().map(|number| json!(number));
    let large = || value.as_u64().map(|number| json!(number));
    let text = || value.as_str().map(|text| json!(redact(text)));
    let flag = value.as_bool().map(|flag| json!(flag));
    let simple = flag.or_else(whole).or_else(large).or_else(number).or_else(text);
    simple.unwrap_or_else(|| json!(redact(&format!("{value:?}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_shown_as_it_is() {
        let message = TappedMessage {
            side: Side::After,
            seen: 1_500_000_000,
            data: b"caf\xc3\xa9".to_vec(),
            length: 5,
            attributes: vec![("status".into(), 500i64.into()), ("host".into(), "a".into())],
            position: Some("standard input, message 2".into()),
        };
        let expected = json!({
            "side": "after", "time_seconds": 1.5, "position": "standard input, message 2",
            "bytes": 5, "attributes": { "status": 500, "host": "a" }, "data": "café",
        });
        assert_eq!(object(&message), expected);
        let binary = TappedMessage { data: vec![0xff], ..message };
        assert_eq!(object(&binary)["data_base64"], "/w==");
    }
}
