//! The example of a program that embeds gopiper, run unchanged.
mod common;

use std::process::Command;

#[test]
fn the_example_runs() {
    // `cargo test` builds the examples, beside the folder that this test lies in.
    let mut example = std::env::current_exe().expect("this test");
    example.pop();
    example.set_file_name("examples");
    example.push("embedded");
    let output = Command::new(example).arg(common::plugin("grep")).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(
        said,
        "found 77 177 277 377 477 577 677 770 771 772\ndelivered 10\n\
         numbers: received false, sent true\ngrep: received true, sent true\n\
         first_ten: received true, sent true\nsuccess true\n"
    );
}
