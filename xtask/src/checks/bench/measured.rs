//! The figure of a row, and the same of its reference against itself.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::commands::{Commands, Sample};
use super::row::{Figure, Row};

pub(super) struct Measured {
    pub(super) row: &'static Row,
    pub(super) figure: f64,
    /// The figure of the reference against itself.
    pub(super) noise: f64,
    sides: Sides<Vec<Sample>>,
    /// Counted by gopiper, and by `wc -l`.
    counts: Option<(u64, u64)>,
}

#[derive(Default)]
struct Sides<T> {
    reference: T,
    ours: T,
    again: T,
}

impl Measured {
    pub(super) fn new(
        row: &'static Row,
        (of_reference, commands): (&Commands, &Commands),
        rounds: u32,
        lines: u64,
        counts: Option<(u64, u64)>,
    ) -> Result<Self> {
        let mut sides: Sides<Vec<Sample>> = Sides::default();
        for round in 1..=rounds {
            for _ in 0..row.how.turns() {
                sides.reference.push(of_reference.run(row.how, row.reference)?);
                sides.ours.push(commands.run(row.how, row.ours)?);
                sides.again.push(of_reference.run(row.how, row.reference)?);
            }
            let last = [&sides.reference, &sides.ours, &sides.again]
                .map(|samples| format!("{:.6}", samples[samples.len() - 1].wall.as_secs_f64()));
            eprintln!("{} {round}/{rounds}: {} s", row.name, last.join("  "));
        }
        let base = best(&sides.reference);
        let stages = lines * row.between.map_or(0, <[_]>::len) as u64;
        let figure = figure(row.figure, base, best(&sides.ours), stages);
        let noise = self::figure(row.figure, base, best(&sides.again), stages);
        Ok(Self { row, figure, noise, sides, counts })
    }

    /// By how much the figure may be off: as much as the reference is from itself.
    pub(super) fn spread(&self) -> f64 {
        match self.row.figure {
            Figure::Wall | Figure::Cpu | Figure::Speed => (self.noise - 1.0).abs() * self.figure,
            Figure::NanosecondsAStage => self.noise.abs(),
            Figure::Megabytes => (self.noise - self.figure).abs(),
        }
    }

    pub(super) fn in_words(&self) -> String {
        let Self { row, figure, noise, .. } = self;
        let met = if row.target.is_met_by(*figure) { "met" } else { "MISSED" };
        let (target, unit) = (row.target.in_words(), row.figure.unit());
        format!("{figure:.3} {unit}, {target}: {met}; the reference itself again {noise:.3}")
    }

    pub(super) fn print(&self) {
        let Row { name, what, reference, ours, .. } = self.row;
        println!("{name}: {what}\n  {}", self.in_words());
        let sides = [
            ("reference", &self.sides.reference, *reference),
            ("ours", &self.sides.ours, *ours),
            ("again", &self.sides.again, *reference),
        ];
        for (side, samples, line) in sides {
            let Sample { wall, cpu, memory } = best(samples);
            let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            let megabytes = megabytes(memory);
            println!("  {side:9}  {wall:.6} s  {cpu:.3} CPU s  {megabytes:.1} MB  {line}");
        }
        if let Some((messages, lines)) = self.counts {
            let verdict = if messages == lines { "equal" } else { "NOT EQUAL" };
            println!("  messages   {messages} counted by gopiper, {lines} by wc -l: {verdict}");
        }
    }

    pub(super) fn record(&self) -> Value {
        let Row { name, what, target, figure, reference, ours, .. } = self.row;
        json!({
            "name": name, "what": what,
            "target": target.in_words(), "met": target.is_met_by(self.figure),
            "figure": self.figure, "unit": figure.unit(), "noise": self.noise,
            "messages": self.counts.map(|counts| counts.0),
            "lines": self.counts.map(|counts| counts.1),
            "commands": { "reference": reference, "ours": ours },
            "reference": record(&self.sides.reference),
            "ours": record(&self.sides.ours),
            "again": record(&self.sides.again),
        })
    }
}

fn figure(figure: Figure, reference: Sample, ours: Sample, stages: u64) -> f64 {
    let seconds = |time: Duration| time.as_secs_f64();
    match figure {
        Figure::Wall => seconds(ours.wall) / seconds(reference.wall),
        Figure::Cpu => seconds(ours.cpu) / seconds(reference.cpu),
        Figure::Speed => seconds(reference.wall) / seconds(ours.wall),
        Figure::NanosecondsAStage => {
            (seconds(ours.cpu) - seconds(reference.cpu)) * 1e9 / stages as f64
        }
        Figure::Megabytes => megabytes(ours.memory),
    }
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}

/// The least wall time, the least CPU time; but the most memory, which is to have a limit.
fn best(samples: &[Sample]) -> Sample {
    let least = |of: fn(&Sample) -> Duration| samples.iter().map(of).min().unwrap_or_default();
    let memory = samples.iter().map(|sample| sample.memory).max().unwrap_or_default();
    Sample { wall: least(|sample| sample.wall), cpu: least(|sample| sample.cpu), memory }
}

fn record(samples: &[Sample]) -> Value {
    let seconds = |of: fn(&Sample) -> Duration| -> Vec<f64> {
        samples.iter().map(|sample| of(sample).as_secs_f64()).collect()
    };
    let memory: Vec<u64> = samples.iter().map(|sample| sample.memory).collect();
    json!({
        "wall_seconds": seconds(|sample| sample.wall),
        "cpu_seconds": seconds(|sample| sample.cpu),
        "most_memory_bytes": memory,
    })
}

#[cfg(test)]
impl Measured {
    pub(super) fn example(row: &'static Row, figure: f64, noise: f64) -> Self {
        Self { row, figure, noise, sides: Sides::default(), counts: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(wall: u64, cpu: u64, megabytes: u64) -> Sample {
        let (wall, cpu) = (Duration::from_secs(wall), Duration::from_secs(cpu));
        Sample { wall, cpu, memory: megabytes << 20 }
    }

    #[test]
    fn the_fastest_round_counts_and_the_most_memory() {
        let best = best(&[sample(3, 1, 7), sample(2, 4, 9), sample(5, 2, 8)]);
        assert_eq!((best.wall.as_secs(), best.cpu.as_secs(), best.memory), (2, 1, 9 << 20));
    }

    #[test]
    fn figures() {
        let (reference, ours) = (sample(4, 5, 1), sample(2, 15, 3));
        let told = |kind| figure(kind, reference, ours, 5_000_000_000);
        assert_eq!(told(Figure::Wall), 0.5);
        assert_eq!(told(Figure::Cpu), 3.0);
        assert_eq!(told(Figure::Speed), 2.0);
        assert_eq!(told(Figure::NanosecondsAStage), 2.0);
        assert_eq!(told(Figure::Megabytes), 3.0);
    }
}
