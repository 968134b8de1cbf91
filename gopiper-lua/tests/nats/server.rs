//! A server of NATS on a port of its own, and a client that looks into it.
#![allow(unreachable_pub, dead_code, reason = "a part of a test")]
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use async_nats::{
    Client, ConnectOptions, HeaderMap,
    jetstream::{
        self, Context,
        consumer::{Info, pull},
        stream::{Config, RetentionPolicy},
    },
};
use futures_util::StreamExt;
use tokio::runtime::{Builder, Runtime};

/// Longer than anything takes, unless it hangs.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until it is so. `what` says how it is, if it takes too long.
pub fn wait(mut is_so: impl FnMut() -> bool, what: impl Fn() -> String) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{}", what());
        thread::sleep(Duration::from_millis(20));
    }
}

/// The newest server, which `cargo xtask test` has fetched.
fn newest() -> PathBuf {
    let packages = std::env::var_os("GOPIPER_TEST_PYTHON").expect(
        "GOPIPER_TEST_PYTHON has to name the folder of the Python packages: run cargo xtask test",
    );
    Path::new(&packages).join("bin/nats-server")
}

/// A server at work.
pub struct Server {
    binary: PathBuf,
    pub port: u16,
    pub folder: tempfile::TempDir,
    program: Option<Child>,
}

impl Server {
    /// The newest one, with JetStream.
    pub fn start() -> Self {
        Self::with("")
    }

    /// With these lines in its configuration as well.
    pub fn with(more: &str) -> Self {
        let mut server = Self::not_started_with(more);
        server.begin();
        server
    }

    /// The same, not yet started.
    pub fn not_started_with(more: &str) -> Self {
        Self::not_started(newest(), more)
    }

    /// That of Debian: 2.9.
    pub fn old() -> Self {
        let mut server = Self::not_started("nats-server".into(), "");
        let version = Command::new(&server.binary).arg("--version").output().expect("it is there");
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        assert!(version.contains("v2.9.") || version.contains(" 2.9."), "{version}");
        server.begin();
        server
    }

    /// The newest one, which is started later.
    pub fn later() -> Self {
        Self::not_started(newest(), "")
    }

    fn not_started(binary: PathBuf, more: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let port = port.expect("a port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let store = folder.path().join("store");
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{}\" }}\n{more}\n",
            store.display()
        );
        let config = config.replace("FOLDER", &folder.path().display().to_string());
        fs::write(folder.path().join("server.conf"), config).expect("written");
        Server { binary, port, folder, program: None }
    }

    /// Starts it, and waits until it listens.
    pub fn begin(&mut self) {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("a log");
        let program = Command::new(&self.binary)
            .arg("-c")
            .arg(self.folder.path().join("server.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.program = Some(program.expect("it starts: run cargo xtask test"));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        wait(|| TcpStream::connect(("127.0.0.1", self.port)).is_ok(), log);
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut program) = self.program.take() {
            program.kill().expect("it is there");
            program.wait().expect("a child");
        }
    }

    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The attribute `connection` for it.
    pub fn connection(&self) -> String {
        format!("connection = {{ servers = {{ '{}' }} }}", self.url())
    }

    pub fn client(&self) -> Looking {
        self.client_with(ConnectOptions::new())
    }

    pub fn client_with(&self, options: ConnectOptions) -> Looking {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        // JetStream may still be reading its files.
        let options = options.retry_on_initial_connect();
        let client = runtime.block_on(options.connect(self.url())).expect("it listens");
        let jetstream = {
            let _guard = runtime.enter();
            jetstream::new(client.clone())
        };
        let looking = Looking { runtime, client, jetstream };
        wait(|| looking.is_ready(), || "JetStream does not start".into());
        looking
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A message of a stream.
#[derive(Debug, Clone)]
pub struct Stored {
    pub subject: String,
    pub text: String,
    pub headers: HeaderMap,
}

impl Stored {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.as_str())
    }

    pub fn id(&self) -> &str {
        self.header("Nats-Msg-Id")
    }
}

/// A client of the test's own.
pub struct Looking {
    pub runtime: Runtime,
    pub client: Client,
    pub jetstream: Context,
}

impl Looking {
    fn is_ready(&self) -> bool {
        let unknown = self.runtime.block_on(self.jetstream.get_stream("unknown"));
        let error = unknown.err().map(|error| error.kind());
        matches!(error, Some(jetstream::context::GetStreamErrorKind::JetStream(_)))
    }

