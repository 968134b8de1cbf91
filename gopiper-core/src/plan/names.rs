//! The names of the components of a list.
use std::collections::BTreeSet;

use crate::plan::{planned_stage::free_name, step::Step};

/// The names of the components and buffers of a list, in order, including those of branches: given
/// by the operator, or their own.
pub fn names(steps: &[Step]) -> Vec<String> {
    let mut names = Names::default();
    names.add_all(steps);
    names.all
}

#[derive(Default)]
struct Names {
    all: Vec<String>,
    taken: BTreeSet<String>,
}

impl Names {
    fn add_all(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Component(spec) => self.add(spec.free_name(&self.taken)),
                Step::Buffer(options) => {
                    let name = free_name(options.name.as_deref(), "buffer", &self.taken);
                    self.taken.insert(format!("{name}.out"));
                    self.add(name);
                }
                Step::Tee(branches) => {
                    branches.iter().for_each(|branch| self.add_all(&branch.steps));
                }
                Step::Route { router, branches } => {
                    self.add(router.free_name(&self.taken));
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
