//! The reports of a process about its pipelines, as JSON: the server writes them, the page and
//! `gopiper top` read them. Also the rates between two reports. Nothing here sends or receives.
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
