//! The library for C, with its header and the linker's map, in the folder where it was built or
//! installed.
use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

use gopiper_abi::raw::{INTERFACE_VERSION, LAYOUT_HASH};

const HEADER: &str = "include/gopiper_component.h";
const FILES: [&str; 3] = [HEADER, "lib/libgopiper_component.a", "lib/gopiper_component.map"];

/// The folder in which packages install it.
const SYSTEM: &str = "/usr/lib/gopiper/c";

/// Its files, by their names in the author's folder. They are read before anything is written.
pub(crate) fn find(given: Option<&Path>) -> Result<Vec<(&'static str, Vec<u8>)>, String> {
    let places = given.map_or_else(usual_places, |given| vec![given.to_owned()]);
    let Some(folder) = places.iter().find(|folder| folder.join(HEADER).exists()) else {
        let looked: String =
            places.iter().map(|folder| format!("\n  {}", folder.join(HEADER).display())).collect();
        return Err(format!(
            "the kit for C is not installed: looked for its header at{looked}\nIn a checkout, \
             cargo xtask build-c builds it (target/c). Copy that folder to one of these places, or \
             name it with --from."
        ));
    };
    let read = |file| {
        let path = folder.join(file);
        let content = fs::read(&path);
        let content =
            content.map_err(|error| format!("the kit for C lacks {}: {error}", path.display()))?;
        Ok((file, content))
    };
    let files = FILES.into_iter().map(read).collect::<Result<Vec<_>, String>>()?;
    let (built_for, own) = (Interface::of_header(&files[0].1), Interface::of_program());
    if built_for.as_ref() != Some(&own) {
        return Err(format!(
            "the kit for C in {} does not fit this program: its components would be refused\n  \
             found:   {}\n  wanted:  {own}\n  remedy:  install the kit that comes with this \
             program, or name it with --from; in a checkout: cargo xtask build-c",
            folder.display(),
            built_for.map_or("a header without a version".into(), |it| it.to_string()),
        ));
    }
    Ok(files)
}

/// Beside the program, beside its folder (as in a checkout: `target/release/gopiper`, `target/c`),
/// and where packages put it.
fn usual_places() -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let near = program.iter().flat_map(|program| program.ancestors().skip(1).take(2));
    near.map(|folder| folder.join("c")).chain([SYSTEM.into()]).collect()
}

/// The interface that a header, and so its library, was built for.
#[derive(PartialEq)]
struct Interface {
    version: String,
    layout: u64,
}

impl Interface {
    fn of_program() -> Self {
        Interface { version: INTERFACE_VERSION.into(), layout: LAYOUT_HASH }
    }

    /// As the header's constants say.
    fn of_header(header: &[u8]) -> Option<Self> {
        let header = std::str::from_utf8(header).ok()?;
        let constant = |name: &str| {
            let behind = header.split_once(&format!("#define {name} "))?.1;
            Some(behind.lines().next()?.trim_matches(['"', '{', '}', ' ']))
        };
        let bytes = constant("GOPIPER_LAYOUT_")?.split(", ");
        let bytes = bytes.map(|byte| u8::from_str_radix(byte.strip_prefix("0x")?, 16).ok());
        let bytes = bytes.collect::<Option<Vec<_>>>()?;
        Some(Interface {
            version: constant("GOPIPER_INTERFACE_VERSION")?.into(),
            layout: u64::from_le_bytes(bytes.try_into().ok()?),
        })
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {} with layout {:016x}", self.version, self.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_of_this_checkout_is_of_the_programs_interface() {
        let header = include_bytes!("../../../../gopiper-abi/c/include/gopiper_component.h");
        assert!(Interface::of_header(header) == Some(Interface::of_program()));
        for broken in ["", "#define GOPIPER_INTERFACE_VERSION \"0.1.0\"\n"] {
            assert!(Interface::of_header(broken.as_bytes()).is_none());
        }
    }
}
