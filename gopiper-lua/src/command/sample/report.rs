//! A report of a process and its pipelines.
use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

/// The answer of `/api/v1/pipelines`: the process and all of its pipelines, at one moment.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PipelinesSample {
    pub(crate) process: ProcessSample,
    pub(crate) pipelines: Vec<PipelineSample>,
}

/// The answer of `/api/v1/process`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    pub(crate) pid: u32,
    pub(crate) version: String,
    pub(crate) file: String,
    pub(crate) state: String,
    pub(crate) uptime_seconds: f64,
    /// The names of its pipelines.
    pub(crate) pipelines: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ProcessSample {
    #[serde(flatten)]
    pub(crate) identity: ProcessIdentity,
    pub(crate) cpu_seconds: f64,
    pub(crate) gopiper_cpu_seconds: f64,
    pub(crate) own_threads_cpu_seconds: f64,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) not_ready: Vec<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PipelineSample {
    pub(crate) name: String,
    /// How many of its messages had each outcome.
    pub(crate) outcomes: BTreeMap<String, u64>,
    pub(crate) components: Vec<ComponentSample>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ComponentSample {
    pub(crate) id: String,
    pub(crate) kind: String,
    #[serde(rename = "type")]
    pub(crate) component_type: String,
    pub(crate) next: Vec<String>,
    pub(crate) workers: u64,
    pub(crate) received_messages: u64,
    pub(crate) received_bytes: u64,
    pub(crate) sent_messages: u64,
    pub(crate) sent_bytes: u64,
    pub(crate) dropped_messages: u64,
    pub(crate) missed_messages: u64,
    pub(crate) failed_messages: u64,
    pub(crate) dead_letters: u64,
    pub(crate) returned_messages: u64,
    pub(crate) kept_messages: u64,
    pub(crate) retries: u64,
    pub(crate) panics: u64,
    pub(crate) restarts: u64,
    pub(crate) abandoned_workers: u64,
    pub(crate) late_reports: u64,
    pub(crate) in_flight_messages: u64,
    pub(crate) depth_messages: u64,
    pub(crate) depth_limit_messages: u64,
    pub(crate) depth_bytes: u64,
    pub(crate) depth_limit_bytes: u64,
    pub(crate) present_seconds: f64,
    pub(crate) busy_seconds: f64,
    pub(crate) idle_seconds: f64,
    pub(crate) blocked_seconds: f64,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) memory: Option<MemorySample>,
    /// How full a buffer or the dead letters are.
    pub(crate) stored_part: Option<f64>,
    /// The time for which it has had messages, finished none of them, and waited for no later
    /// component.
    pub(crate) stuck_seconds: f64,
    pub(crate) calls: DurationsSample,
    pub(crate) ages: DurationsSample,
    /// From the oldest to the newest.
    pub(crate) failures: Vec<FailureSample>,
    /// Those that it has registered.
    pub(crate) metrics: Vec<MetricSample>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct MemorySample {
    pub(crate) library_bytes: u64,
    /// How many components the library has.
    pub(crate) components: usize,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DurationsSample {
    /// The upper bound of each bucket in seconds, and the number of calls or messages in it. They
    /// are above the bound of the previous bucket.
    pub(crate) buckets: Vec<(f64, u64)>,
    pub(crate) longer: u64,
    pub(crate) sum_seconds: f64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FailureSample {
    pub(crate) time_seconds: f64,
    pub(crate) status: i32,
    pub(crate) description: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct MetricSample {
    pub(crate) name: String,
    pub(crate) help: String,
    pub(crate) unit: String,
    pub(crate) labels: BTreeMap<String, String>,
    /// A number, or the buckets of a histogram.
    pub(crate) value: serde_json::Value,
}

impl PipelinesSample {
    /// Leaves only numbers, and the names in the pipelines' file: texts may be parts of messages,
    /// and folders tell who runs this.
    pub(crate) fn without_texts(mut self) -> Self {
        let file = &mut self.process.identity.file;
        *file = Path::new(&*file)
            .file_name()
            .map_or_else(String::new, |it| it.to_string_lossy().into());
        for component in self.pipelines.iter_mut().flat_map(|it| &mut it.components) {
            component.failures.clear();
            component.metrics.clear();
        }
        self
    }
}
