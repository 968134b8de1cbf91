//! The public API of gopiper-abi, as its authors' crates see it: a list beside the code, which a
//! change of the API changes too.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use public_api::Builder;

use crate::workspace::{Cargo, root, target_folder};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Replace the list
    #[arg(long)]
    bless: bool,
}

pub(crate) fn api(args: &Args) -> Result<()> {
    let list = list()?;
    match args.bless {
        true => Ok(fs::write(golden(), list)?),
        false => compare(&list),
    }
}

/// # Errors
/// The API is another one than the list says.
pub(crate) fn check() -> Result<()> {
    compare(&list()?)
}

fn golden() -> PathBuf {
    root().join("gopiper-abi/api.txt")
}

/// The layout of the interface in memory is in `layout.txt`; the derived impls of abi_stable are
/// left out.
fn list() -> Result<String> {
    // rustdoc writes JSON only if it is taken for a nightly one.
    let target = target_folder()?.join("api");
    let cargo = Cargo::new().env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", &target);
    cargo.run(
        "rustdoc",
        &["-p", "gopiper-abi", "--lib", "--", "-Zunstable-options", "--output-format", "json"],
    )?;
    let json = target.join("doc/gopiper_abi.json");
    let api = Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| {
            format!(
                "cannot read {}: each compiler has its own format, so use the version of the crate \
                 public-api that supports this one's",
                json.display()
            )
        })?;
    let is_authors = |item: &String| {
        let not = ["gopiper_abi::raw", "abi_stable::", "core_extensions::", "StaticEquivalent"];
        !not.iter().any(|word| item.contains(word))
    };
    let items: Vec<_> = api.items().map(ToString::to_string).filter(is_authors).collect();
    Ok(items.join("\n") + "\n")
}

fn compare(list: &str) -> Result<()> {
    let file = golden();
    let known = fs::read_to_string(&file).with_context(|| format!("no {}", file.display()))?;
    let not_in = |of: &str, other: &str, sign: &str| -> String {
        let lines = of.lines().filter(|line| !other.lines().any(|known| known == *line));
        lines.map(|line| format!("\n{sign} {line}")).collect()
    };
    let changes = not_in(&known, list, "-") + &not_in(list, &known, "+");
    if !changes.is_empty() {
        bail!(
            "the public API of gopiper-abi has changed: `cargo xtask api --bless` writes it to \
             {}{changes}",
            file.display()
        );
    }
    Ok(())
}
