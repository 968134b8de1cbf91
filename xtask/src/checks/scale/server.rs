//! One server of NATS, or three that are a cluster.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

pub(super) struct Cluster {
    binary: PathBuf,
    servers: Vec<Server>,
}

struct Server {
    folder: PathBuf,
    port: u16,
    program: Option<Child>,
}

impl Cluster {
    /// Starts the servers, and waits until they listen.
    pub(super) fn start(binary: &Path, folder: &Path, count: usize) -> Result<Cluster> {
        ensure!(binary.is_file(), "{} is not there: cargo xtask test", binary.display());
        let ports = free_ports(2 * count)?;
        let (clients, routes) = ports.split_at(count);
        let all: Vec<_> = routes.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut cluster = Cluster { binary: binary.to_owned(), servers: Vec::new() };
        for (number, (port, route)) in clients.iter().zip(routes).enumerate() {
            let folder = folder.join(format!("server-{number}"));
            fs::create_dir_all(&folder)?;
            let of_cluster = format!(
                "cluster {{ name: scale, listen: \"127.0.0.1:{route}\", routes: [{}] }}",
                all.join(", ")
            );
            let config = format!(
                "server_name: s{number}\nlisten: \"127.0.0.1:{port}\"\n\
                 jetstream {{ store_dir: \"{}\" }}\n{}\n",
                folder.join("store").display(),
                if count > 1 { &of_cluster } else { "" }
            );
            fs::write(folder.join("server.conf"), config)?;
            cluster.servers.push(Server { folder, port: *port, program: None });
        }
        for server in &mut cluster.servers {
            server.begin(&cluster.binary)?;
        }
        Ok(cluster)
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(|server| format!("nats://127.0.0.1:{}", server.port)).collect()
    }

    /// Ends one of them by a signal, and starts it again. Says what it did.
    pub(super) fn restart_one(&mut self, signal: Signal, random: &mut Rng) -> Result<String> {
        let number = random.usize(..self.servers.len());
        let server = &mut self.servers[number];
        server.end(signal)?;
        thread::sleep(Duration::from_millis(random.u64(0..300)));
        server.begin(&self.binary)?;
        Ok(format!("server {number} restarted by {signal:?}"))
    }

    /// The processor time of all of them so far.
    pub(super) fn cpu_time(&self) -> Result<Duration> {
        let mut ticks = 0;
        for program in self.servers.iter().filter_map(|server| server.program.as_ref()) {
            let stat = fs::read_to_string(format!("/proc/{}/stat", program.id()))?;
            let (_, fields) = stat.rsplit_once(") ").context("fields")?;
            let fields: Vec<_> = fields.split(' ').collect();
            for field in [fields.get(11), fields.get(12)] {
                ticks += field.context("a time")?.parse::<u64>()?;
            }
        }
        let a_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_secs_f64(ticks as f64 / a_second as f64))
    }
}

impl Server {
    fn begin(&mut self, binary: &Path) -> Result<()> {
        let log = self.folder.join("log");
        let mut command = Command::new(binary);
        command.arg("-c").arg(self.folder.join("server.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::options().create(true).append(true).open(&log)?);
        self.program = Some(command.spawn().context("cannot start nats-server")?);
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() > until {
                bail!("the server does not listen: see {}", log.display());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn end(&mut self, signal: Signal) -> Result<()> {
        if let Some(mut program) = self.program.take() {
            kill_process(Pid::from_child(&program), signal)?;
            program.wait()?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end(Signal::KILL);
    }
}

/// Ports that nobody has now.
fn free_ports(count: usize) -> Result<Vec<u16>> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0"));
    let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}
