//! The child: maps the memory that its parent names, and counts the vowels there.
#![allow(unsafe_code)]

use std::{
    env,
    fs::File,
    io::{self, BufRead, Write},
};

use memmap2::MmapOptions;

fn main() -> io::Result<()> {
    let parent = env::args().nth(1).unwrap_or_default();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let mut numbers = line.split(' ').map(|number| number.parse::<u64>().unwrap_or_default());
        let mut next = || numbers.next().unwrap_or_default();
        let (descriptor, offset, length) = (next(), next(), next());
        let file = File::open(format!("/proc/{parent}/fd/{descriptor}"))?;
        // SAFETY: the parent keeps these bytes as they are until it has the answer.
        let memory = unsafe { MmapOptions::new().map(&file)? };
        let bytes = &memory[offset as usize..(offset + length) as usize];
        let vowels = bytes.iter().filter(|byte| b"aeiou".contains(byte)).count();
        println!("{vowels}");
        io::stdout().flush()?;
    }
    Ok(())
}
