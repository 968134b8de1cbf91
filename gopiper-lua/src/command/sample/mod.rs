//! What a process reports about its pipelines, as JSON: the server writes it, the page and
//! `gopiper top` read it. Also the rates between two reports. Nothing here asks or answers.
mod rates;
mod report;

#[cfg(test)]
pub(crate) use self::rates::tests::reports;
pub(crate) use self::{
    rates::{ComponentRates, rates},
    report::{
        ComponentSample, DurationsSample, FailureSample, MemorySample, MetricSample,
        PipelineSample, PipelinesSample, ProcessIdentity, ProcessSample,
    },
};
