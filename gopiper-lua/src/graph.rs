//! Pipelines as drawings: Mermaid for documents, DOT for Graphviz; and each way through them in words.
use std::fmt::Write;

use clap::ValueEnum;
use gopiper_abi::Kind;
use gopiper_core::{Node, Pipeline};

/// What the drawing is written in.
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

/// Each way through a pipeline, a line each, with what is promised on it.
pub(crate) fn promises(pipeline: &mut Pipeline) -> String {
    let (name, mut text) = (pipeline.name().to_owned(), String::new());
    for way in pipeline.ways() {
        let promise = if way.losses.is_empty() { "at least once" } else { "at most once" };
        text += &format!("{name}: {}: {promise}\n", way.components.join(" → "));
        way.losses.iter().for_each(|loss| text += &format!("  {loss}\n"));
    }
    text
}

fn mermaid(pipelines: &[Pipeline], text: &mut String) -> std::fmt::Result {
    // A quote would end the text.
    let quoted = |text: &str| text.replace('"', "#quot;");
    writeln!(text, "flowchart LR")?;
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
