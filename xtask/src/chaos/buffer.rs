//! The content of a disk buffer, read as its database has it: pages that are not used any more hold
//! much that was taken out long ago.

use std::fs;
use std::path::Path;

use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableError};

const BLOCKS: TableDefinition<u64, &[u8]> = TableDefinition::new("blocks.1");

/// The blocks in it, as they were written: the payloads are in them as they are.
pub(super) fn blocks(file: &Path) -> Result<Vec<Vec<u8>>> {
    // The database mends itself when it is opened, and this one is not ours to mend.
    let copy = tempfile::NamedTempFile::new()?;
    fs::copy(file, copy.path())?;
    if copy.path().metadata()?.len() == 0 {
        return Ok(Vec::new());
    }
    let database = Database::open(copy.path())?;
    let transaction = database.begin_read()?;
    let table = match transaction.open_table(BLOCKS) {
        Err(TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        table => table?,
    };
    let mut blocks = Vec::new();
    for entry in table.iter()? {
        blocks.push(entry?.1.value().to_vec());
    }
    Ok(blocks)
}
