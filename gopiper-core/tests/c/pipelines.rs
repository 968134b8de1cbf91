//! Pipelines in C.
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

use crate::{
    EVERYTHING,
    common::c::{component_of, program_of},
};

fn pipelines(arguments: &[&Path]) -> Output {
    let mut command = Command::new(program_of("gopiper-core/tests/c/pipelines.c"));
    command.args(arguments).stdin(Stdio::null()).output().expect("it starts")
}

/// The C program checks everything itself, and prints the errors.
#[test]
fn a_program_in_c_runs_pipelines() {
    let folder = tempfile::tempdir().expect("a folder");
    let [blocks, file] =
        ["blocks", "file"].map(|name| component_of(&format!("gopiper-core/tests/c/{name}.c")));
    let output = pipelines(&[&blocks, &component_of(EVERYTHING), &file, folder.path()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "all is as it should be\n", "{said}");
}
