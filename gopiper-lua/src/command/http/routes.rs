//! The paths of the server, and the kind of a request for each of them.
use hyper::Method;

use super::{access::Asks, page::PageFile};

/// The resource at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'p> {
    Page(PageFile),
    Health,
    Ready,
    Metrics,
    Graph,
    Events,
    Process,
    Pipelines,
    Tap,
    Trace,
    Letters,
    /// A letter, by its id as it is in the path.
    Letter(&'p str),
    Purge,
    Replay,
    Nothing,
}

/// All paths, for the answer to a request for another one.
pub(super) const PATHS: &str = "there is nothing at this path: the paths are /, /metrics, /health, \
     /ready, /api/v1/graph, /api/v1/events, /api/v1/process, /api/v1/pipelines, /api/v1/tap, \
     /api/v1/trace, /api/v1/dead-letters, /api/v1/dead-letters/ID, /api/v1/dead-letters/purge and \
     /api/v1/dead-letters/replay\n";

impl<'p> Route<'p> {
    pub(super) fn of(path: &'p str) -> Self {
        match path {
            "/health" => Route::Health,
            "/ready" => Route::Ready,
            "/metrics" => Route::Metrics,
            "/api/v1/graph" => Route::Graph,
            "/api/v1/events" => Route::Events,
            "/api/v1/process" => Route::Process,
            "/api/v1/pipelines" => Route::Pipelines,
            "/api/v1/tap" => Route::Tap,
            "/api/v1/trace" => Route::Trace,
            "/api/v1/dead-letters" => Route::Letters,
            "/api/v1/dead-letters/purge" => Route::Purge,
            "/api/v1/dead-letters/replay" => Route::Replay,
            _ => match (PageFile::of(path), path.strip_prefix("/api/v1/dead-letters/")) {
                (Some(file), _) => Route::Page(file),
                (None, Some(id)) if !id.is_empty() && !id.contains('/') => Route::Letter(id),
                _ => Route::Nothing,
            },
        }
    }

    /// The methods that are answered.
    pub(super) fn methods(self) -> &'static [Method] {
        match self {
            Route::Purge => &[Method::POST],
            Route::Replay => &[Method::GET, Method::HEAD, Method::POST],
            _ => &[Method::GET, Method::HEAD],
        }
    }

    /// The kind of a request. Every path is listed, so that a new one cannot be forgotten here.
    pub(super) fn asks(self, method: &Method) -> Asks {
        match self {
            Route::Page(_) => Asks::Files,
            Route::Health | Route::Ready | Route::Metrics | Route::Graph | Route::Events => {
                Asks::Numbers
            }
            Route::Purge | Route::Replay if *method == Method::POST => Asks::Change,
            Route::Process
            | Route::Pipelines
            | Route::Tap
            | Route::Trace
            | Route::Letters
            | Route::Letter(_)
            | Route::Purge
            | Route::Replay => Asks::Contents,
            Route::Nothing => Asks::Numbers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_asks_for_what_it_shows() {
        let get = |path: &str| Route::of(path).asks(&Method::GET);
        for path in ["/", "/page.css", "/page.js"] {
            assert_eq!(get(path), Asks::Files, "{path}");
        }
        let numbers = ["/health", "/ready", "/metrics", "/api/v1/graph", "/api/v1/events"];
        for path in numbers.into_iter().chain(["/other", "/api/v1/other", "/api/v1/dead-letters/"])
        {
            assert_eq!(get(path), Asks::Numbers, "{path}");
        }
        for path in [
            "/api/v1/process",
            "/api/v1/pipelines",
            "/api/v1/tap",
            "/api/v1/trace",
            "/api/v1/dead-letters",
            "/api/v1/dead-letters/17-42",
            "/api/v1/dead-letters/replay",
        ] {
            assert_eq!(get(path), Asks::Contents, "{path}");
        }
        for path in ["/api/v1/dead-letters/purge", "/api/v1/dead-letters/replay"] {
            assert_eq!(Route::of(path).asks(&Method::POST), Asks::Change, "{path}");
        }
    }

    #[test]
    fn only_changes_are_posted() {
        for path in ["/", "/metrics", "/api/v1/tap", "/api/v1/dead-letters/17-42", "/other"] {
            assert!(!Route::of(path).methods().contains(&Method::POST), "{path}");
        }
        assert_eq!(Route::of("/api/v1/dead-letters/purge").methods(), [Method::POST]);
        assert_eq!(Route::of("/api/v1/dead-letters/a/b"), Route::Nothing);
    }
}
