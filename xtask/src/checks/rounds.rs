//! The arguments of checks that run in random rounds.

#[derive(clap::Args)]
pub(crate) struct Rounds {
    /// How many rounds
    #[arg(long = "rounds", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: u64,
    /// The seed of everything random; a round adds its number to it [default: random]
    #[arg(long)]
    seed: Option<u64>,
}

impl Rounds {
    /// The seed, which is printed: with it, the rounds can be repeated.
    pub(crate) fn seed(&self) -> u64 {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
        println!("seed={seed}");
        seed
    }
}
