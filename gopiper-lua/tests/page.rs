//! The live page in a browser: Chromium, which `page/page.mjs` drives, with a running pipeline that
//! has a stuck sink, failures and a full buffer.
mod common;

use std::{
    env, fs,
    path::PathBuf,
    process::{Command, Stdio},
};

use common::{Home, run, served::AtWork, stderr, stdout};

const TOKEN: &str = "0123456789abcdef";

/// The output of `stuck` is not read, so its buffer fills. The other branch goes on.
fn pipelines(parse: &str) -> String {
    format!(
        "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ rate = 400, size = 2000, template = 'line {{n}}:' }}, {{ name = 'lines' }}),
  gopiper.transform({parse}, {{ name = 'parse' }}),
  gopiper.tee({{
    gopiper.buffer({{ name = 'keep', max_bytes = 400000, when_full = 'drop_newest' }}),
    gopiper.loadComponent('stdout_component.so', {{}}, {{ name = 'stuck', channel_size = 16 }}),
  }}, {{
    gopiper.loadComponent('grep_component.so', {{ word = '7' }}),
    gopiper.loadComponent('null_component.so', {{}}, {{ name = 'ends' }}),
  }}),
}})
gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ rate = 5, template = 'tick' }}, {{ name = 'ticks' }}),
  gopiper.loadComponent('pass_component.so', {{}}, {{ name = 'a_long_name_of_a_component_WWWWWW' }}),
  gopiper.loadComponent('null_component.so', {{}}, {{ name = 'nowhere' }}),
}}, {{ name = 'clock' }})
"
    )
}

const FAILS: &str = "function(message)
    message.attributes.length = #message.data
    if message:find('77:') then return gopiper.FAIL, 7, 'two sevens: <b>' .. message.data:sub(1, 9) end
  end";

/// A run that fails with two messages and has ended, and a replay of them: these can be purged.
fn with_replayed_letters() -> Home {
    let text = |parse: &str| {
        format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('generate_component.so', {{ count = 2 }}),
  gopiper.transform({parse}, {{ name = 'parse' }}),
  gopiper.loadComponent('null_component.so', {{}}),
}})
"
        )
    };
    let home = Home::new(&text("function() return gopiper.FAIL, 'no' end"));
    let succeeds = |arguments: &[&str]| {
        let output = home.run(arguments, b"");
        assert!(output.status.success(), "{}", stderr(&output));
    };
    succeeds(&["run"]);
    home.write(&text("function() end"));
    succeeds(&["dlq", "replay"]);
    home
}

#[test]
fn the_page_shows_and_does_what_it_says() {
    let node = env::var_os("GOPIPER_TEST_NODE").map(PathBuf::from).expect(
        "GOPIPER_TEST_NODE is not set: it names a folder with node_modules/playwright-core; run: \
         cargo xtask test",
    );
    let home = with_replayed_letters();
    home.write(&pipelines(FAILS));
    let token = home.folder.path().join("token");
    fs::write(&token, TOKEN).expect("written");
    let at_work = AtWork::at(home, &["--http-token-file", token.to_str().expect("text")]);

    // For a person to look at; the next run replaces them.
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&pictures).expect("a folder");
    let folder = tempfile::tempdir().expect("a folder");
    let mut script = Command::new("node");
    script
        .arg(common::root().join("gopiper-lua/tests/page/page.mjs"))
        .env("GOPIPER_TEST_NODE", node)
        .env("HOME", folder.path())
        .env("PAGE_ADDRESS", format!("http://{}", at_work.address))
        .env("PAGE_TOKEN", TOKEN)
        .env("PAGE_PICTURES", pictures)
        .env("PAGE_PROFILE", folder.path().join("profile"))
        .env("PAGE_PROCESS", at_work.program.id().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = run(&mut script, b"");
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let said = stdout(&output);
    assert!(said.trim_end().ends_with("the page is as it should be"), "{said}");
}
