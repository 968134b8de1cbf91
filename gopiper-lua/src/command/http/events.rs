//! `/api/v1/events`: the numbers of all components once a second, as server-sent events. The
//! numbers are read once for all clients.
use std::time::Duration;

use http_body_util::channel::{Channel, Sender};
use hyper::body::Bytes;
use serde::Serialize;
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

use super::{
    api,
    state::shared::{MOST_LISTENERS, Shared},
};
use crate::command::sample::{ComponentRates, PipelinesSample, rates};

/// How often the numbers are read.
const EVERY: Duration = Duration::from_secs(1);
/// How long a client may take to read an event.
const READ_TIME: Duration = Duration::from_secs(10);
/// The longest time that a client listens; then it asks again. A little later, the server would
/// close the connection.
const LONGEST: Duration = Duration::from_secs(270);

/// The numbers at one moment.
#[derive(Serialize)]
struct LiveSample {
    #[serde(flatten)]
    sample: PipelinesSample,
    /// The rates since the previous event; empty in the first event.
    rates: Vec<ComponentRates>,
}

/// Reads the numbers while clients listen.
pub(super) async fn look(shared: &Shared) {
    let events = &shared.events;
    loop {
        if events.latest.is_closed() {
            events.wanted.notified().await;
            continue;
        }
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<PipelinesSample> = None;
        while !events.latest.is_closed() {
            looks.tick().await;
            let now = api::sample(shared).without_texts();
            let rates = before.as_ref().map_or(Vec::new(), |before| rates(before, &now));
            events.latest.send_replace(event(LiveSample { sample: now.clone(), rates }));
            before = Some(now);
        }
    }
}

fn event(sample: LiveSample) -> Bytes {
    // It does not fail: a number that JSON does not have becomes null.
    let text = serde_json::to_string(&sample).unwrap_or_default();
    Bytes::from(format!("event: sample\ndata: {text}\n\n"))
}

/// Sends events from now on.
///
/// # Errors
/// Too many clients listen, as text.
pub(super) fn listen(shared: &Shared) -> Result<Channel<Bytes>, String> {
    let events = &shared.events;
    let place = events.places.clone().try_acquire_owned();
    let place = place
        .map_err(|_| format!("{MOST_LISTENERS} clients listen already: close one of the pages"))?;
    let latest = events.latest.subscribe();
    events.wanted.notify_one();
    let (sender, body) = Channel::new(1);
    tokio::spawn(send(latest, sender, place));
    Ok(body)
}

/// Sends the latest event, whenever there is a new one, until the client has gone.
async fn send(
    mut latest: watch::Receiver<Bytes>,
    mut to: Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let until = Instant::now() + LONGEST;
    while Instant::now() < until && latest.changed().await.is_ok() {
        // A client that reads slowly misses events, but delays no other client.
        let event = latest.borrow_and_update().clone();
        if !matches!(timeout(READ_TIME, to.send_data(event)).await, Ok(Ok(()))) {
            return;
        }
    }
}
