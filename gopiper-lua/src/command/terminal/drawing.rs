//! Drawings of pipelines (Mermaid for documents, DOT for Graphviz), and the ways through them as
//! text.
use std::fmt::Write;

use clap::ValueEnum;
use gopiper_abi::Kind;
use gopiper_core::{Node, Pipeline, Promise};
use serde_json::json;

use crate::command::{terminal::logging::LogFormat, terminal::output::print};

/// The format of a drawing.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum GraphFormat {
    /// For Markdown: GitHub and others draw it.
    #[default]
    Mermaid,
    /// For Graphviz: `dot -Tsvg`.
    Dot,
}

/// Draws pipelines.
pub(crate) fn draw(pipelines: &[Pipeline], format: GraphFormat) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = match format {
        GraphFormat::Mermaid => mermaid(pipelines, &mut text),
        GraphFormat::Dot => dot(pipelines, &mut text),
    };
    text
}

/// The most ways through a pipeline that are shown: each tee multiplies them.
const MOST_WAYS: usize = 100;

/// Shows the ways through a pipeline and the promise of each: a line for each way and each loss, or
/// an object for each way.
pub(crate) fn show_promises(pipeline: &mut Pipeline, format: LogFormat) {
    let name = pipeline.name().to_owned();
    let mut ways = pipeline.ways();
    for way in ways.by_ref().take(MOST_WAYS) {
        let promise = way.promise();
        match format {
            LogFormat::Text => {
                print(format_args!("{name}: {way}: {promise}"));
                way.losses.iter().for_each(|loss| print(format_args!("  {loss}")));
                if promise == Promise::AtLeastOnce {
                    let each = way.duplicates.iter();
                    each.for_each(|cause| print(format_args!("  may come twice: {cause}")));
                }
            }
            LogFormat::Json => print(json!({
                "pipeline": name, "components": way.components, "branches": way.branches,
                "promise": promise.to_string(), "losses": way.losses,
                "duplicates": way.duplicates,
            })),
        }
    }
    if ways.next().is_some() {
        match format {
            LogFormat::Text => print(format_args!("{name}: and more ways than these {MOST_WAYS}")),
            LogFormat::Json => print(json!({ "pipeline": name, "more": true })),
        }
    }
}

fn mermaid(pipelines: &[Pipeline], text: &mut String) -> std::fmt::Result {
    writeln!(text, "flowchart LR")?;
    let quoted = in_mermaid;
    for (p, pipeline) in pipelines.iter().enumerate() {
        writeln!(text, "  subgraph p{p} [\"{}\"]", quoted(pipeline.name()))?;
        for (n, node) in pipeline.nodes().iter().enumerate() {
            let (open, close) = match node.kind {
                Kind::TRANSFORM => ("[", "]"),
                _ => ("([", "])"),
            };
            writeln!(text, "    p{p}n{n}{open}\"{}\"{close}", quoted(&shown(node)))?;
        }
        for link in pipeline.links() {
            let arrow = if link.is_lossy() { "-.->" } else { "-->" };
            let label = match link.label.as_str() {
                "" => String::new(),
                label => format!("|\"{}\"|", quoted(label)),
            };
            writeln!(text, "    p{p}n{} {arrow}{label} p{p}n{}", link.from, link.to)?;
        }
        writeln!(text, "  end")?;
    }
    Ok(())
}

/// Escapes text: a quote would end it, and other characters have a meaning.
fn in_mermaid(text: &str) -> String {
    let mut quoted = String::new();
    for letter in text.chars() {
        match letter {
            '"' => quoted += "#quot;",
            '<' => quoted += "#lt;",
            '>' => quoted += "#gt;",
            '&' => quoted += "#amp;",
            '#' => quoted += "#35;",
            '`' => quoted += "#96;",
            letter => quoted.push(letter),
        }
    }
    quoted
}

fn dot(pipelines: &[Pipeline], text: &mut String) -> std::fmt::Result {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    writeln!(text, "digraph gopiper {{\n  rankdir=LR")?;
    for (p, pipeline) in pipelines.iter().enumerate() {
        let name = quoted(pipeline.name());
        writeln!(text, "  subgraph cluster_{p} {{\n    label=\"{name}\"")?;
        for (n, node) in pipeline.nodes().iter().enumerate() {
            let shape = if node.kind == Kind::TRANSFORM { "box" } else { "ellipse" };
            writeln!(text, "    p{p}n{n} [shape={shape}, label=\"{}\"]", quoted(&shown(node)))?;
        }
        for link in pipeline.links() {
            let style = if link.is_lossy() { ", style=dashed" } else { "" };
            let (from, to, label) = (link.from, link.to, quoted(&link.label));
            writeln!(text, "    p{p}n{from} -> p{p}n{to} [label=\"{label}\"{style}]")?;
        }
        writeln!(text, "  }}")?;
    }
    writeln!(text, "}}")
}

fn shown(node: &Node) -> String {
    match node.workers {
        1 => node.name.clone(),
        workers => format!("{} × {workers}", node.name),
    }
}
