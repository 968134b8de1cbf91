//! Random numbers in Lua: each state begins with a different seed.
use std::collections::HashMap;

use parking_lot::Mutex;

/// The seeds of a file's states.
pub(crate) struct Seeds {
    seed: u64,
    /// How many states there were before, by the number of their function.
    states: Mutex<HashMap<usize, u64>>,
}

impl Seeds {
    /// The same in each run if there is a seed.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let seed = seed.unwrap_or_else(|| fastrand::u64(..));
        Seeds { seed, states: Mutex::default() }
    }

    /// The seed of the next state for the function with this number. Workers of one function, and
    /// states that replace others, have different seeds.
    pub(crate) fn next(&self, number: usize) -> f64 {
        let mut states = self.states.lock();
        let state = states.entry(number).or_default();
        *state += 1;
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mixed = random.u64(..) ^ (number as u64).rotate_left(32) ^ *state;
        // As many bits as a Lua number has.
        (fastrand::Rng::with_seed(mixed).u64(..) >> 11) as f64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_state_has_its_own_and_with_a_seed_the_same_in_each_run() {
        let run = |seed| {
            let seeds = Seeds::new(seed);
            (0..3)
                .flat_map(|number| (0..10).map(move |_| number))
                .map(|n| seeds.next(n).to_bits())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(Some(7)), run(Some(7)));
        let all: HashSet<_> =
            [run(Some(7)), run(Some(8)), run(None), run(None)].concat().into_iter().collect();
        assert_eq!(all.len(), 120);
    }
}
