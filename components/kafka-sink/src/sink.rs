//! The component: writes the messages of a call, and reports what became of them.
use gopiper_abi::{BatchCall, BatchComponent, Error, HandleFlags, Host, Report};

use crate::{Writing, producing::Producing, record::Record, verdict::AWAY};

/// The component of a worker, with a producer of its own.
pub struct KafkaSink {
    writing: Writing,
    host: Host,
    /// `None` if the last one could not go on, and another one could not be made.
    producing: Option<Producing>,
}

impl KafkaSink {
    pub(crate) fn new(writing: Writing, host: &Host) -> Result<Self, Error> {
        let producing = Producing::new(&writing, host)?;
        Ok(KafkaSink { writing, host: host.clone(), producing: Some(producing) })
    }

    /// The producer; another one if the last one cannot go on.
    fn producing(&mut self) -> Result<&Producing, Error> {
        if self.producing.as_ref().is_some_and(Producing::is_broken) {
            log::warn!("the producer cannot go on: another one takes its place");
            self.producing = None;
        }
        match &mut self.producing {
            Some(producing) => Ok(producing),
            empty => Ok(empty.insert(Producing::new(&self.writing, &self.host)?)),
        }
    }
}

impl BatchComponent for KafkaSink {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        if let Err(error) = self.producing() {
            return call.report_all(Report::retry(AWAY, error.to_string()));
        }
        let Some(producing) = &self.producing else {
            return call.report_all(Report::retry(AWAY, "there is no producer"));
        };
        producing.begin(call.messages().len());
        for (place, message) in call.messages().iter().enumerate() {
            match Record::of(message, &self.writing) {
                Ok(record) => producing.write(place, record),
                Err(report) => producing.refuse(place, report),
            }
        }
        let mut reports = producing.finish();
        call.report_each(|place, _| {
            let report = reports.get_mut(place).and_then(Option::take);
            report.unwrap_or_else(|| Report::retry(AWAY, "nothing is known of it"))
        })
    }
}
