//! The processor time of the whole process, and whose it is.
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::{
    base::cpu,
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
    /// By the name of the pipeline, and the component's name in it.
    components: BTreeMap<String, BTreeMap<String, Duration>>,
}

/// A thread that is no worker.
struct OtherThread {
    name: String,
    cpu: Duration,
}

impl ProcessorTime {
    /// Looks at the threads of the process. Where the system does not show those that are no
    /// workers, they are left to gopiper.
    pub fn look(controls: &[Control]) -> Self {
        let mut time = ProcessorTime::default();
        let workers = time.of_workers(controls);
        let others = cpu::threads().unwrap_or_default().into_iter();
        let others = others.filter(|number| !workers.contains(number)).filter_map(|number| {
            Some(OtherThread { name: cpu::name_of(number)?, cpu: cpu::of_thread(number)? })
        });
        time.divide(controls, others);
        // Last: so the sum of the parts is not more.
        time.process = cpu::of_this_process();
        time
    }

    /// Of a component of a pipeline.
    pub(super) fn of(&self, pipeline: &str, component: &str) -> Option<Duration> {
        self.components.get(pipeline)?.get(component).copied()
    }

    /// Of gopiper itself: what is left of the process.
    pub fn gopiper(&self) -> Duration {
        let components: Duration = self.components.values().flat_map(BTreeMap::values).sum();
        self.process.saturating_sub(components + self.own_threads)
    }

    /// Adds that of the workers, and returns their numbers.
    fn of_workers(&mut self, controls: &[Control]) -> HashSet<u32> {
        let mut workers = HashSet::new();
        for control in controls {
            let components = self.components.entry(control.name().to_owned()).or_default();
            for stage in control.stages() {
                let (present, time) = stage.threads.read();
                workers.extend(present);
                components.insert(stage.name.clone(), time);
            }
        }
        workers
    }

    /// Adds the time of each thread to the component that has created it, as far as its name says.
    fn divide(&mut self, controls: &[Control], others: impl Iterator<Item = OtherThread>) {
        // `None` if it may be several.
        let mut creators: BTreeMap<String, Option<(&str, &str)>> = BTreeMap::new();
        for stage in controls.iter().flat_map(Control::stages) {
            let creator = Some((&*stage.pipeline, &*stage.name));
            creators
                .entry(thread_name(&stage.name))
                .and_modify(|creator| *creator = None)
                .or_insert(creator);
        }
        for other in others.filter(|other| !other.name.starts_with(OWN_THREAD)) {
            let creator = creators.get(&other.name).copied().flatten();
            let sum = creator.and_then(|(pipeline, component)| {
                self.components.get_mut(pipeline)?.get_mut(component)
            });
            *sum.unwrap_or(&mut self.own_threads) += other.cpu;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// None of them belongs to a stage: one is gopiper's, the others are components' own.
    #[test]
    fn threads_with_names_of_their_own_are_told_apart_from_ours() {
        let other = |(name, seconds): (&str, _)| OtherThread {
            name: name.into(),
            cpu: Duration::from_secs(seconds),
        };
        let others = [("gopiper-http", 1), ("gopiper", 2), ("tokio-runtime-w", 4), ("mine", 8)];
        let mut time = ProcessorTime { process: Duration::from_secs(20), ..Default::default() };
        time.divide(&[], others.into_iter().map(other));
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
