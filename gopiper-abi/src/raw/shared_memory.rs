//! Payload memory that another process can map; for hosts (feature `host`).
use std::{io, os::fd::AsRawFd};

use memmap2::{MmapMut, MmapOptions};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};

use super::{PayloadMut, Region};

/// A mapping with the descriptor that it maps.
struct Shared {
    mapping: MmapMut,
    _descriptor: std::os::fd::OwnedFd,
}

impl AsMut<[u8]> for Shared {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.mapping
    }
}

/// `length` zero bytes that a child process can map: see [`Payload::region`](super::Payload::region).
///
/// # Errors
/// When the system has no descriptor or no memory for it.
pub fn shared_memory(length: usize) -> io::Result<PayloadMut> {
    let descriptor = memfd_create("gopiper-payload", MemfdFlags::CLOEXEC)?;
    ftruncate(&descriptor, length as u64)?;
    // SAFETY: the memfd was made here, and nobody shrinks it. Whoever maps it in another process is
    // given it to read; a child that writes is as trusted as the component that started it.
    let mapping = unsafe { MmapOptions::new().len(length).map_mut(&descriptor)? };
    let region = Region {
        descriptor: descriptor.as_raw_fd(),
        reserved: 0,
        offset: 0,
        base: mapping.as_ptr(),
    };
    Ok(PayloadMut::from_owner(Shared { mapping, _descriptor: descriptor }, Some(region)))
}
