//! The requests to a web server, the same for everyone: input of the examples and the bench.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::root;

const SEED: u64 = 0x5eed_0f60_b1be_0001;
const EXAMPLE_LINES: u64 = 12_000;

/// On average.
const LINES_A_SECOND: u64 = 5;

// The text 500 also occurs in paths, sizes, referers and agents, so a search for a status has to
// look for the quote in front of it: `" 500 `.
const PATHS: &[&str] = &[
    "/",
    "/index.html",
    "/api/v1/orders",
    "/api/v1/orders/500",
    "/api/v1/orders/48213",
    "/api/v1/users/7731",
    "/users/1500.png",
    "/assets/app.3f9c1d.js",
    "/assets/style.css",
    "/errors/500.html",
    "/search?q=weather",
    "/search?q=top+500",
    "/puzzles/500",
    "/favicon.ico",
    "/health",
];
const REFERERS: &[&str] = &["-", "-", "-", "https://example.com/", "https://example.com/500"];
const AGENTS: &[&str] = &[
    "curl/8.5.0",
    "Mozilla/5.0 (X11) Firefox/128",
    "Safari/604.1",
    "kube-probe/1.30",
    "probe (every 500 ms)",
    "Go-http-client/2.0",
];
/// Methods and statuses by weight.
const METHODS: &[(&str, u64)] =
    &[("GET", 80), ("POST", 14), ("PUT", 3), ("DELETE", 2), ("HEAD", 1)];
const STATUSES: &[(u16, u64)] = &[
    (200, 780),
    (204, 30),
    (301, 30),
    (304, 60),
    (400, 15),
    (404, 50),
    (500, 20),
    (502, 5),
    (503, 10),
];

/// SplitMix64: small, and its numbers never change under us.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    fn weighted<T: Copy>(&mut self, from: &[(T, u64)]) -> T {
        let mut rest = self.below(from.iter().map(|(_, weight)| weight).sum());
        for &(value, weight) in from {
            if rest < weight {
                return value;
            }
            rest -= weight;
        }
        unreachable!("the rest is below the sum of the weights")
    }
}

/// How a request is written down.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Format {
    AccessLog,
    Json,
}

struct Request {
    seconds: u64,
    host: [u64; 3],
    method: &'static str,
    path: &'static str,
    status: u16,
    size: u64,
    referer: &'static str,
    agent: &'static str,
}

impl Request {
    fn next(random: &mut Random, now: &mut u64) -> Self {
        if random.below(LINES_A_SECOND) == 0 {
            *now += 1;
        }
        // In the order of the fields below, with the size after the status that it hangs on.
        let host = [0; 3].map(|_: u8| 1 + random.below(254));
        let status = random.weighted(STATUSES);
        let size = match status {
            204 | 304 => 0,
            500 => 170 + random.below(60),
            _ => 100 + random.below(20_000),
        };
        Self {
            seconds: *now,
            host,
            status,
            size,
            method: random.weighted(METHODS),
            path: random.pick(PATHS),
            referer: random.pick(REFERERS),
            agent: random.pick(AGENTS),
        }
    }

    fn write(&self, format: Format, out: &mut impl Write) -> io::Result<()> {
        let Self { host: [a, b, c], method, path, status, size, referer, agent, .. } = self;
        let (day, hour) = (1 + self.seconds / 86_400 % 28, self.seconds / 3600 % 24);
        let (minute, second) = (self.seconds / 60 % 60, self.seconds % 60);
        match format {
            Format::AccessLog => writeln!(
                out,
                "10.{a}.{b}.{c} - - [{day:02}/Mar/2026:{hour:02}:{minute:02}:{second:02} +0000] \
                 \"{method} {path} HTTP/1.1\" {status} {size} \"{referer}\" \"{agent}\"",
            ),
            Format::Json => writeln!(
                out,
                "{{\"time\":\"2026-03-{day:02}T{hour:02}:{minute:02}:{second:02}Z\",\
                 \"host\":\"10.{a}.{b}.{c}\",\"method\":\"{method}\",\"path\":\"{path}\",\
                 \"status\":{status},\"size\":{size},\"referer\":\"{referer}\",\"agent\":\"{agent}\"}}",
            ),
        }
    }
}

fn write_lines(out: &mut impl Write, format: Format, lines: u64) -> io::Result<()> {
    let (random, mut now) = (&mut Random(SEED), 0);
    (0..lines).try_for_each(|_| Request::next(random, &mut now).write(format, out))
}

/// Written aside and renamed, so that a file of that name is always whole.
pub(crate) fn write_file(file: &Path, format: Format, lines: u64) -> Result<()> {
    let write = || -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let aside = file.with_extension("new");
        let mut out = BufWriter::with_capacity(1 << 20, File::create(&aside)?);
        write_lines(&mut out, format, lines)?;
        out.into_inner()?;
        fs::rename(aside, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

pub(crate) fn make_data() -> Result<()> {
    let file = root().join("examples/data/access.log");
    write_file(&file, Format::AccessLog, EXAMPLE_LINES)?;
    println!("{}: {EXAMPLE_LINES} lines", file.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(format: Format, count: u64) -> String {
        let mut text = Vec::new();
        write_lines(&mut text, format, count).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn splitmix_is_splitmix() {
        let mut random = Random(1_234_567);
        let first = [0; 3].map(|_: u8| random.next());
        let known = [6457827717110365317, 3203168211198807973, 9817491932198370423];
        assert_eq!(first, known);
    }

    #[test]
    fn the_same_for_everyone() {
        let example = fs::read_to_string(root().join("examples/data/access.log")).unwrap();
        assert!(lines(Format::AccessLog, EXAMPLE_LINES) == example, "run `cargo xtask make-data`");
    }

    #[test]
    fn the_search_for_a_status_is_a_real_one() {
        let text = lines(Format::AccessLog, EXAMPLE_LINES);
        let status = |line: &str| line.split("\" ").nth(1).unwrap().starts_with("500 ");
        let found: Vec<_> = text.lines().filter(|l| l.contains("\" 500 ")).collect();
        assert!(found.iter().all(|line| status(line)));
        assert_eq!(found.len(), text.lines().filter(|l| status(l)).count());
        assert!((180..300).contains(&found.len()), "{}", found.len());

        assert!(text.lines().filter(|l| l.contains("500")).count() > 5 * found.len());
        assert!(text.lines().filter(|l| l.contains(" 500 ")).count() > 2 * found.len());
        let mean = text.len() / EXAMPLE_LINES as usize;
        assert!((114..=122).contains(&mean), "{mean} bytes a line");
    }
    #[test]
    fn the_same_requests_as_json() {
        let (log, json) = (lines(Format::AccessLog, 1000), lines(Format::Json, 1000));
        for (line, object) in log.lines().zip(json.lines()) {
            let object: serde_json::Value = serde_json::from_str(object).unwrap();
            let asked = format!(
                "\"{} {} HTTP/1.1\" {} {} ",
                object["method"].as_str().unwrap(),
                object["path"].as_str().unwrap(),
                object["status"],
                object["size"]
            );
            assert!(line.contains(&asked), "{line} {object}");
        }
        let mean = json.len() / 1000;
        assert!((165..=190).contains(&mean), "{mean} bytes an object");
    }
}
