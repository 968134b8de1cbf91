//! Watching a key-value bucket.
use std::time::Duration;

use async_nats::jetstream::kv::{Operation, Watch};
use futures_util::StreamExt;
use gopiper_abi::{Error, Value};
use tokio::{sync::mpsc::UnboundedReceiver, task::spawn_local, time::sleep};

use super::{Line, answers::Answer};
use crate::arrival::Arrival;

/// The time before another attempt to watch.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn watch(line: &Line, bucket: &str, keys: &[String]) -> Result<Watch, Error> {
    let jetstream = &line.connected.jetstream;
    // It says why it is not there, which the client's own call does not.
    let stream = format!("STREAM.INFO.KV_{bucket}");
    let info = line.connected.ask(&stream, None).await;
    info.map_err(|failure| {
        if failure.is_no_stream() {
            let problem =
                format!("the server has no bucket '{bucket}': create it (nats kv add {bucket})");
            return Error::attribute("bucket", problem);
        }
        failure.error("bucket", &format!("bucket '{bucket}'"))
    })?;
    let refuse = |error: String| {
        Error::attribute("bucket", format!("cannot watch bucket '{bucket}': {error}")).temporary()
    };
    let store = jetstream.get_key_value(bucket).await;
    let store = store.map_err(|error| refuse(error.to_string()))?;
    // The last values, and then each change, in spite of the name.
    let watch = match keys {
        [key] => store.watch_with_history(key).await,
        keys => store.watch_many_with_history(keys).await,
    };
    watch.map_err(|error| refuse(error.to_string()))
}

/// Watches until the end.
pub(super) async fn run(
    line: Line,
    bucket: &str,
    keys: &[String],
    first: Watch,
    mut end: UnboundedReceiver<Answer>,
) {
    let (bucket, keys) = (bucket.to_owned(), keys.to_owned());
    let receive = spawn_local(async move {
        let mut current = Some(first);
        loop {
            if let Some(entries) = &mut current {
                match next(&line, entries).await {
                    Some(true) => continue,
                    Some(false) => return,
                    None => current = None,
                }
            }
            match watch(&line, &bucket, &keys).await {
                Ok(again) => {
                    log::warn!("watching bucket '{bucket}' anew: its values come again");
                    current = Some(again);
                }
                Err(error) if error.is_temporary() => sleep(AGAIN).await,
                Err(error) => return line.shared.fail(error),
            }
        }
    });
    while end.recv().await.is_some() {}
    receive.abort();
}

/// Takes the next entry. `None` if it has to be watched anew; `false` if no more are wanted.
async fn next(line: &Line, entries: &mut Watch) -> Option<bool> {
    let entry = match entries.next().await? {
        Ok(entry) => entry,
        Err(error) => {
            log::debug!("the watch has ended: {error}");
            return None;
        }
    };
    line.metrics.pending.set(entry.delta as f64);
    let operation = match entry.operation {
        Operation::Put => "put",
        Operation::Delete => "delete",
        Operation::Purge => "purge",
    };
    let time = entry.created.unix_timestamp_nanos();
    let arrival = Arrival {
        payload: entry.value,
        headers: None,
        subject: entry.key,
        time: i64::try_from(time).unwrap_or(0),
        sequence: Some(entry.revision),
        more: vec![("operation", Value::from(operation)), ("revision", entry.revision.into())],
    };
    Some(line.take(arrival).await)
}
