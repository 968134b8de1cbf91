//! The names of the components of a list.
use std::collections::{BTreeMap, BTreeSet};

use crate::plan::{options::ComponentSpec, step::Step};

/// The names of the components and buffers of a list, in order, including those of branches: given
/// by the operator, or their own.
pub fn names(steps: &[Step]) -> Vec<String> {
    let mut names = Names::default();
    names.add_all(steps);
    names.all
}

#[derive(Default)]
pub(crate) struct Names {
    all: Vec<String>,
    taken: BTreeSet<String>,
    /// The first number that may be free after each name.
    numbers: BTreeMap<String, usize>,
}

impl Names {
    pub(crate) fn new(taken: impl Iterator<Item = String>) -> Self {
        Names { taken: taken.collect(), ..Names::default() }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// The component's name: the one that the operator gave, or its own, numbered if it is taken.
    pub(crate) fn free(&mut self, component: &ComponentSpec) -> String {
        self.free_name(component.options.name.as_deref(), component.factory.name())
    }

    fn free_name(&mut self, given: Option<&str>, own: &str) -> String {
        if let Some(name) = given {
            return name.to_owned();
        }
        if !self.taken.contains(own) {
            return own.to_owned();
        }
        let number = self.numbers.entry(own.to_owned()).or_insert(2);
        loop {
            let name = format!("{own}_{number}");
            *number += 1;
            if !self.taken.contains(&name) {
                return name;
            }
        }
    }

    fn add_all(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Component(component) => {
                    let name = self.free(component);
                    self.add(name);
                }
                Step::Buffer(options) => {
                    let name = self.free_name(options.name.as_deref(), "buffer");
                    self.taken.insert(format!("{name}.out"));
                    self.add(name);
                }
                Step::Tee(branches) => {
                    branches.iter().for_each(|branch| self.add_all(&branch.steps));
                }
                Step::Route { router, branches } => {
                    let name = self.free(router);
                    self.add(name);
                    branches.iter().for_each(|(_, steps)| self.add_all(steps));
                }
                Step::Merge(lists) => lists.iter().for_each(|steps| self.add_all(steps)),
            }
        }
    }

    fn add(&mut self, name: String) {
        self.taken.insert(name.clone());
        self.all.push(name);
    }
}
