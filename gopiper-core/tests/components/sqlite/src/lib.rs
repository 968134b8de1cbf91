//! Writes messages into a table whose unique key is their identity.
use gopiper_abi::{
    BatchCall, BatchComponent, Error, Factory, FilePath, HandleFlags, Identities, Message,
    Parallel, Postponed, Report, attributes, export_component,
};
use rusqlite::{Connection, params};

attributes! {
    /// Writes messages into the table `messages (id TEXT UNIQUE, data BLOB)`.
    pub struct Attributes {
        /// The database.
        pub path: FilePath,
    }
}

struct SqliteFactory(Attributes);

struct Sqlite(Connection);

impl Factory for SqliteFactory {
    type Component = Sqlite;
    type Attributes = Attributes;

    fn new(attributes: Attributes) -> Result<Self, Error> {
        Ok(SqliteFactory(attributes))
    }

    fn create(&self, _postponed: Postponed) -> Result<Sqlite, Error> {
        let failed = |error: rusqlite::Error| Error::new(error.to_string());
        let database = Connection::open(self.0.path.resolved()).map_err(failed)?;
        database
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
                 CREATE TABLE IF NOT EXISTS messages (id TEXT UNIQUE, data BLOB)",
            )
            .map_err(failed)?;
        Ok(Sqlite(database))
    }

    fn parallel(&self) -> Parallel {
        Parallel::SINGLE
    }

    fn durability(&self) -> Result<(), String> {
        Ok(())
    }

    fn exactly_once(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Sqlite {
    fn write(&mut self, messages: &[Message], ids: Identities) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        let mut insert =
            transaction.prepare_cached("INSERT OR IGNORE INTO messages VALUES (?, ?)")?;
        for (place, message) in messages.iter().enumerate() {
            let id = ids.get(place).map(|id| id.to_string());
            insert.execute(params![id, message.data()])?;
        }
        drop(insert);
        transaction.commit()
    }
}

impl BatchComponent for Sqlite {
    fn handle_batch(&mut self, call: BatchCall<'_>) -> HandleFlags {
        let ids = call.ids(0..call.messages().len());
        match self.write(call.messages(), ids) {
            Ok(()) => call.report_all(Report::DONE),
            Err(error) => {
                let report = Report::retry(1, error.to_string());
                call.report_all(report)
            }
        }
    }
}

export_component!(sink: SqliteFactory);