    pub fn stream(&self, name: &str, subjects: &[&str]) {
        self.stream_of(Config {
            name: name.into(),
            subjects: subjects.iter().map(|&it| it.into()).collect(),
            ..Config::default()
        });
    }

    pub fn work_queue(&self, name: &str, subject: &str) {
        self.stream_of(Config {
            name: name.into(),
            subjects: vec![subject.into()],
            retention: RetentionPolicy::WorkQueue,
            ..Config::default()
        });
    }

    pub fn stream_of(&self, config: Config) {
        self.runtime.block_on(self.jetstream.create_stream(config)).expect("created");
    }

    /// Publishes to a stream, with an id.
    pub fn publish(&self, subject: &str, text: &str, id: &str) {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        self.publish_with(subject, text, headers);
    }

    pub fn publish_with(&self, subject: &str, text: &str, headers: HeaderMap) {
        self.runtime.block_on(async {
            let subject = subject.to_owned();
            let published =
                self.jetstream.publish_with_headers(subject, headers, text.to_owned().into());
            published.await.expect("sent").await.expect("stored");
        });
    }

    /// Publishes the numbers, each with itself as id.
    pub fn publish_numbers(&self, subject: &str, numbers: std::ops::Range<u32>) {
        self.runtime.block_on(async {
            let mut confirmations = Vec::new();
            for number in numbers {
                let number = number.to_string();
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Msg-Id", &*number);
                let subject = subject.to_owned();
                let published =
                    self.jetstream.publish_with_headers(subject, headers, number.into());
                confirmations.push(published.await.expect("sent"));
            }
            for confirmation in confirmations {
                confirmation.await.expect("stored");
            }
        });
    }

    /// Publishes without a stream.
    pub fn send(&self, subject: &str, text: &str) {
        self.runtime.block_on(async {
            self.client.publish(subject.to_owned(), text.to_owned().into()).await.expect("sent");
            self.client.flush().await.expect("sent");
        });
    }

    /// How many messages the stream has; 0 while its server is away.
    pub fn count(&self, stream: &str) -> u64 {
        let info = async {
            let mut stream = self.jetstream.get_stream(stream).await.ok()?;
            stream.info().await.ok().map(|info| info.state.messages)
        };
        self.runtime.block_on(info).unwrap_or(0)
    }

    /// What the server says of a consumer, if it is there.
    pub fn try_consumer(&self, stream: &str, name: &str) -> Option<Info> {
        let info = async {
            let stream = self.jetstream.get_stream(stream).await.ok()?;
            stream.consumer_info(name).await.ok()
        };
        self.runtime.block_on(info)
    }

    pub fn consumer(&self, stream: &str, name: &str) -> Info {
        self.try_consumer(stream, name).expect("it is there")
    }

    /// Waits until the consumer waits for no answer, and has no message to send.
    pub fn wait_until_empty(&self, stream: &str, consumer: &str) {
        let info = || self.try_consumer(stream, consumer);
        let is_empty =
            || info().is_some_and(|info| info.num_pending == 0 && info.num_ack_pending == 0);
        wait(is_empty, || format!("{:?}", info()));
    }

    pub fn delete_stream(&self, name: &str) {
        self.runtime.block_on(self.jetstream.delete_stream(name)).expect("deleted");
    }

    pub fn delete_consumer(&self, stream: &str, name: &str) {
        let delete = self.jetstream.delete_consumer_from_stream(name, stream);
        self.runtime.block_on(delete).expect("deleted");
    }

    pub fn create_consumer(&self, stream: &str, config: pull::Config) {
        let create = self.jetstream.create_consumer_on_stream(config, stream);
        self.runtime.block_on(create).expect("created");
    }

    /// All messages of a stream, in order.
    pub fn stored(&self, stream: &str) -> Vec<Stored> {
        let count = self.count(stream) as usize;
        if count == 0 {
            return Vec::new();
        }
        self.runtime.block_on(async {
            let stream = self.jetstream.get_stream(stream).await.expect("it is there");
            let consumer = stream.create_consumer(pull::Config {
                ack_policy: jetstream::consumer::AckPolicy::None,
                ..pull::Config::default()
            });
            let consumer = consumer.await.expect("created");
            let messages = consumer.messages().await.expect("they come").take(count);
            let messages = messages.map(|message| {
                let message = message.expect("a message");
                Stored {
                    subject: message.subject.to_string(),
                    text: String::from_utf8_lossy(&message.payload).into_owned(),
                    headers: message.headers.clone().unwrap_or_default(),
                }
            });
            messages.collect().await
        })
    }
}
