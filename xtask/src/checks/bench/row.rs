//! A measurement: what runs on both sides, and which figure is compared with which target.

use super::brokers::{Broker, Traffic};
use crate::checks::access_log::Format;

/// One comparison. Both sides are command lines that find their files in variables (`Commands`).
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    pub(super) target: Target,
    pub(super) figure: Figure,
    pub(super) how: How,
    pub(super) input: Input,
    /// $PIPELINE has these between standard input and output; a row without does not use it.
    pub(super) between: Option<&'static [&'static str]>,
    pub(super) reference: &'static str,
    pub(super) ours: &'static str,
}

impl Row {
    /// The same row, with our command on both sides: the other build's is the reference.
    pub(super) fn side_by_side(row: &'static Row) -> &'static Row {
        let figure = match row.figure {
            Figure::Cpu | Figure::NanosecondsAStage => Figure::Cpu,
            Figure::Wall | Figure::Speed | Figure::Megabytes => Figure::Wall,
        };
        // There are a few, until the end.
        Box::leak(Box::new(Row {
            reference: row.ours,
            target: Target::AtMost(1.02),
            figure,
            ..*row
        }))
    }
}

#[derive(Clone, Copy)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
}

/// The figure shown for a row.
#[derive(Clone, Copy)]
pub(super) enum Figure {
    /// Our wall time, as a multiple of the reference's.
    Wall,
    /// Our CPU time, as a multiple of the reference's.
    Cpu,
    /// The reference's wall time, as a multiple of ours.
    Speed,
    /// Our CPU time above the reference's, for each message in each component between.
    NanosecondsAStage,
    /// The most memory that one of our processes ever had.
    Megabytes,
}

#[derive(Clone, Copy)]
pub(super) enum How {
    /// By `sh`.
    Shell,
    /// Without a shell, whose own start would be part of both sides; and often.
    Start,
    /// By `sh`; one line each millisecond is written to it and read back. The wall time is the
    /// median from written to read.
    Echo,
    /// By `sh`; this path is requested each second from each gopiper with the runtime directory
    /// $SCRATCH.
    Asked(&'static str),
    /// Without a shell; this path is requested many times over its control socket in $SCRATCH. An
    /// answer is kept in $ANSWER.
    Answers(&'static str),
    /// Without a shell; it moves the messages of a broker that runs for this row.
    Between(Traffic),
}

#[derive(Clone, Copy)]
pub(super) enum Input {
    Nothing,
    Requests(Format),
}

impl Target {
    pub(super) fn is_met_by(self, figure: f64) -> bool {
        self.part_used_by(figure) <= 1.0
    }

    /// 1 at the target, more if it is missed.
    pub(super) fn part_used_by(self, figure: f64) -> f64 {
        match self {
            Target::AtMost(most) => figure / most,
            Target::AtLeast(least) => least / figure,
        }
    }

    pub(super) fn in_words(self) -> String {
        match self {
            Target::AtMost(most) => format!("{most} or less"),
            Target::AtLeast(least) => format!("{least} or more"),
        }
    }
}

impl How {
    /// What a row between brokers runs against.
    pub(super) fn broker(self) -> Option<Broker> {
        match self {
            How::Between(traffic) => Some(traffic.broker),
            How::Shell | How::Start | How::Echo | How::Asked(_) | How::Answers(_) => None,
        }
    }

    /// How often each side runs in a round.
    pub(super) fn turns(self) -> u32 {
        match self {
            How::Start => 25,
            How::Shell | How::Echo | How::Asked(_) | How::Answers(_) | How::Between(_) => 1,
        }
    }
}

impl Figure {
    pub(super) fn unit(self) -> &'static str {
        match self {
            Figure::Wall => "times the reference",
            Figure::Cpu => "times the reference's CPU time",
            Figure::Speed => "of the reference's gain",
            Figure::NanosecondsAStage => "ns of CPU a message and stage",
            Figure::Megabytes => "MB",
        }
    }
}
