//! Says when something has changed in the folders where the files are.
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use gopiper_abi::Host;
use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher, event::ModifyKind, recommended_watcher,
};

/// The changes since the last look.
#[derive(Default)]
struct Changes {
    content: AtomicBool,
    names: AtomicBool,
}

/// Watches folders. Files that cannot be watched are polled. Watching only saves time, so its
/// failures are not errors.
pub(crate) struct Watch {
    changes: Arc<Changes>,
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    complained: bool,
}

impl Watch {
    pub(crate) fn new(host: Host) -> Self {
        let changes = Arc::new(Changes::default());
        let seen = changes.clone();
        let watcher = recommended_watcher(move |event: notify::Result<notify::Event>| {
            match event.map(|event| event.kind) {
                // Our own reading causes these.
                Ok(EventKind::Access(_)) => return,
                Ok(EventKind::Modify(ModifyKind::Data(_))) => seen.content.store(true, SeqCst),
                _ => seen.names.store(true, SeqCst),
            }
            host.wake();
        });
        let mut watch =
            Watch { changes, watcher: None, folders: BTreeSet::new(), complained: false };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.complain(&error),
        }
        watch
    }

    /// Watches these folders and no others.
    pub(crate) fn set_folders(&mut self, folders: BTreeSet<PathBuf>) {
        let Some(mut watcher) = self.watcher.take() else { return };
        let mut watched: BTreeSet<_> = self.folders.intersection(&folders).cloned().collect();
        for folder in self.folders.difference(&folders) {
            // It may be gone.
            let _ = watcher.unwatch(folder);
        }
        let mut refused = None;
        for folder in folders.difference(&self.folders) {
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(watched.insert(folder.clone())),
                Err(error) => refused = Some(error),
            }
        }
        if let Some(error) = refused.filter(|_| !self.complained) {
            self.complain(&error);
        }
        self.folders = watched;
        self.watcher = Some(watcher);
    }

    /// Whether files may have come, gone or been renamed since the last time.
    pub(crate) fn names_changed(&self) -> bool {
        self.changes.names.swap(false, SeqCst)
    }

    /// Whether something may have been written since the last time.
    pub(crate) fn content_changed(&self) -> bool {
        self.changes.content.swap(false, SeqCst)
    }

    fn complain(&mut self, error: &notify::Error) {
        self.complained = true;
        log::info!("cannot watch for changes ({error}): checking every second instead");
    }
}
