//! Components of the tests' own, real ones from `.so` files, and a pipeline of both.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod c;
pub mod steps;
pub mod story;

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use gopiper_abi::{
    Component, Error, Factory, HandledCallback, Map, Message, Outcome, Parallel, Postponed,
    Produced, Source, Value, attributes,
    export::{AsSink, AsSource, AsTransform, Exported, Role},
    raw::{ComponentModule_Ref, client::FactoryHandle, module},
};
use gopiper_core::{
    ComponentOptions, ComponentSpec, Control, Pipeline, PipelineOptions, Step, Summary, loader,
};

/// The folder into which `cargo xtask test` puts the components that tests load.
pub fn plugin(name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-plugins");
    let folder = std::env::var_os("GOPIPER_TEST_PLUGINS").map_or(default, PathBuf::from);
    let file = folder.join(format!("{name}_component.so"));
    assert!(file.exists(), "{} is not there; run: cargo xtask test", file.display());
    file
}

/// The program that the workspace builds beside `gopiper`.
pub fn program(name: &str) -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/gopiper");
    let program = std::env::var_os("GOPIPER_TEST_PROGRAM").map_or(default, PathBuf::from);
    let program = program.with_file_name(name);
    assert!(program.exists(), "{} is not there; run: cargo xtask test", program.display());
    program
}

/// A component from a `.so`, configured.
pub fn load<const N: usize>(name: &str, attributes: [(&str, Value); N]) -> ComponentSpec {
    // Read and checked once in a process: an unoptimised file has twenty megabytes.
    static MODULES: Mutex<BTreeMap<String, ComponentModule_Ref>> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(|error| error.into_inner());
    let module = *modules.entry(name.to_owned()).or_insert_with(|| {
        loader::load(&plugin(name), &loader::Trust::default())
            .unwrap_or_else(|refusal| panic!("{refusal}"))
            .module
    });
    drop(modules);
    let mut factory = FactoryHandle::new(module).expect("a factory");
    factory.configure(Map::from_iter(attributes)).expect("configured");
    ComponentSpec { factory, options: ComponentOptions::default() }
}

/// A component that was loaded, without attributes.
pub fn of_module(module: ComponentModule_Ref) -> ComponentSpec {
    let mut factory = FactoryHandle::new(module).expect("a factory");
    factory.configure(Map::default()).expect("configured");
    ComponentSpec { factory, options: ComponentOptions::default() }
}

/// A transform of the test's own, without attributes.
pub fn in_process<F>(name: &'static str) -> ComponentSpec
where
    F: Factory,
    AsTransform: Role<F>,
{
    of_module(module::<Exported<F, AsTransform>>(name, "0.0.0", None))
}

/// The same with that many workers.
pub fn with_workers(mut spec: ComponentSpec, workers: usize) -> ComponentSpec {
    spec.options.pool_size = Some(workers);
    spec
}

/// Starts a pipeline, and waits for its end; a pipeline that hangs fails the test.
pub fn run(components: Vec<impl Into<Step>>) -> (Summary, Control) {
    run_with(components, PipelineOptions::default())
}

pub fn run_with(components: Vec<impl Into<Step>>, options: PipelineOptions) -> (Summary, Control) {
    run_until(components, options, |_| {})
}

/// The same, with an action meanwhile.
pub fn run_until(
    components: Vec<impl Into<Step>>,
    options: PipelineOptions,
    meanwhile: impl FnOnce(&Control),
) -> (Summary, Control) {
    let pipeline = Pipeline::new(components, options).unwrap_or_else(|errors| panic!("{errors:?}"));
    let running = pipeline.start().unwrap_or_else(|error| panic!("{error}"));
    let control = running.control();
    let (tell, hear) = mpsc::channel();
    thread::spawn(move || drop(tell.send(running.wait())));
    meanwhile(&control);
    let summary = hear.recv_timeout(Duration::from_secs(30));
    (summary.unwrap_or_else(|_| panic!("the pipeline hangs; left: {:?}", control.left())), control)
}

/// The input of a test's source, and the messages at its sink.
pub struct Probe(u64);

#[derive(Default)]
pub struct Seen {
    pub input: VecDeque<Message>,
    pub output: Vec<Message>,
    /// The outcome of each input, by its number.
    pub outcomes: BTreeMap<u64, Vec<Outcome>>,
}

static SEEN: Mutex<BTreeMap<u64, Seen>> = Mutex::new(BTreeMap::new());

fn seen<T>(id: u64, f: impl FnOnce(&mut Seen) -> T) -> T {
    let mut all: MutexGuard<'_, _> = SEEN.lock().unwrap_or_else(|error| error.into_inner());
    f(all.entry(id).or_default())
}

impl Probe {
    /// These messages go in.
    pub fn new<M: Into<Input>>(messages: impl IntoIterator<Item = M>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let probe = Probe(NEXT.fetch_add(1, SeqCst));
        let messages = messages.into_iter().map(|message| message.into().0).collect();
        seen(probe.0, |seen| seen.input = messages);
        probe
    }

    /// A source that sends them in batches of `batch`, and records the outcomes.
    pub fn source(&self, batch: usize) -> ComponentSpec {
        self.spec::<Exported<Feed, AsSource>>("feed", batch)
    }

    /// A source that sends a message only when the one before it is settled.
    pub fn patient_source(&self) -> ComponentSpec {
        self.source(0)
    }

    /// A sink that keeps the messages.
    pub fn sink(&self) -> ComponentSpec {
        self.spec::<Exported<Collect, AsSink>>("collect", 1)
    }

    fn spec<F: gopiper_abi::raw::WorkerFactory>(
        &self,
        name: &'static str,
        batch: usize,
    ) -> ComponentSpec {
        let mut factory = FactoryHandle::new(module::<F>(name, "0.0.0", None)).expect("a factory");
        let attributes = Map::from_iter([("probe", self.0 as i64), ("batch", batch as i64)]);
        factory.configure(attributes).expect("configured");
        ComponentSpec { factory, options: ComponentOptions::default() }
    }

    /// The bytes that came out, as text, in order.
    pub fn output(&self) -> Vec<String> {
        let text = |message: &Message| String::from_utf8_lossy(message.data()).into_owned();
        seen(self.0, |seen| seen.output.iter().map(text).collect())
    }

    /// The messages that came out.
    pub fn with_output<T>(&self, f: impl FnOnce(&[Message]) -> T) -> T {
        seen(self.0, |seen| f(&seen.output))
    }

    /// The reported outcomes, by the number of their input: none twice.
    pub fn outcomes_so_far(&self) -> BTreeMap<u64, Outcome> {
        let one = |(place, outcomes): (&u64, &Vec<Outcome>)| {
            assert_eq!(outcomes.len(), 1, "an outcome was reported twice");
            (*place, outcomes[0])
        };
        seen(self.0, |seen| seen.outcomes.iter().map(one).collect())
    }

    /// The outcomes of the inputs, by their number. Each has exactly one.
    pub fn outcomes(&self) -> Vec<Outcome> {
        seen(self.0, |seen| {
            let places: Vec<_> = seen.outcomes.keys().copied().collect();
            assert_eq!(places, (0..places.len() as u64).collect::<Vec<_>>(), "some have none");
            let one = |outcomes: &Vec<Outcome>| {
                assert_eq!(outcomes.len(), 1, "an outcome was reported twice");
                outcomes[0]
            };
            seen.outcomes.values().map(one).collect()
        })
    }
}

/// Possible inputs.
pub struct Input(Message);

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Input(Message::new(text.to_owned()))
    }
}
impl From<String> for Input {
    fn from(text: String) -> Self {
        Input(Message::new(text))
    }
}
impl From<Message> for Input {
    fn from(message: Message) -> Self {
        Input(message)
    }
}

