//! Payload memory that another process can map; for hosts (feature `host`).
use std::{io, os::fd::AsRawFd};

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

use crate::raw::{PayloadMut, Region};

/// A mapping with the descriptor that it maps.
struct SharedMapping {
    mapping: MmapMut,
    _descriptor: std::os::fd::OwnedFd,
}

impl AsMut<[u8]> for SharedMapping {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.mapping
    }
}

/// `length` zero bytes that a child process can map: see
/// [`Payload::region`](crate::raw::Payload::region).
///
/// # Errors
/// When the system has no descriptor or no memory for it.
pub fn shared_memory(length: usize) -> io::Result<PayloadMut> {
    let descriptor =
        memfd_create("gopiper-payload", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&descriptor, length as u64)?;
    fcntl_add_seals(&descriptor, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    // SAFETY: the memfd was made here, and no process can shrink it: it is sealed. Another process
    // gets it to map for reading; a child that writes is as trusted as the component that started
    // it.
    let mapping = unsafe { MmapOptions::new().len(length).map_mut(&descriptor)? };
    let region = Region {
        descriptor: descriptor.as_raw_fd(),
        reserved: 0,
        offset: 0,
        base: mapping.as_ptr(),
    };
    Ok(PayloadMut::from_owner(SharedMapping { mapping, _descriptor: descriptor }, Some(region)))
}

#[cfg(test)]
mod tests {
    use std::os::fd::BorrowedFd;

    use super::*;

    #[test]
    fn another_process_can_map_it_and_can_not_shrink_it() {
        let mut memory = shared_memory(8192).unwrap();
        memory[4096..4100].copy_from_slice(b"here");
        let payload = memory.freeze();
        let part = payload.slice(4096..4100);
        drop(payload);
        let region = part.region().unwrap();
        // SAFETY: `part` keeps the descriptor open, and lives until the end of the test.
        let descriptor = unsafe { BorrowedFd::borrow_raw(region.descriptor) };
        let place = part.as_ptr().addr() - region.base.addr();
        // SAFETY: the memory is frozen, so nothing writes it any more, and its length is sealed.
        let mapped =
            unsafe { memmap2::Mmap::map(&descriptor.try_clone_to_owned().unwrap()).unwrap() };
        assert_eq!(&mapped[place..place + part.len()], b"here");
        assert!(ftruncate(descriptor, 0).is_err());
    }
}
