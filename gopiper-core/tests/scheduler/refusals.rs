//! Pipelines that do not fit together are refused before anything starts.
use gopiper_abi::{Error, Factory, NoAttributes, Parallel, Postponed, Value};
use gopiper_core::{ComponentSpec, Pipeline, PipelineError, PipelineOptions};

use crate::{
    CountKeys,
    common::{Probe, in_process, load, run, with_workers},
};

fn refusal(components: Vec<ComponentSpec>) -> Vec<PipelineError> {
    Pipeline::new(components, PipelineOptions::default()).err().expect("refused")
}

/// Supports several workers only if they share the messages by an attribute.
struct KeyedFactory;

impl Factory for KeyedFactory {
    type Component = CountKeys;
    type Attributes = NoAttributes;

    fn new(_: NoAttributes) -> Result<Self, Error> {
        Ok(KeyedFactory)
    }

    fn create(&self, _postponed: Postponed) -> Result<CountKeys, Error> {
        Ok(CountKeys(Default::default()))
    }

    fn pool_size(&self) -> usize {
        4
    }

    fn parallel(&self) -> Parallel {
        Parallel::KEYED
    }
}

#[test]
fn a_keyed_component_has_several_workers_only_with_a_key() {
    let probe = Probe::new::<&str>([]);
    let keyed = || in_process::<KeyedFactory>("keyed");
    let errors = refusal(vec![probe.source(1), with_workers(keyed(), 2), probe.sink()]);
    let component = "keyed".to_owned();
    assert_eq!(errors, [PipelineError::NotPartitioned { component, pool_size: 2 }]);
    // By default it has one.
    let (summary, _) = run(vec![probe.source(1), keyed(), probe.sink()]);
    assert!(summary.is_success());
}

#[test]
fn components_that_do_not_fit_are_refused_all_at_once() {
    let probe = Probe::new::<&str>([]);
    let grep = || load("grep", [("word", Value::from("x"))]);
    let errors = refusal(vec![grep(), probe.source(1), grep()]);
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(errors.len(), 3, "{errors:?}");
    assert!(errors[0].contains("grep is a transform, and cannot be the first"), "{}", errors[0]);

    assert_eq!(refusal(vec![probe.source(1)]), [PipelineError::TooShort(1)]);

    let mut same = vec![probe.source(1), grep(), probe.sink()];
    same[1].options.name = Some("feed".into());
    assert_eq!(refusal(same), [PipelineError::SameName("feed".into())]);

    let errors = refusal(vec![with_workers(probe.source(1), 2), grep(), probe.sink()]);
    assert_eq!(errors, [PipelineError::Single { component: "feed".into(), pool_size: 2 }]);

    let mut wide = vec![probe.source(1), with_workers(grep(), 0), probe.sink()];
    wide[2].options.channel_size = Some(0);
    let errors: Vec<_> = refusal(wide).iter().map(ToString::to_string).collect();
    assert!(errors[0].contains("pool_size must be from 1 to 1024, not 0"), "{errors:?}");
    assert!(errors[1].contains("channel_size must be from 1 to "), "{errors:?}");
}