attributes! {
    /// Which test it belongs to.
    pub struct ProbeAttributes {
        /// The probe's number.
        probe: u64,
        /// How many messages a batch has; 0: one, and the next when that is settled.
        batch: usize,
    }
}

/// The source.
pub struct Feed(ProbeAttributes);

pub struct FeedWorker {
    attributes: ProbeAttributes,
    postponed: Postponed,
    sent: u64,
    heard: u64,
}

impl Factory for Feed {
    type Component = FeedWorker;
    type Attributes = ProbeAttributes;

    fn new(attributes: ProbeAttributes) -> Result<Self, Error> {
        Ok(Feed(attributes))
    }

    fn create(&self, postponed: Postponed) -> Result<FeedWorker, Error> {
        Ok(FeedWorker { attributes: self.0.clone(), postponed, sent: 0, heard: 0 })
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

impl Source for FeedWorker {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let ProbeAttributes { probe, batch: size } = self.attributes;
        if size == 0 && self.heard < self.sent {
            return Ok(Produced::WAITING);
        }
        let size = size.max(1);
        let mut batch = self.postponed.batch();
        seen(probe, |seen| {
            for message in seen.input.drain(..size.min(seen.input.len())) {
                // As a real source does: in memory that the host handed out.
                let mut block = self.postponed.host().payload(message.data().len());
                block.copy_from_slice(message.data());
                let mut copy = message.duplicate();
                copy.set_data(block.freeze());
                assert!(batch.push(copy).is_ok());
            }
        });
        if batch.is_empty() {
            return Ok(Produced::FINISHED);
        }
        let token = self.sent;
        self.sent += batch.len() as u64;
        self.postponed.send_tracked(batch, token)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, token: u64, indices: Range<u32>, outcome: Outcome) {
        self.heard += indices.len() as u64;
        seen(self.attributes.probe, |seen| {
            for index in indices {
                seen.outcomes.entry(token + u64::from(index)).or_default().push(outcome);
            }
        });
    }
}

/// The sink.
pub struct Collect(u64);

pub struct CollectWorker(u64);

impl Factory for Collect {
    type Component = CollectWorker;
    type Attributes = ProbeAttributes;

    fn new(attributes: ProbeAttributes) -> Result<Self, Error> {
        Ok(Collect(attributes.probe))
    }

    fn create(&self, _postponed: Postponed) -> Result<CollectWorker, Error> {
        Ok(CollectWorker(self.0))
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }
}

impl Component for CollectWorker {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        seen(self.0, |seen| seen.output.push(message.duplicate()));
        handled.done(message);
    }
}
