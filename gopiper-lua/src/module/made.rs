//! The results of a file so far, and its errors.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::AtomicBool},
};

use gopiper_core::{Pipeline, loader::Trust};

use crate::{
    language::component_places::PipelinePlaces,
    problem::{place::Place, remark::Remark},
};

/// The results of the file so far.
#[derive(Default)]
pub(crate) struct Made {
    pub(crate) pipelines: Vec<Pipeline>,
    pub(crate) places: BTreeMap<String, PipelinePlaces>,
    /// The problems of the file.
    pub(crate) notes: Vec<Remark>,
    /// The positions of the functions that are transforms in pipelines, in order.
    pub(crate) functions: Vec<String>,
    pub(crate) components: Vec<UnusedComponent>,
    /// The trusted keys, unless the command line overrides them.
    pub(super) trust: Trust,
    /// They are wrong, so no component can be judged by them.
    pub(super) trust_is_wrong: bool,
    /// The names of all pipelines, also of those that could not be put together.
    pub(super) names: Vec<String>,
    pub(super) calls: CallCounts,
}

/// A component that is in no pipeline yet.
pub(crate) struct UnusedComponent {
    pub(crate) place: Option<Place>,
    pub(crate) file: String,
    pub(crate) taken: Arc<AtomicBool>,
}

/// The number of calls on each line by each name: all, and those with each first argument.
pub(super) type CallCounts = HashMap<((String, usize, String), Option<Option<String>>), usize>;
