//! One stage between a source and a sink that cost next to nothing: what `cargo xtask bench`
//! measures of a stage by itself. The source sends the first lines of FILE, over and over, COUNT of
//! them.
//!
//! - `bench_stage FILE COUNT loaded GREP.so WORD`: the search of a loaded `grep` component.
//! - `bench_stage FILE COUNT compiled WORD`: the same search, compiled into this program.
//! - `bench_stage FILE COUNT work WORKERS`: computing of about 2 µs a message.
use std::{env, error::Error as StdError, fs::File, hint::black_box, io::Read, mem, ops::Range};

use gopiper_abi::{
    BatchCall, BatchComponent, Component, Error, HandleFlags, HandledCallback, Map, Message,
    Payload, Postponed, Produced, Report, Source, own, raw::client::FactoryHandle,
};
use gopiper_core::{ComponentOptions, ComponentSpec, Pipeline, PipelineOptions, loader};
use memchr::{memchr_iter, memmem::Finder};

/// As much as `stdin` reads at once.
const BLOCK: u64 = 256 << 10;
/// An amount of work, not of time: a step waits for the one before, so none can be left out.
const STEPS: u32 = 2700;

#[derive(Clone)]
struct Lines {
    block: Payload,
    lines: Vec<Range<usize>>,
}

impl Lines {
    fn read(file: &str) -> Result<Self, Box<dyn StdError>> {
        let mut text = Vec::new();
        File::open(file)?.take(BLOCK).read_to_end(&mut text)?;
        let mut start = 0;
        let lines: Vec<_> =
            memchr_iter(b'\n', &text).map(|end| mem::replace(&mut start, end + 1)..end).collect();
        if lines.is_empty() {
            return Err(format!("{file} does not begin with a line").into());
        }
        Ok(Lines { block: Payload::from(text), lines })
    }
}

/// Lines as slices of one block, as those of `stdin` are.
struct Repeat {
    lines: Lines,
    next: usize,
    left: usize,
    postponed: Postponed,
}

impl Source for Repeat {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        if self.left == 0 {
            return Ok(Produced::FINISHED);
        }
        let Lines { block, lines } = &self.lines;
        let mut batch = self.postponed.batch();
        let parts = lines[self.next..].iter().take(self.left).cloned();
        let sent = batch.extend_slices(block, 1, 0, parts);
        self.next = (self.next + sent) % lines.len();
        self.left -= sent;
        self.postponed.send_batch(batch)?;
        Ok(Produced::MORE)
    }
}

/// Finds a word, as `grep` does.
struct Search(Finder<'static>);

impl Component for Search {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        match self.0.find(message.data()) {
            Some(_) => handled.done(message),
            None => handled.discard(message),
        }
    }
}

struct Work;

impl Component for Work {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let start = message.data().len() as u64;
        black_box((0..STEPS).fold(start, |value, step| (value ^ u64::from(step)).wrapping_mul(31)));
        handled.done(message);
    }
}

struct Take;

impl BatchComponent for Take {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.report_all(Report::DONE)
    }
}

/// The stage, and how many workers it gets.
fn stage(kind: &[&str]) -> Result<(FactoryHandle, usize), Box<dyn StdError>> {
    match *kind {
        ["loaded", file, word] => {
            let mut grep =
                FactoryHandle::new(loader::load(file.as_ref(), &loader::Trust::default())?.module)?;
            grep.configure(Map::from_iter([("word", word)])).map_err(|errors| errors[0].clone())?;
            Ok((grep, 1))
        }
        ["compiled", word] => {
            let word = Finder::new(word).into_owned();
            Ok((own::transform("search", move |_| Ok(Search(word.clone()))), 1))
        }
        ["work", workers] => Ok((own::transform("work", |_| Ok(Work)), workers.parse()?)),
        _ => Err("the first lines of this program's source say how to call it".into()),
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [file, count, kind @ ..] = &args[..] else { return Err("give FILE and COUNT".into()) };
    let (lines, count) = (Lines::read(file)?, count.parse()?);
    let (stage, workers) = stage(kind)?;
    let source = own::source("repeat", move |postponed| {
        Ok(Repeat { lines: lines.clone(), next: 0, left: count, postponed })
    });
    let components = [(source, 1), (stage, workers), (own::sink("take", |_| Ok(Take)), 1)]
        .map(|(factory, workers)| ComponentSpec {
            factory,
            options: ComponentOptions { pool_size: Some(workers), ..Default::default() },
        })
        .into();

    let pipeline = Pipeline::new(components, PipelineOptions::default());
    let summary = pipeline.map_err(|errors| errors[0].clone())?.start()?.wait();
    let received = summary.components[1].1.received;
    if !summary.is_success() || received != count as u64 {
        return Err(format!("{received} of {count} messages: {summary:?}").into());
    }
    Ok(())
}
