//! A host program's own components, beside loaded ones: for programs that embed gopiper.
//!
//! They are written like an author's, but created by a closure, so that they can use the program's
//! objects: channels, connections, counters. Each call of the closure creates the component of one
//! worker.
use crate::{
    BatchComponent, Error, Kind, Map, Parallel, Postponed, Source,
    export::{ComponentWorker, SourceComponent},
    raw::{
        Host, Need, OnStop, RawError, WorkerComponent, WorkerFactory, host::client::FactoryHandle,
    },
};

/// A source; it has one worker.
pub fn source<S: Source>(
    name: &'static str,
    make: impl Fn(Postponed) -> Result<S, Error> + Send + 'static,
) -> FactoryHandle {
    let make = move |postponed| make(postponed).map(SourceComponent);
    FactoryHandle::own(name, Own::<_, { Kind::SOURCE.0 }> { make, gathers: 0, why: "" })
}

/// A transform.
pub fn transform<C: BatchComponent>(
    name: &'static str,
    make: impl Fn(Postponed) -> Result<C, Error> + Send + 'static,
) -> FactoryHandle {
    combining_transform(name, "", make)
}

/// A transform that makes messages from several others, and why: those have no identity
/// ([`Factory::exactly_once`](crate::Factory::exactly_once)).
pub fn combining_transform<C: BatchComponent>(
    name: &'static str,
    why: &'static str,
    make: impl Fn(Postponed) -> Result<C, Error> + Send + 'static,
) -> FactoryHandle {
    let make = move |postponed| make(postponed).map(ComponentWorker);
    FactoryHandle::own(name, Own::<_, { Kind::TRANSFORM.0 }> { make, gathers: 0, why })
}

/// A sink.
pub fn sink<C: BatchComponent>(
    name: &'static str,
    make: impl Fn(Postponed) -> Result<C, Error> + Send + 'static,
) -> FactoryHandle {
    committing_sink(name, 0, make)
}

/// A sink that commits what a call brings: a call gathers up to `gathers` messages
/// ([`Factory::gathers`](crate::Factory::gathers)).
pub fn committing_sink<C: BatchComponent>(
    name: &'static str,
    gathers: usize,
    make: impl Fn(Postponed) -> Result<C, Error> + Send + 'static,
) -> FactoryHandle {
    let make = move |postponed| make(postponed).map(ComponentWorker);
    FactoryHandle::own(name, Own::<_, { Kind::SINK.0 }> { make, gathers, why: "" })
}

struct Own<M, const KIND: u32> {
    /// Creates the components.
    make: M,
    /// How many messages a call of theirs gathers.
    gathers: usize,
    /// Why the messages that they send have no identity; empty if they have one.
    why: &'static str,
}

impl<W, M, const KIND: u32> WorkerFactory for Own<M, KIND>
where
    W: WorkerComponent,
    M: Fn(Postponed) -> Result<W, Error> + Send + 'static,
{
    type Worker = W;
    const KIND: Kind = Kind(KIND);

    fn schema() -> String {
        "{}".into()
    }

    fn configure(_: &Map) -> Result<Self, Vec<RawError>> {
        Err(vec![Error::new("a component of the program's own has no attributes").into()])
    }

    fn check(&self) -> Result<(), Vec<RawError>> {
        Ok(())
    }

    fn pool_size(&self) -> usize {
        1
    }

    fn channel_size(&self) -> usize {
        8192
    }

    fn gathers(&self) -> usize {
        self.gathers
    }

    fn parallel(&self) -> Parallel {
        if Self::KIND == Kind::SOURCE { Parallel::SINGLE } else { Parallel::ANY }
    }

    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    fn durability(&self) -> Result<(), String> {
        Err(String::new())
    }

    fn exactly_once(&self) -> Result<(), String> {
        Err(self.why.to_owned())
    }

    fn reads(&self, _path: &str) -> bool {
        false
    }

    fn warnings(&self) -> Vec<RawError> {
        Vec::new()
    }

    fn create(&self, host: Host, on_stop: OnStop) -> Result<W, RawError> {
        Ok((self.make)(Postponed::new(host, on_stop))?)
    }

    fn destroy(&mut self) {}
}
