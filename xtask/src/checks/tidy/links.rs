//! Links between files: each leads to a file of the checkout, and to a heading that is in it.
use std::collections::HashMap;
use std::path::{Component, Path};

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

/// The links of a document that lead nowhere. `read` returns the text of a file, or of a folder an
/// empty one; `None` if there is none.
pub(super) fn dead(name: &Path, text: &str, read: impl Fn(&Path) -> Option<String>) -> Vec<String> {
    let folder = name.parent().unwrap_or(Path::new(""));
    let mut dead = Vec::new();
    for (event, range) in Parser::new(text).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else {
            continue;
        };
        if dest_url.contains("://") || dest_url.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = dest_url.split_once('#').unwrap_or((&dest_url, ""));
        let target = match path {
            "" => Some(text.to_owned()),
            path if stays_inside(&folder.join(path)) => read(&folder.join(path)),
            _ => None,
        };
        let is_page = path.is_empty() || path.ends_with(".md");
        let problem = match target {
            None => "no file",
            Some(target) if is_page && !anchor.is_empty() && !has_heading(&target, anchor) => {
                "no heading"
            }
            Some(_) => continue,
        };
        let number = 1 + text[..range.start].matches('\n').count();
        dead.push(format!("{}:{number}: {problem} {dest_url}", name.display()));
    }
    dead
}

/// Links out of the checkout, or to an absolute path, work on no other machine.
fn stays_inside(path: &Path) -> bool {
    let mut depth = 0i32;
    path.components().all(|part| {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) => depth = -1,
        }
        depth >= 0
    })
}

/// Whether a document has a heading that GitHub gives this anchor: lower case, hyphens for spaces,
/// no other signs, and a number if the same one was there before.
fn has_heading(text: &str, anchor: &str) -> bool {
    let mut heading: Option<String> = None;
    let mut seen = HashMap::<String, usize>::new();
    for event in Parser::new(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(part) | Event::Code(part), Some(heading)) => heading.push_str(&part),
            (Event::End(TagEnd::Heading(_)), Some(words)) => {
                let slug: String = words
                    .to_lowercase()
                    .chars()
                    .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                    .map(|c| if c == ' ' { '-' } else { c })
                    .collect();
                let count = seen.entry(slug.clone()).or_default();
                let slug = if *count == 0 { slug } else { format!("{slug}-{count}") };
                *count += 1;
                if slug == anchor {
                    return true;
                }
                heading = None;
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere() {
        let text = "[a](b.md#part) [c](../README.md) [d](#here) [e](https://x/y) `[f](no.md)`\n\
                    ![g](missing.png)\n[h](../../outside.md) [i](/etc/passwd)\n[j][k]\n\n[k]: gone.md";
        let read = |path: &Path| match path.to_str().unwrap() {
            "docs/b.md" => Some("## Part".to_owned()),
            "docs/../README.md" | "docs/../../outside.md" | "/etc/passwd" => Some(String::new()),
            _ => None,
        };
        let expected = [
            "docs/a.md:1: no heading #here",
            "docs/a.md:2: no file missing.png",
            "docs/a.md:3: no file ../../outside.md",
            "docs/a.md:3: no file /etc/passwd",
            "docs/a.md:4: no file gone.md",
        ];
        assert_eq!(dead(Path::new("docs/a.md"), text, read), expected);
    }

    #[test]
    fn anchors_are_those_that_github_gives() {
        let text = "# `dlq`, and *more*: a b\n\n## Same\n\n## Same\n\n```\n# Code\n```\n";
        for anchor in ["dlq-and-more-a-b", "same", "same-1"] {
            assert!(has_heading(text, anchor), "{anchor}");
        }
        for anchor in ["code", "same-2", "more"] {
            assert!(!has_heading(text, anchor), "{anchor}");
        }
    }
}
