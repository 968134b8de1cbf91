//! The component: passes the messages of a call on, and reports what the server has said of them.
use std::sync::mpsc;

use gopiper_abi::{BatchCall, BatchComponent, Error, HandleFlags, Postponed, Report};
use nats_client::Driver;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    Settings,
    outgoing::Outgoing,
    publishing::{self, Call},
};

/// The number for the reason in reports.
const NO_THREAD: u8 = 9;

/// The component of a worker, with a connection of its own.
pub struct NatsSink {
    settings: Settings,
    /// The thread of the connection ends when this is dropped; `None` after that.
    calls: Option<UnboundedSender<Call>>,
    driver: Option<Driver>,
}

impl NatsSink {
    pub(crate) fn new(settings: Settings, postponed: &Postponed) -> Result<Self, Error> {
        let (calls, driver) = publishing::start(&settings, postponed.host())?;
        Ok(NatsSink { settings, calls: Some(calls), driver: Some(driver) })
    }

    /// Publishes messages, and waits for their reports.
    fn publish(&self, messages: Vec<Outgoing>) -> Option<Vec<Report>> {
        if messages.is_empty() {
            return Some(Vec::new());
        }
        let (reports, answer) = mpsc::channel();
        self.calls.as_ref()?.send(Call { messages, reports }).ok()?;
        answer.recv().ok()
    }
}

impl BatchComponent for NatsSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let messages = call.messages();
        let ids = call.ids(0..messages.len());
        let outgoing = messages.iter().enumerate();
        let outgoing = outgoing.map(|(at, it)| Outgoing::new(it, ids.get(at), &self.settings));
        let (mut messages, mut wrong) = (Vec::new(), Vec::new());
        for outgoing in outgoing {
            match outgoing {
                Ok(outgoing) => {
                    messages.push(outgoing);
                    wrong.push(None);
                }
                Err(report) => wrong.push(Some(report)),
            }
        }
        let Some(reports) = self.publish(messages) else {
            let report = Report::retry(NO_THREAD, "the thread of the connection has ended");
            return call.report_all(report);
        };
        let mut reports = reports.into_iter();
        let unknown = || Report::retry(NO_THREAD, "nothing is known of it");
        call.report_each(|place, _| {
            let report = wrong.get_mut(place).and_then(Option::take);
            report.or_else(|| reports.next()).unwrap_or_else(unknown)
        })
    }
}

impl Drop for NatsSink {
    fn drop(&mut self) {
        self.calls = None;
        self.driver = None;
    }
}
