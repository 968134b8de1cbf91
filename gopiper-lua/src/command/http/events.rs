//! `/api/v1/events`: the numbers of all components once a second, as server-sent events. However
//! many listen, the process is looked at once.
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

/// How often the process is looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long a client may take to read an event.
const READ_TIME: Duration = Duration::from_secs(10);
/// How long a client listens at most; then it asks again. The server would cut the connection off
/// a little later.
const LONGEST: Duration = Duration::from_secs(270);

/// The numbers of a moment.
#[derive(Serialize)]
struct LiveSample {
    #[serde(flatten)]
    sample: PipelinesSample,
    /// Since the moment before; empty in the first one.
    rates: Vec<ComponentRates>,
}

/// Looks at the process while somebody listens.
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
    // A number that JSON does not have is null there: it does not fail.
    let text = serde_json::to_string(&sample).unwrap_or_default();
    Bytes::from(format!("event: sample\ndata: {text}\n\n"))
}

/// Sends events from now on.
///
/// # Errors
/// Too many listen: why not.
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
        // One that reads slowly misses events; it delays nobody.
        let event = latest.borrow_and_update().clone();
        if !matches!(timeout(READ_TIME, to.send_data(event)).await, Ok(Ok(()))) {
            return;
        }
    }
}
