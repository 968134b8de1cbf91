//! `/api/v1/tap`: messages of a component while they pass, one JSON object on each line.
use gopiper_core::{
    Control,
    observe::{MessageTap, Side, TapOptions, TappedMessage},
    secrets::redact,
};
use http_body_util::channel::Channel;
use hyper::body::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::{
    lines::{COLLECT, LineSender},
    named::named,
};
use crate::command::{
    arguments::tap_rate,
    http::{
        message::{add_data, attribute, shown},
        state::shared::{MOST_TAPS, Shared},
    },
};

/// Opens the tap that a query asks for.
///
/// # Errors
/// The reason why it cannot be opened, as text.
pub(in crate::command::http) fn open(
    shared: &Shared,
    query: &str,
) -> Result<Channel<Bytes>, String> {
    let (mut component, mut pipeline) = (None, None);
    let mut options = TapOptions { per_second: 10.0, contains: Vec::new(), side: None };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "component" => component = Some(value.into_owned()),
            "pipeline" => pipeline = Some(value.into_owned()),
            "contains" => options.contains = value.as_bytes().to_vec(),
            "rate" => {
                options.per_second = tap_rate(&value).map_err(|why| format!("rate: {why}"))?;
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
    let control = having(&shared.stops.controls(), &component, pipeline.as_deref())?;
    if options.side == Some(Side::Before) && control.is_source(&component) {
        return Err(format!("'{component}' is a source: no messages reach it, give 'after'"));
    }
    let place = shared.taps.clone().try_acquire_owned();
    let place = place.map_err(|_| format!("there are {MOST_TAPS} taps already: end one"))?;
    let tap = control.tap(&component, &options);
    let tap = tap.ok_or("this component has too many taps already: end one")?;
    let (sender, body) = Channel::new(1);
    tokio::spawn(async move {
        show(tap, LineSender::new(sender)).await;
        drop(place);
    });
    Ok(body)
}

/// The one pipeline that has this component.
///
/// # Errors
/// None has it, or several have it, as text.
fn having(
    controls: &[Control],
    component: &str,
    pipeline: Option<&str>,
) -> Result<Control, String> {
    let named = named(controls, pipeline)?;
    let has_it = |it: &&&Control| it.counts().iter().any(|(name, _)| name == component);
    let having: Vec<_> = named.iter().filter(has_it).collect();
    match having[..] {
        [one] => Ok((*one).clone()),
        [] => {
            let names = named.iter().flat_map(|it| it.counts()).map(|(name, _)| name);
            let names = names.collect::<Vec<_>>().join(", ");
            Err(format!("there is no component '{component}', but there are: {names}"))
        }
        _ => {
            let names: Vec<_> = having.iter().map(|it| it.name()).collect();
            let names = names.join(", ");
            Err(format!("several pipelines have a component '{component}': name one of {names}"))
        }
    }
}

/// Sends the messages that pass, until the component ends or the client goes away.
async fn show(tap: MessageTap, mut to: LineSender) {
    loop {
        let has_ended = tap.has_ended();
        // One at a time: other requests are answered in between.
        while let Some(message) = tap.take() {
            if !to.send(&object(&message, tap.unseen())).await {
                return;
            }
        }
        if has_ended || !to.is_read().await {
            return;
        }
        sleep(COLLECT).await;
    }
}

/// A message without secrets.
fn object(message: &TappedMessage, unseen: u64) -> Value {
    let attributes = message.attributes.iter();
    let attributes = attributes.map(|(name, value)| (redact(name).into_owned(), attribute(value)));
    let side = match message.side {
        Side::Before => "before",
        Side::After => "after",
    };
    let named = [
        ("side", json!(side)),
        ("time_seconds", json!(message.seen as f64 / 1e9)),
        ("position", json!(message.position.as_deref().map(redact))),
        ("bytes", json!(message.length)),
        ("attributes", Map::from_iter(attributes).into()),
        ("unseen", json!(unseen)),
    ];
    let mut object = Map::from_iter(named.map(|(name, value)| (name.to_owned(), value)));
    add_data(&mut object, shown(&message.data, message.length));
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};

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
            "bytes": 5, "attributes": { "status": 500, "host": "a" }, "unseen": 3, "data": "café",
        });
        assert_eq!(object(&message, 3), expected);
        let binary = TappedMessage { data: vec![0xff], length: 1, ..message };
        assert_eq!(object(&binary, 0)["data_base64"], "/w==");
    }

    #[test]
    fn no_part_of_a_secret_is_shown() {
        gopiper_core::secrets::keep("tap-password");
        let of = |data: &[u8], length| {
            let message = TappedMessage {
                side: Side::Before,
                seen: 0,
                data: data.to_vec(),
                length,
                attributes: vec![("tap-password".into(), "is tap-password".into())],
                position: Some("tap-password, line 1".into()),
            };
            object(&message, 0).to_string()
        };
        for (data, length) in [
            (&b"it is tap-password"[..], 18),
            (b"cut: tap-passw", 100),
            (b"cut: tap-password\xc3", 100),
        ] {
            let shown = of(data, length);
            assert!(!shown.contains("tap-p"), "{shown}");
        }
        for (data, length, shown) in
            [(&b"\xff tap-password"[..], 14, "(secret)"), (b"\xff tap-passw", 100, "(secret)…")]
        {
            let object: Value = serde_json::from_str(&of(data, length)).unwrap();
            let encoded = object["data_base64"].as_str().unwrap();
            assert!(!object.to_string().contains("tap-p"), "{object}");
            let expected = [b"\xff ", shown.as_bytes()].concat();
            assert_eq!(BASE64_STANDARD.decode(encoded).unwrap(), expected);
        }
    }
}
