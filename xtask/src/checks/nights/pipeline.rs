//! The pipeline of a night.

use std::path::Path;

use fastrand::Rng;

/// Functions, and whether what they pass on is what they were given.
const FUNCTIONS: &[(&str, bool, &str)] = &[
    ("nothing", true, "return"),
    (
        "reads",
        true,
        "pcall(m.json, m, 'odd') pcall(m.json, m, '/1/01/0') pcall(m.decode, m, 'deep') pcall(m.json, m, '/a~1b~0c.d')",
    ),
    (
        "odd numbers",
        true,
        "local _, n = pcall(m.json, m, 'odd')
         n = tonumber(n) or 0/0
         pcall(m.sub, m, n) pcall(m.sub, m, 1, n) pcall(m.find, m, 'x', n)
         pcall(function() m.time = n end) pcall(function() m.attributes.n = n end)
         pcall(function() m.attributes.list = { n, { n } } end)",
    ),
    ("edits", false, "m:set_json('seen', true) m:set_json('/1', m:json('odd'))"),
    ("appends", false, "for i = 1, 100 do m:append(' ' .. i) end m:append(m.time)"),
    ("fails", true, "if m:find('7,') then error('a seven') end"),
    ("raises odd things", true, "if m:find('7,') then error({ { 0/0 } }) end"),
    (
        "is slow at times",
        true,
        "if m:find('99,') then local t = os.clock() while os.clock() - t < 0.01 do end end",
    ),
];

/// The random options of the pipeline.
#[derive(Debug, Clone)]
pub(super) struct Pipeline {
    function: usize,
    workers: u32,
    buffer: bool,
    strips_bom: bool,
    channel_size: u32,
}

impl Pipeline {
    pub(super) fn any(random: &mut Rng) -> Self {
        Pipeline {
            function: random.usize(0..FUNCTIONS.len()),
            workers: random.u32(1..4),
            buffer: random.u8(0..4) == 0,
            strips_bom: random.bool(),
            channel_size: 16 << random.u32(0..7),
        }
    }

    pub(super) fn name(&self) -> String {
        let buffer = if self.buffer { ", a buffer" } else { "" };
        format!("a function that {}, {} workers{buffer}", FUNCTIONS[self.function].0, self.workers)
    }

    /// Whether the function leaves lines unchanged.
    pub(super) fn keeps_lines(&self) -> bool {
        FUNCTIONS[self.function].1
    }

    pub(super) fn strips_bom(&self) -> bool {
        self.strips_bom
    }

    /// Its Lua file.
    pub(super) fn lua(&self, folder: &Path, patterns: &[&str], follow: bool) -> String {
        let Pipeline { workers, channel_size, .. } = self;
        let path = |name: &str| folder.join(name).display().to_string();
        let bom = if self.strips_bom { "strip" } else { "keep" };
        let buffer = if self.buffer { "gopiper.buffer()," } else { "" };
        format!(
            "local gopiper = require('gopiper')
gopiper.createPipeline({{
  gopiper.loadComponent('file_source_component.so', {{
    paths = {{ {paths} }}, follow = {follow}, bom = '{bom}', checkpoint_interval = 0.05,
  }}),
  gopiper.transform(function(m)
    {function}
  end, {{ pool_size = {workers}, channel_size = {channel_size} }}),
  {buffer}
  gopiper.loadComponent('file_sink_component.so', {{ path = '{output}' }}, {{
    retry = {{ max_attempts = 10000, max_backoff = 0.05 }},
  }}),
}})
",
            paths = patterns
                .iter()
                .map(|name| format!("'{}'", path(name)))
                .collect::<Vec<_>>()
                .join(", "),
            function = FUNCTIONS[self.function].2,
            output = path("out/lines"),
        )
    }
}
