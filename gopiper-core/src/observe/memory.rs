//! The memory of components' libraries and of the process.
use std::{fs, ptr};

use gopiper_abi::raw::HeldMemory;
use rustix::param::page_size;

/// The memory that a component's library holds: its components' together, with payloads that they
/// have made and that travel on.
#[derive(Debug, Clone, Copy)]
pub struct LibraryMemory {
    held_bytes: u64,
    library: HeldMemory,
}

impl LibraryMemory {
    pub(super) fn look(library: HeldMemory) -> Self {
        LibraryMemory { held_bytes: library(), library }
    }

    /// The bytes that the library has allocated and not yet freed.
    pub fn held_bytes(self) -> u64 {
        self.held_bytes
    }

    /// Whether both are of one library, and count the same memory.
    pub fn is_of_the_same_library(self, other: LibraryMemory) -> bool {
        ptr::fn_addr_eq(self.library, other.library)
    }
}

/// The memory of this process that is in RAM, in bytes. `None` where the system does not say.
pub fn resident_bytes() -> Option<u64> {
    let sizes = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = sizes.split(' ').nth(1)?.parse().ok()?;
    Some(pages * page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_in_ram() {
        assert!(resident_bytes().is_some_and(|bytes| bytes > 1 << 20));
    }
}
