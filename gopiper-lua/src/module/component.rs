//! `loadComponent`, `transform` and `buffer`: the elements of a pipeline's list.
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use gopiper_abi::{
    BatchCall, BatchComponent, Error, HandleFlags, Kind, Produced, Source, own,
    raw::{RawError, client::FactoryHandle},
};
use gopiper_core::{
    BufferOptions, ComponentOptions, ComponentSpec, at_work,
    loader::{self, Trust, for_shell},
};
use mlua::{Function, Table, UserData, UserDataFields, Value};
use parking_lot::Mutex;

use super::{
    call::ModuleCall,
    made::{Made, UnusedComponent},
    options::{FunctionOptions, buffer_options, component_options, function_options},
};
use crate::{
    function::position_of,
    language::{convert::GivenAttributes, paths, search::SearchPath, settings::Settings},
    problem::{place::Place, remark::Remark},
};

/// A component that was loaded, until a pipeline takes it.
pub(super) struct ListedComponent {
    pub(super) place: Option<Place>,
    taken: Arc<AtomicBool>,
    /// No factory if the file is not a component: then not even its kind is known.
    spec: Mutex<Option<(Option<FactoryHandle>, ComponentOptions)>>,
}

impl UserData for ListedComponent {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "component");
    }
}

/// A function that is a transform, with its options.
pub(super) struct Transform {
    pub(super) place: Option<Place>,
    /// The position of its function.
    pub(super) at: String,
    pub(super) options: Mutex<Option<FunctionOptions>>,
}

impl UserData for Transform {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "transform");
    }
}

/// A buffer between two components.
pub(super) struct Buffer {
    pub(super) place: Option<Place>,
    pub(super) options: BufferOptions,
}

impl UserData for Buffer {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", "buffer");
    }
}

pub(super) fn load_component(
    call: &ModuleCall<'_>,
    from: (&SearchPath, &Settings),
    paths_from: Option<&Path>,
    (file, attributes, options): (Value, Value, Value),
) -> ListedComponent {
    let file: Option<String> = call.argument(1, "the file", file);
    let factory = file.as_ref().and_then(|file| {
        let (mut factory, path) = factory(call, from, file)?;
        if !attributes_fit(call, &mut factory, (file, &path), paths_from, attributes.clone()) {
            factory = placeholder_factory(factory.name(), factory.kind());
        }
        Some(factory)
    });
    if file.is_none() {
        call.optional::<Table>(2, "the attributes", attributes);
    }
    let options = component_options(call.options(3, options));
    let (place, taken) = (call.place(0, ""), Arc::new(AtomicBool::new(false)));
    if let (Some(file), Some(mut made)) = (file, call.lua.app_data_mut::<Made>()) {
        made.components.push(UnusedComponent { place: place.clone(), file, taken: taken.clone() });
    }
    ListedComponent { place, taken, spec: Mutex::new(Some((factory, options))) }
}

fn factory(
    call: &ModuleCall<'_>,
    (search, settings): (&SearchPath, &Settings),
    file: &str,
) -> Option<(FactoryHandle, PathBuf)> {
    let wrong = |error: String| call.wrong(1, "", error);
    let path = search.find(file).map_err(|missing| wrong(missing.to_string())).ok()?;
    let of_file =
        call.lua.app_data_ref::<Made>().map(|made| (made.trust.clone(), made.trust_is_wrong));
    let (of_file, is_wrong) = of_file.unwrap_or_default();
    // Refusals of the file would only follow from that, and code of it must not run unjudged.
    if is_wrong && settings.trust.is_none() {
        return None;
    }
    let trust = settings.trust.clone().unwrap_or(of_file);
    let trust = Trust { in_place: settings.load_in_place, ..trust };
    let loaded =
        at_work::during(format!("file {}", path.display()), || loader::load(&path, &trust));
    let component = loaded.map_err(|refusal| call.refused(refusal)).ok()?;
    for warning in component.warnings {
        call.note(Remark::warning(call.place(1, ""), warning));
    }
    let factory =
        at_work::during(format!("component {file}"), || FactoryHandle::new(component.module));
    let factory = factory.map_err(|error| wrong(format!("{file}: {error}"))).ok()?;
    Some((factory, path))
}

