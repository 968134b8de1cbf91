//! Turns an author's factory into the entries of a `.so`.
use std::marker::PhantomData;

use crate::{
    BatchComponent, DeclaredAttributes, Error, Factory, Postponed, Source, attributes, logging,
    raw::{
        BatchCall, HandleFlags, Host, Kind, Map, Need, OnStop, Outcome, Parallel, Produced,
        RawError, Report, WorkerComponent, WorkerFactory,
    },
};

pub use crate::attributes::{
    declare::{Defaulted, set_default},
    from_json, read,
};

/// Exports a factory as a component: emits the note and the entries of the `.so`. Use it once in a
/// crate, which is a `cdylib`. The component has the name and the version of the package.
///
/// ```no_run
/// # use gopiper_abi::*;
/// # struct Upper;
/// # impl Component for Upper {
/// #     fn handle(&mut self, m: Message, h: HandledCallback) { h.done(m) }
/// # }
/// # struct UpperFactory;
/// # impl Factory for UpperFactory {
/// #     type Component = Upper;
/// #     type Attributes = NoAttributes;
/// #     fn new(_: NoAttributes) -> Result<Self, Error> { Ok(UpperFactory) }
/// #     fn create(&self, _: Postponed) -> Result<Upper, Error> { Ok(Upper) }
/// # }
/// gopiper_abi::export_component!(transform: UpperFactory); // or source, or sink
/// # fn main() {}
/// ```
///
/// It also counts what the library allocates
/// ([`CountedAllocator`](crate::raw::CountedAllocator)), so that the operator sees the memory of
/// the component. To use another allocator, give its path, which must be that of a unit struct.
/// Give `none` if the crate has a `#[global_allocator]`, or is also an `rlib`: then nothing is
/// counted.
///
/// ```no_run
/// # use gopiper_abi::*;
/// # struct Upper;
/// # impl Component for Upper {
/// #     fn handle(&mut self, m: Message, h: HandledCallback) { h.done(m) }
/// # }
/// # struct UpperFactory;
/// # impl Factory for UpperFactory {
/// #     type Component = Upper;
/// #     type Attributes = NoAttributes;
/// #     fn new(_: NoAttributes) -> Result<Self, Error> { Ok(UpperFactory) }
/// #     fn create(&self, _: Postponed) -> Result<Upper, Error> { Ok(Upper) }
/// # }
/// gopiper_abi::export_component!(transform: UpperFactory, allocator = std::alloc::System);
/// # fn main() {}
/// ```
///
/// ```no_run
/// # use gopiper_abi::*;
/// # struct Upper;
/// # impl Component for Upper {
/// #     fn handle(&mut self, m: Message, h: HandledCallback) { h.done(m) }
/// # }
/// # struct UpperFactory;
/// # impl Factory for UpperFactory {
/// #     type Component = Upper;
/// #     type Attributes = NoAttributes;
/// #     fn new(_: NoAttributes) -> Result<Self, Error> { Ok(UpperFactory) }
/// #     fn create(&self, _: Postponed) -> Result<Upper, Error> { Ok(Upper) }
/// # }
/// #[global_allocator]
/// static ALLOCATOR: std::alloc::System = std::alloc::System;
/// gopiper_abi::export_component!(transform: UpperFactory, allocator = none);
/// # fn main() {}
/// ```
///
/// A second one in the crate, in any module, is an error that says so:
///
/// ```compile_fail,E0428
/// # use gopiper_abi::*;
/// # struct Upper;
/// # impl Component for Upper {
/// #     fn handle(&mut self, m: Message, h: HandledCallback) { h.done(m) }
/// # }
/// # struct UpperFactory;
/// # impl Factory for UpperFactory {
/// #     type Component = Upper;
/// #     type Attributes = NoAttributes;
/// #     fn new(_: NoAttributes) -> Result<Self, Error> { Ok(UpperFactory) }
/// #     fn create(&self, _: Postponed) -> Result<Upper, Error> { Ok(Upper) }
/// # }
/// mod one { gopiper_abi::export_component!(transform: crate::UpperFactory); }
/// mod two { gopiper_abi::export_component!(sink: crate::UpperFactory); }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_component {
    (source: $factory:ty $(, allocator = $($allocator:tt)+)?) => {
        $crate::export_component!(@ AsSource, $factory, $($($allocator)+)?);
    };
    (transform: $factory:ty $(, allocator = $($allocator:tt)+)?) => {
        $crate::export_component!(@ AsTransform, $factory, $($($allocator)+)?);
    };
    (sink: $factory:ty $(, allocator = $($allocator:tt)+)?) => {
        $crate::export_component!(@ AsSink, $factory, $($($allocator)+)?);
    };
    (@ $role:ident, $factory:ty, $($allocator:tt)*) => {
        // An exported macro is at the root of its crate: a second one of this name is an error
        // with that name in it. Without it, the error would be about a symbol of the linker.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! export_component_may_be_used_once_in_a_crate {
            () => {};
        }

        // The note must lie in a section of that name, and the entry have that name: both are
        // `unsafe` attributes, and all the unsafe that a component has.
        #[allow(unsafe_code)]
        const _: () = {
            #[used]
            #[unsafe(link_section = ".note.gopiper")]
            static NOTE: $crate::raw::Note = $crate::raw::Note::new(
                env!("CARGO_PKG_NAME"),
                env!("CARGO_PKG_VERSION"),
                <$crate::export::$role as $crate::export::HasKind>::KIND.0,
                cfg!(panic = "unwind"),
                $crate::compiled_for!(),
            );

            $crate::export_component!(@allocator $($allocator)*);

            fn module() -> $crate::raw::ComponentModule_Ref {
                $crate::raw::module::<$crate::export::Exported<$factory, $crate::export::$role>>(
                    env!("CARGO_PKG_NAME"),
                    env!("CARGO_PKG_VERSION"),
                    HELD_MEMORY,
                )
            }

            extern "C" fn entry() -> $crate::raw::EntryResult {
                $crate::raw::enter(module)
            }

            #[used]
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static HEADER: $crate::raw::Header = $crate::raw::header(entry);
        };
    };
    (@allocator) => { $crate::export_component!(@allocator ::std::alloc::System); };
    (@allocator none) => {
        const HELD_MEMORY: ::core::option::Option<$crate::raw::HeldMemory> =
            ::core::option::Option::None;
    };
    (@allocator $below:path) => {
        // Unit tests keep the allocator of their program.
        #[cfg_attr(not(test), global_allocator)]
        static ALLOCATOR: $crate::raw::CountedAllocator<$below> =
            $crate::raw::CountedAllocator::new($below);

        extern "C" fn held_memory() -> u64 {
            ALLOCATOR.held()
        }

        const HELD_MEMORY: ::core::option::Option<$crate::raw::HeldMemory> =
            ::core::option::Option::Some(held_memory);
    };
    (@allocator $($other:tt)*) => {
        compile_error!(
            "export_component! takes `allocator = none`, or the path of an allocator that is a unit struct"
        );
    };
    ($($other:tt)*) => {
        compile_error!(
            "export_component! takes what it is and its factory: `source: F`, `transform: F` or `sink: F`"
        );
    };
}

