//! A program that embeds gopiper: a source and a sink of its own around a component that is loaded.
//!
//! Run it with the file of a `grep` component:
//! `cargo run -p gopiper-core --example embedded -- target/plugins/grep_component.so`
use std::{
    env,
    error::Error as StdError,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use gopiper_abi::{
    Component, Error, HandledCallback, Map, Message, Outcome, Postponed, Produced, Source, own,
    raw::client::FactoryHandle,
};
use gopiper_core::{ComponentSpec, Pipeline, PipelineOptions, loader};

/// Numbers without end, until the pipeline is stopped; counts what became of them.
struct Numbers {
    postponed: Postponed,
    next: u64,
    delivered: Arc<AtomicU64>,
}

impl Source for Numbers {
    fn produce(&mut self, _credit: usize) -> Result<Produced, Error> {
        let mut batch = self.postponed.batch();
        let first = self.next;
        while batch.push(Message::new(self.next.to_string())).is_ok() {
            self.next += 1;
        }
        self.postponed.send_tracked(batch, first)?;
        Ok(Produced::MORE)
    }

    fn settled(&mut self, _token: u64, places: Range<u32>, outcome: Outcome) {
        if outcome == Outcome::DELIVERED {
            self.delivered.fetch_add(places.len() as u64, SeqCst);
        }
    }
}

/// Keeps what comes, and ends the pipeline when it has ten.
struct FirstTen {
    postponed: Postponed,
    found: Arc<Mutex<Vec<String>>>,
}

impl Component for FirstTen {
    fn handle(&mut self, message: Message, handled: HandledCallback) {
        let mut found = self.found.lock().expect("no thread panicked");
        if found.len() == 10 {
            self.postponed.host().finish();
            return handled.discard(message);
        }
        found.push(String::from_utf8_lossy(message.data()).into_owned());
        handled.done(message);
    }
}

fn main() -> Result<(), Box<dyn StdError>> {
    let file = env::args().nth(1).ok_or("give the file of a grep component")?;
    let mut grep =
        FactoryHandle::new(loader::load(Path::new(&file), &loader::Trust::default())?.module)?;
    grep.configure(Map::from_iter([("word", "77")])).map_err(|errors| errors[0].clone())?;

    let (delivered, found) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (heard, kept) = (delivered.clone(), found.clone());
    let source = own::source("numbers", move |postponed| {
        Ok(Numbers { postponed, next: 0, delivered: heard.clone() })
    });
    let sink =
        own::sink("first_ten", move |postponed| Ok(FirstTen { postponed, found: kept.clone() }));
    let components = [source, grep, sink]
        .map(|factory| ComponentSpec { factory, options: Default::default() })
        .into();

    let pipeline = Pipeline::new(components, PipelineOptions::default());
    let summary = pipeline.map_err(|errors| errors[0].clone())?.start()?.wait();

    println!("found {}", found.lock().expect("no thread panicked").join(" "));
    println!("delivered {}", delivered.load(SeqCst));
    for (component, counts) in &summary.components {
        println!("{component}: received {}, sent {}", counts.received > 0, counts.sent > 0);
    }
    println!("success {}", summary.is_success());
    Ok(())
}
