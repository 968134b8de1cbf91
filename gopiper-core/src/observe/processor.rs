//! The processor time of the whole process, and whose it is.
use std::{collections::BTreeMap, time::Duration};

use crate::{
    base::cpu::{self, Task},
    run::{pool::thread_name, running::Control},
};

/// The names of the program's own threads begin with this.
const OWN_THREAD: &str = "gopiper";

/// The processor time of the process so far, by component. Its worker threads are known by number;
/// a thread that a component has started itself has inherited the name of its creator, unless the
/// component has named it.
#[derive(Debug, Clone, Default)]
pub struct ProcessorTime {
    /// Of the whole process, with threads that have ended.
    pub process: Duration,
    /// Of threads that cannot be assigned by number or name: mostly those that components have
    /// started and named.
    pub own_threads: Duration,
    components: BTreeMap<(String, String), Duration>,
}

impl ProcessorTime {
    /// Looks at the threads of the process. Where the system does not show them, components have
    /// none.
    pub fn look(controls: &[Control]) -> Self {
        let mut time = ProcessorTime::default();
        if let Ok(mut tasks) = cpu::tasks() {
            time.divide(controls, &mut tasks);
        }
        // Last: so the sum of the parts is not more.
        time.process = cpu::of_this_process();
        time
    }

    /// Of a component of a pipeline.
    pub(super) fn of(&self, pipeline: &str, component: &str) -> Option<Duration> {
        self.components.get(&(pipeline.to_owned(), component.to_owned())).copied()
    }

    /// Of gopiper itself: what is left of the process.
    pub fn gopiper(&self) -> Duration {
        let components: Duration = self.components.values().sum();
        self.process.saturating_sub(components + self.own_threads)
    }

    fn divide(&mut self, controls: &[Control], tasks: &mut BTreeMap<u32, Task>) {
        // How a thread's name shows the component that has created it; `None` if it may be several.
        let mut creators: BTreeMap<String, Option<(String, String)>> = BTreeMap::new();
        for stage in controls.iter().flat_map(Control::stages) {
            let (present, mut sum) = stage.threads.read();
            sum +=
                present.iter().filter_map(|number| tasks.remove(number)).map(|task| task.cpu).sum();
            let key = (stage.pipeline.to_string(), stage.name.clone());
            let others = creators.insert(thread_name(&stage.name), Some(key.clone()));
            if others.is_some() {
                creators.insert(thread_name(&stage.name), None);
            }
            self.components.insert(key, sum);
        }
        for task in tasks.values().filter(|task| !task.name.starts_with(OWN_THREAD)) {
            let creator = creators.get(&task.name).and_then(Option::as_ref);
            let sum = creator.and_then(|key| self.components.get_mut(key));
            *sum.unwrap_or(&mut self.own_threads) += task.cpu;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None of them belongs to a stage: one is gopiper's, the others are components' own.
    #[test]
    fn threads_with_names_of_their_own_are_told_apart_from_ours() {
        let task =
            |name: &str, seconds| Task { name: name.into(), cpu: Duration::from_secs(seconds) };
        let mut tasks = BTreeMap::from([
            (1, task("gopiper-http", 1)),
            (2, task("gopiper", 2)),
            (3, task("tokio-runtime-w", 4)),
            (4, task("mine", 8)),
        ]);
        let mut time = ProcessorTime { process: Duration::from_secs(20), ..Default::default() };
        time.divide(&[], &mut tasks);
        assert_eq!(time.own_threads, Duration::from_secs(12));
        assert_eq!(time.gopiper(), Duration::from_secs(8));
    }

    #[test]
    fn the_whole_process_is_divided() {
        let time = ProcessorTime::look(&[]);
        assert!(time.process > Duration::ZERO);
        assert!(time.own_threads + time.gopiper() <= time.process, "{time:?}");
        assert_eq!(time.of("main", "pass"), None);
    }
}