/// The features of the processor that the calling crate may be compiled for, each with whether it
/// is: for the note, so that the host refuses a component whose instructions its machine lacks.
#[doc(hidden)]
#[macro_export]
macro_rules! compiled_for {
    () => {
        $crate::compiled_for!(
            "sse3" "ssse3" "sse4.1" "sse4.2" "sse4a" "popcnt" "avx" "avx2" "bmi1" "bmi2" "fma"
            "f16c" "lzcnt" "movbe" "adx" "tbm" "aes" "vaes" "pclmulqdq" "vpclmulqdq" "gfni"
            "sha" "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512bf16"
            "avx512bitalg" "avx512ifma" "avx512vbmi" "avx512vbmi2" "avx512vnni"
            "avx512vp2intersect" "avx512vpopcntdq"
            "crc" "dotprod" "fp16" "lse" "rcpc" "rdm" "sha2" "sve" "sve2"
        )
    };
    ($($feature:tt)+) => { &[$(($feature, cfg!(target_feature = $feature))),+] };
}

/// The role as which a component is exported. The three roles are types, so that the compiler
/// refuses a source that produces nothing.
pub trait Role<F: Factory> {
    /// The type of the component's workers in the raw interface.
    type Worker: WorkerComponent;

    /// Creates a worker from the factory's component.
    fn worker(component: F::Component) -> Self::Worker;
}

/// The kind of a role.
pub trait HasKind {
    /// The kind.
    const KIND: Kind;
}

/// The role of components that produce messages.
#[derive(Debug)]
pub struct AsSource;
/// The role of components that pass messages on.
#[derive(Debug)]
pub struct AsTransform;
/// The role of components in which messages end.
#[derive(Debug)]
pub struct AsSink;

