//! The entry of the finished file, and the factory behind it.
use std::{ptr, sync::Arc};

use gopiper_abi::{
    Error, Factory, Kind, Parallel, Postponed,
    export::{AsSink, AsSource, AsTransform, Exported},
    raw,
};

use crate::{
    attributes::{gopiper_attributes, gopiper_error},
    component::gopiper_component,
    declared::Description,
    host::gopiper_host,
    worker::{CWorker, Configuration},
};

fn module() -> raw::ComponentModule_Ref {
    let Description { name, version, kind, .. } = Description::get();
    match *kind {
        Kind::SOURCE => raw::module::<Exported<CFactory, AsSource>>(name, version, None),
        Kind::TRANSFORM => raw::module::<Exported<CFactory, AsTransform>>(name, version, None),
        Kind::SINK => raw::module::<Exported<CFactory, AsSink>>(name, version, None),
        _ => panic!("GOPIPER_COMPONENT takes GOPIPER_SOURCE, GOPIPER_TRANSFORM or GOPIPER_SINK"),
    }
}

extern "C" fn entry() -> raw::EntryResult {
    raw::enter(module)
}

/// The symbol that the host looks for in the file: as the export macro of `gopiper-abi` emits it.
#[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
static HEADER: raw::Header = raw::header(entry);

/// A factory whose work is done by the callbacks of the table.
pub(crate) struct CFactory {
    component: &'static gopiper_component,
    configuration: Arc<Configuration>,
}

impl Factory for CFactory {
    type Component = CWorker;
    type Attributes = gopiper_attributes;

    fn new(attributes: gopiper_attributes) -> Result<Self, Error> {
        let Description { component, kind, .. } = Description::get();
        let works = if *kind == Kind::SOURCE {
            component.produce.is_some()
        } else {
            component.handle.is_some()
        };
        if !works {
            let lacks = if *kind == Kind::SOURCE { "produce" } else { "handle" };
            return Err(Error::new(format!("the component's table has no callback '{lacks}'")));
        }
        let mut error = gopiper_error::default();
        // SAFETY: `configure` is the table's own, and gets attributes and an error that are on this
        // stack for the call, as the header promises.
        let own = component
            .configure
            .map_or(ptr::null_mut(), |configure| unsafe { configure(&attributes, &mut error) });
        // Freed also if it is refused.
        let configuration = Arc::new(Configuration { own, component });
        error.into_result()?;
        Ok(CFactory { component, configuration })
    }

    fn check(&self) -> Result<(), Error> {
        let mut error = gopiper_error::default();
        if let Some(check) = self.component.check {
            // SAFETY: `check` is the table's own. It gets what `configure` made, which is not freed
            // yet, and an error that is on this stack for the call.
            unsafe { check(self.configuration.own, &mut error) }
        }
        error.into_result()
    }

    fn create(&self, postponed: Postponed) -> Result<CWorker, Error> {
        let host = Box::new(gopiper_host::new(postponed));
        CWorker::new(self.component, self.configuration.clone(), host)
    }

    fn pool_size(&self) -> usize {
        self.component.pool_size.max(1) as usize
    }

    fn channel_size(&self) -> usize {
        match self.component.channel_size {
            0 => 8192,
            some => some as usize,
        }
    }

    fn gathers(&self) -> usize {
        self.component.gathers as usize
    }

    fn parallel(&self) -> Parallel {
        Parallel(self.component.parallel)
    }

    fn durability(&self) -> Result<(), String> {
        if self.component.durable { Ok(()) } else { Err(String::new()) }
    }

    fn exactly_once(&self) -> Result<(), String> {
        if self.component.exactly_once { Ok(()) } else { Err(String::new()) }
    }
}
