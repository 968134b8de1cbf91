//! The choice of pipelines by name.
use gopiper_core::Control;

/// The pipelines with this name; all of them without a name. There is at least one.
///
/// # Errors
/// There is none, as text.
pub(super) fn named<'a>(
    controls: &'a [Control],
    name: Option<&str>,
) -> Result<Vec<&'a Control>, String> {
    let named = controls.iter().filter(|it| name.is_none_or(|name| name == it.name()));
    let named: Vec<_> = named.collect();
    match name {
        _ if controls.is_empty() => Err("no pipeline has started yet".into()),
        Some(name) if named.is_empty() => {
            let names: Vec<_> = controls.iter().map(Control::name).collect();
            Err(format!("there is no pipeline '{name}', but there are: {}", names.join(", ")))
        }
        _ => Ok(named),
    }
}