impl HasKind for AsSource {
    const KIND: Kind = Kind::SOURCE;
}
impl HasKind for AsTransform {
    const KIND: Kind = Kind::TRANSFORM;
}
impl HasKind for AsSink {
    const KIND: Kind = Kind::SINK;
}

impl<F: Factory<Component: Source>> Role<F> for AsSource {
    type Worker = SourceComponent<F::Component>;
    fn worker(component: F::Component) -> Self::Worker {
        SourceComponent(component)
    }
}
impl<F: Factory<Component: BatchComponent>> Role<F> for AsTransform {
    type Worker = ComponentWorker<F::Component>;
    fn worker(component: F::Component) -> Self::Worker {
        ComponentWorker(component)
    }
}
impl<F: Factory<Component: BatchComponent>> Role<F> for AsSink {
    type Worker = ComponentWorker<F::Component>;
    fn worker(component: F::Component) -> Self::Worker {
        ComponentWorker(component)
    }
}

/// A factory in a role.
#[derive(Debug)]
pub struct Exported<F, R>(F, PhantomData<fn() -> R>);

impl<F: Factory, R: Role<F> + HasKind + 'static> WorkerFactory for Exported<F, R> {
    type Worker = R::Worker;
    const KIND: Kind = R::KIND;

    fn schema() -> String {
        F::Attributes::schema().as_value().to_string()
    }

    fn configure(attributes: &Map) -> Result<Self, Vec<RawError>> {
        let attributes = attributes::read(attributes)?;
        let factory = F::new(attributes).map_err(|error| vec![error.into()])?;
        Ok(Exported(factory, PhantomData))
    }

    fn check(&self) -> Result<(), Vec<RawError>> {
        self.0.check().map_err(|error| vec![error.into()])
    }

    fn pool_size(&self) -> usize {
        self.0.pool_size()
    }

    fn channel_size(&self) -> usize {
        self.0.channel_size()
    }

    fn gathers(&self) -> usize {
        self.0.gathers()
    }

    fn parallel(&self) -> Parallel {
        self.0.parallel()
    }

    fn needs(&self) -> Vec<Need> {
        self.0.needs()
    }

    fn durability(&self) -> Result<(), String> {
        self.0.durability()
    }

    fn exactly_once(&self) -> Result<(), String> {
        self.0.exactly_once()
    }

    fn reads(&self, path: &str) -> bool {
        self.0.reads(path)
    }

    fn warnings(&self) -> Vec<RawError> {
        self.0.warnings().into_iter().map(RawError::from).collect()
    }

    fn create(&self, host: Host, on_stop: OnStop) -> Result<Self::Worker, RawError> {
        logging::forward(&host);
        Ok(R::worker(self.0.create(Postponed::new(host, on_stop))?))
    }

    fn destroy(&mut self) {
        self.0.destroy();
    }
}

/// A transform or a sink for the raw interface.
#[derive(Debug)]
pub struct ComponentWorker<C>(pub(crate) C);

impl<C: BatchComponent> WorkerComponent for ComponentWorker<C> {
    fn start(&mut self) -> Result<(), RawError> {
        Ok(self.0.start()?)
    }

    fn produce(&mut self, _credit: usize) -> Result<Produced, RawError> {
        Err(Error::new("it is not a source: it cannot be the first component").into())
    }

    fn handle(&mut self, call: BatchCall<'_>) -> HandleFlags {
        self.0.handle_batch(call)
    }

    fn settled(&mut self, _token: u64, _first: u32, _count: u32, _outcome: Outcome) {}

    fn timer(&mut self, now: i64) -> Result<(), RawError> {
        Ok(self.0.timer(now)?)
    }

    fn end(&mut self, deadline: i64) -> Result<(), RawError> {
        Ok(self.0.end(deadline)?)
    }
}

/// A source for the raw interface.
#[derive(Debug)]
pub struct SourceComponent<S>(pub(crate) S);

impl<S: Source> WorkerComponent for SourceComponent<S> {
    fn start(&mut self) -> Result<(), RawError> {
        Ok(self.0.start()?)
    }

    fn produce(&mut self, credit: usize) -> Result<Produced, RawError> {
        Ok(self.0.produce(credit)?)
    }

    fn handle(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.report_all(Report::fail(0, "it is a source: it takes no messages"))
    }

    fn settled(&mut self, token: u64, first: u32, count: u32, outcome: Outcome) {
        self.0.settled(token, first..first + count, outcome);
    }

    fn timer(&mut self, _now: i64) -> Result<(), RawError> {
        Ok(())
    }

    fn end(&mut self, deadline: i64) -> Result<(), RawError> {
        Ok(self.0.end(deadline)?)
    }
}
