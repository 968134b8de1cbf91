//! The folders that each folder of a crate may use: the design, as a table.

/// This file.
pub(super) const FILE: &str = file!();

/// A folder of a crate (or a file beside `lib.rs`), and the folders on the floors below that it may
/// use.
pub(super) type Room = (&'static str, &'static str);

/// For each `src` folder its rooms, from the ground up.
pub(super) const HOUSE: &[(&str, &[Room])] = &[
    (
        "gopiper-abi/src",
        &[
            // The files beside the folders: errors, flags, the fence.
            ("raw", ""),
            ("raw::delivery", "raw"),
            ("raw::message", "raw raw::delivery"),
            ("raw::kept", "raw::delivery raw::message"),
            ("raw::batch", "raw raw::delivery raw::message"),
            ("raw::host_services", "raw raw::delivery raw::message raw::kept raw::batch"),
            ("raw::component", "raw raw::delivery raw::message raw::batch raw::host_services"),
            (
                "raw::author",
                "raw raw::delivery raw::message raw::kept raw::batch raw::host_services \
                 raw::component",
            ),
            (
                "raw::host",
                "raw raw::delivery raw::message raw::kept raw::batch raw::host_services \
                 raw::component raw::author",
            ),
            ("nearest", ""),
            ("error", "raw"),
            ("attributes", "raw raw::message nearest"),
            (
                "postponed",
                "raw raw::delivery raw::message raw::kept raw::batch raw::host_services \
                 raw::author",
            ),
            ("logging", "raw raw::host_services raw::author"),
            (
                "component",
                "raw raw::delivery raw::message raw::component raw::author error attributes \
                 postponed",
            ),
            ("lines", "raw raw::message raw::batch error attributes postponed"),
            (
                "export",
                "raw raw::delivery raw::message raw::host_services raw::component raw::author \
                 error attributes postponed logging component",
            ),
            (
                "own",
                "raw raw::message raw::host_services raw::component raw::author raw::host error \
                 postponed component export",
            ),
            (
                "testing",
                "raw raw::delivery raw::message raw::batch raw::host_services raw::component \
                 raw::author raw::host error component export",
            ),
        ],
    ),
    (
        "gopiper-core/src",
        &[
            ("base", ""),
            ("loader", ""),
            ("disk", "base"),
            ("channel", "base"),
            ("dead_letters", "base disk channel"),
            ("buffer", "base disk"),
            ("plan", "base disk channel dead_letters buffer"),
            ("stage", "base disk channel dead_letters plan"),
            ("worker", "base channel dead_letters plan stage"),
            ("run", "base disk channel dead_letters plan stage worker"),
            ("observe", "base disk channel stage run loader"),
        ],
    ),
    (
        "gopiper-lua/src",
        &[
            ("state", ""),
            ("problem", ""),
            ("language", "state problem"),
            ("function", "state problem language"),
            ("module", "state problem language function"),
            // The program's: it has the rest as a library.
            ("command::terminal", ""),
            ("command::process", "command::terminal"),
            ("command::control", ""),
            ("command::sample", ""),
            ("command::arguments", ""),
            ("command::otlp", "command::process command::arguments"),
            ("command::attributes", ""),
            ("command::bytes", ""),
            ("command::new_files", ""),
            ("command::state_directory", ""),
            ("command::letters", "command::arguments command::state_directory"),
            (
                "command::http",
                "command::process command::control command::sample command::arguments \
                 command::bytes command::letters",
            ),
            ("command::trust", "command::process"),
            (
                "command::list",
                "command::terminal command::process command::control command::arguments",
            ),
            (
                "command::top",
                "command::terminal command::process command::control command::sample \
                 command::arguments",
            ),
            (
                "command::tap",
                "command::terminal command::process command::control command::arguments \
                 command::bytes",
            ),
            (
                "command::why",
                "command::terminal command::process command::control command::arguments \
                 command::letters command::tap",
            ),
            ("command::inspect", "command::terminal command::process command::attributes"),
            ("command::new", "command::terminal command::process command::new_files"),
            ("command::kit", "command::terminal command::process command::new_files"),
            ("command::verify", "command::terminal command::process command::trust"),
            (
                "command::run",
                "command::terminal command::process command::http command::otlp command::arguments \
                 command::state_directory command::trust",
            ),
            (
                "command::dlq",
                "command::terminal command::process command::arguments command::letters \
                 command::http command::run",
            ),
            (
                "command::cli",
                "command::terminal command::process command::http command::otlp command::trust \
                 command::list command::top command::tap command::new command::kit \
                 command::verify command::run command::dlq command::why",
            ),
            (
                "command",
                "command::terminal command::process command::trust command::list command::top \
                 command::tap command::inspect command::new command::kit command::verify \
                 command::run command::dlq command::why command::cli",
            ),
        ],
    ),
];

/// Modules that use each other, because each contains the other.
pub(super) const COUPLES: &[(&str, &str)] = &[("raw::message::map", "raw::message::value")];