/// Gives a component its attributes. Returns whether it accepted them. Relative paths among them
/// start at a folder, or at the working directory.
fn attributes_fit(
    call: &ModuleCall<'_>,
    factory: &mut FactoryHandle,
    (file, path): (&str, &Path),
    paths_from: Option<&Path>,
    given: Value,
) -> bool {
    let given = match given {
        Value::Nil => Some(GivenAttributes::default()),
        given => {
            call.argument::<Table>(2, "the attributes", given).map(|t| GivenAttributes::read(&t))
        }
    };
    let Some(GivenAttributes { map, errors, unknown, .. }) = given else { return false };
    let known = errors.is_empty() && unknown.is_empty();
    for (path, error) in &errors {
        call.wrong(2, path, format!("{file}: {error}"));
    }
    let configured = at_work::during(format!("component {file}"), || {
        let map = match paths_from {
            Some(folder) => paths::start_at(folder, map, || factory.schema()),
            None => map,
        };
        factory.configure(map)
    });
    let Err(refused) = configured else { return known };
    for RawError { attribute, message, .. } in refused {
        // Unknown values are not errors of the attributes, nor are errors that result from them.
        let no_wonder = |path: &String| attribute.starts_with(path.as_str());
        if !known
            && (attribute.is_empty()
                || unknown.iter().chain(errors.iter().map(|(path, _)| path)).any(no_wonder))
        {
            continue;
        }
        let error = RawError::new(attribute.clone(), message);
        let shown_by = format!("gopiper inspect --load {} shows the attributes", for_shell(path));
        call.wrong(2, &attribute, format!("{file}: {error}\n{shown_by}"));
    }
    false
}

/// A function with options.
pub(super) fn transform(call: &ModuleCall<'_>, (user, options): (Value, Value)) -> Transform {
    let at = position_of(call.lua, &user);
    call.argument::<Function>(1, "what it does", user);
    let options = function_options(call.options(2, options));
    Transform { place: call.place(0, ""), at, options: Mutex::new(Some(options)) }
}

pub(super) fn buffer(call: &ModuleCall<'_>, options: Value) -> Buffer {
    Buffer { place: call.place(0, ""), options: buffer_options(call.options(1, options)) }
}

impl ListedComponent {
    /// Whether its file is a component: otherwise not even its kind is known.
    pub(super) fn is_known(&self) -> bool {
        self.spec.lock().as_ref().is_none_or(|(factory, _)| factory.is_some())
    }

    /// Takes it into its pipeline. A component of unknown kind becomes one of the kind that its
    /// place needs.
    pub(super) fn take(&self, belongs: Kind) -> Result<ComponentSpec, String> {
        self.taken.store(true, Relaxed);
        let taken = self.spec.lock().take();
        let (factory, mut options) =
            taken.ok_or("it is already in a pipeline: load it once for each place")?;
        let factory = factory.unwrap_or_else(|| {
            // The number of workers that it supports is unknown, too.
            options.pool_size = options.pool_size.map(|size| size.min(1));
            placeholder_factory("component", belongs)
        });
        Ok(ComponentSpec { factory, options })
    }
}

/// Replaces a component that could not be created, so that the rest of its pipeline can be checked.
/// It never runs, because there was an error.
pub(super) fn placeholder_factory(name: &'static str, kind: Kind) -> FactoryHandle {
    match kind {
        Kind::SOURCE => own::source(name, |_| Ok(PlaceholderComponent)),
        Kind::SINK => own::sink(name, |_| Ok(PlaceholderComponent)),
        _ => own::transform(name, |_| Ok(PlaceholderComponent)),
    }
}

struct PlaceholderComponent;

impl Source for PlaceholderComponent {
    fn produce(&mut self, _: usize) -> Result<Produced, Error> {
        Err(Error::new("a placeholder cannot run"))
    }
}

impl BatchComponent for PlaceholderComponent {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        call.reported()
    }
}
