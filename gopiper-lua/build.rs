//! Refuses to build a program that could not stop an endless loop in a Lua function.

/// With this LuaJIT's compiled code looks at hooks. LuaJIT's own build reads it from one of these
/// variables.
const FLAG: &str = "LUAJIT_ENABLE_CHECKHOOK";
const VARIABLES: [&str; 2] = ["CFLAGS", "XCFLAGS"];

fn main() {
    VARIABLES.iter().for_each(|name| println!("cargo::rerun-if-env-changed={name}"));
    let is_set = |name: &&str| std::env::var(name).is_ok_and(|flags| flags.contains(FLAG));
    if !VARIABLES.iter().any(is_set) {
        println!(
            "cargo::error=LuaJIT would be built without {FLAG}, and nothing could stop an endless loop in a Lua \
             function: add -D{FLAG} to CFLAGS (CFLAGS='-O2 -D{FLAG}' cargo build), run `cargo clean -p mlua-sys` \
             if it was built before, or build in the workspace of gopiper, whose .cargo/config.toml sets it"
        );
    }
}
