//! The files of the page, which the program contains. They contain no data: the page requests it.
use super::answer::{Answer, of_type};
use hyper::{StatusCode, header};

/// The page loads nothing from elsewhere, runs no script that is not a file of its own, and is
/// shown in no other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// A file of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageFile {
    path: &'static str,
    media_type: &'static str,
    text: &'static str,
}

macro_rules! files {
    ($($path:literal $name:literal $media_type:literal)*) => {
        [$(PageFile {
            path: $path,
            media_type: $media_type,
            text: include_str!(concat!("page/", $name)),
        }),*]
    };
}

const FILES: [PageFile; 9] = files! {
    "/" "index.html" "text/html; charset=utf-8"
    "/page.css" "page.css" "text/css; charset=utf-8"
    "/page.js" "page.js" "text/javascript; charset=utf-8"
    "/server.js" "server.js" "text/javascript; charset=utf-8"
    "/graph.js" "graph.js" "text/javascript; charset=utf-8"
    "/panel.js" "panel.js" "text/javascript; charset=utf-8"
    "/tap.js" "tap.js" "text/javascript; charset=utf-8"
    "/letters.js" "letters.js" "text/javascript; charset=utf-8"
    "/parts.js" "parts.js" "text/javascript; charset=utf-8"
};

impl PageFile {
    pub(super) fn of(path: &str) -> Option<Self> {
        FILES.into_iter().find(|file| file.path == path)
    }

    pub(super) fn answer(self) -> Answer {
        let mut answer = of_type(StatusCode::OK, self.media_type, self.text.to_owned());
        let policy = header::HeaderValue::from_static(POLICY);
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the page refers to is there, and is ours.
    #[test]
    fn the_page_needs_no_other_host() {
        for file in FILES {
            let addresses = file.text.match_indices("://").map(|(at, _)| &file.text[..at]);
            for before in addresses {
                // The name of a namespace is not asked for.
                assert!(before.ends_with("http") && file.path == "/parts.js", "{}", file.path);
            }
            for (at, _) in file.text.match_indices("from './") {
                let name = file.text[at + 8..].split('\'').next().unwrap_or_default();
                assert!(PageFile::of(&format!("/{name}")).is_some(), "{}: {name}", file.path);
            }
        }
        let index = FILES[0].text;
        for name in ["href=\"page.css\"", "src=\"page.js\""] {
            assert!(index.contains(name), "{name}");
        }
        assert!(!index.contains("style=") && !index.contains("<style"), "the policy refuses it");
    }
}
