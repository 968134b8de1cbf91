//! `nats_source` and `nats_sink` with real servers of NATS: the newest one of PyPI, and Debian's.
#[path = "nats/cluster.rs"]
mod cluster;
mod common;
#[path = "nats/piping.rs"]
mod piping;
#[path = "nats/publishing.rs"]
mod publishing;
#[path = "nats/secure.rs"]
mod secure;
#[path = "nats/server.rs"]
mod server;

use std::{thread, time::Duration};

use async_nats::jetstream::consumer::pull;
use common::Home;
use piping::{Piping, each_once};
use server::{Server, wait};

/// A source of this consumer, created if it is not there.
fn source(server: &Server, stream: &str, consumer: &str, more: &str) -> String {
    format!(
        "gopiper.loadComponent('nats_source_component.so', {{ {}, stream = '{stream}', \
         consumer = '{consumer}', {more} }}),",
        server.connection()
    )
}

const STDOUT: &str = "gopiper.loadComponent('stdout_component.so', {}),";

#[test]
fn a_work_queue_shared_by_two_processes() {
    let server = Server::start();
    let look = server.client();
    look.work_queue("jobs", "jobs.>");
    let components = source(&server, "jobs", "work", "create = {}, max_in_flight = 50") + STDOUT;
    let both = [Piping::start(&components), Piping::start(&components)];
    wait(|| look.jobs_consumers() == 1, || "no consumer".into());
    for start in 0..20 {
        look.publish_numbers("jobs.a", start * 100..start * 100 + 100);
    }
    let so_far = || both.iter().flat_map(Piping::lines).collect::<Vec<_>>();
    wait(|| so_far().len() >= 2000, || format!("{}: {}", so_far().len(), both[0].log()));
    look.wait_until_empty("jobs", "work");
    assert_eq!(look.count("jobs"), 0);
    let lines: Vec<_> = so_far();
    for piping in both {
        assert!(!piping.lines().is_empty(), "each has its share");
        let (code, log) = piping.stop();
        assert_eq!(code, 0, "{log}");
    }
    each_once(lines, 0..2000);
}

/// The pipelines of the pages work as they are, but for the server's port.
#[test]
fn the_pages_show_what_works() {
    let server = Server::start();
    let look = server.client();
    look.stream("orders", &["orders.>"]);
    look.stream("copies", &["copies.>"]);
    look.stream("requests", &["requests.*"]);
    let shown = |page: &str| {
        let page = common::root().join(format!("docs/components/{page}.md"));
        let text = std::fs::read_to_string(page).expect("the page is there");
        let block = common::blocks_of(&text, "lua").remove(0);
        assert!(block.contains("nats://127.0.0.1:4222"), "{block}");
        Home::new(&block.replace("nats://127.0.0.1:4222", &server.url()))
    };
    look.publish("orders.new.one", "an order", "1");
    look.publish("orders.old.two", "no new one", "2");
    let piping = Piping::at(shown("nats_source"), &[]);
    wait(|| look.count("copies") == 1, || piping.log());
    let copy = look.stored("copies").remove(0);
    assert_eq!((&*copy.subject, &*copy.text), ("copies.orders.new.one", "an order"));
    assert!(copy.id().starts_with("nats/orders/") && copy.id().ends_with(":1"), "{}", copy.id());
    assert_eq!(piping.stop().0, 0);
    let home = shown("nats_sink");
    common::copy_examples(home.folder.path());
    let (code, log) = Piping::at(home, &[]).end();
    assert_eq!(code, 0, "{log}");
    let log = std::fs::read_to_string(common::root().join("examples/data/access.log"));
    let log = log.expect("the log");
    assert_eq!(look.count("requests"), log.lines().count() as u64);
    let of_500 = look.stored("requests").into_iter().filter(|it| it.subject == "requests.500");
    assert_eq!(of_500.count(), log.lines().filter(|line| line.contains("\" 500 ")).count());
}

impl server::Looking {
    fn jobs_consumers(&self) -> usize {
        let info = async {
            let mut stream = self.jetstream.get_stream("jobs").await.expect("it is there");
            stream.info().await.expect("told").state.consumer_count
        };
        self.runtime.block_on(info)
    }
}

/// Reports how messages end: 'good' is delivered, 'drop' dropped, 'bad' a dead letter, 'gone'
/// discarded.
const ENDS: &str = "
  gopiper.transform(function(message)
    if message.data == 'drop' then return gopiper.DROP end
    if message.data == 'bad' then return gopiper.FAIL, 7, 'bad' end
  end, { name = 'first' }),
  gopiper.transform(function(message)
    if message.data == 'gone' then return gopiper.FAIL, 7, 'gone' end
  end, { name = 'second', on_fail = 'discard' }),";

#[test]
fn each_outcome_has_its_answer() {
    for double_ack in [false, true] {
        let server = Server::start();
        let look = server.client();
        look.stream("events", &["events"]);
        let terminated = "$JS.EVENT.ADVISORY.CONSUMER.MSG_TERMINATED.events.mail";
        let terminated = look.runtime.block_on(look.client.subscribe(terminated));
        let mut terminated = terminated.expect("subscribed");
        for text in ["good", "drop", "bad", "gone"] {
            look.publish("events", text, text);
        }
        let more = format!("create = {{ ack_wait_ms = 1000 }}, double_ack = {double_ack}");
        let piping = Piping::start(&(source(&server, "events", "mail", &more) + ENDS + STDOUT));
        look.wait_until_empty("events", "mail");
        let info = look.consumer("events", "mail");
        // All are answered for good, and none came twice.
        assert_eq!((info.ack_floor.stream_sequence, info.num_redelivered), (4, 0), "{info:?}");
        let said = look.runtime.block_on(futures_util::StreamExt::next(&mut terminated));
        let said = String::from_utf8_lossy(&said.expect("an advisory").payload).into_owned();
        assert!(said.contains("\"stream_seq\":4"), "{said}");
        assert!(said.contains("failed in gopiper, and discarded"), "{said}");
        piping.wait_for_log("position=\"events, sequence 3\"");
        assert_eq!(piping.lines(), ["good"]);
        let (code, log) = piping.stop();
        assert_eq!(code, 1, "a message was discarded: {log}");
    }
}

#[test]
fn a_returned_message_comes_again_after_a_delay() {
    let server = Server::start();
    let look = server.client();
    look.stream("events", &["events"]);
    look.publish("events", "bad", "1");
    let stops = "gopiper.transform(function(message)
        if message.data == 'bad' then return gopiper.FAIL, 7, 'bad' end
      end, { name = 'first', on_fail = 'stop' }),";
    let more = "create = { ack_wait_ms = 60000 }, nak_delay_ms = 300";
    let mut piping = Piping::start(&(source(&server, "events", "mail", more) + stops + STDOUT));
    let (code, log) = piping.end();
    assert_eq!(code, 1, "{log}");
    // Long before `ack_wait` is over.
    let again = Piping::start(&(source(&server, "events", "mail", more) + STDOUT));
    again.wait_for_lines(1);
    look.wait_until_empty("events", "mail");
    assert_eq!(again.lines(), ["bad"]);
}

#[test]
fn work_may_take_longer_than_the_server_waits() {
    let server = Server::start();
    let look = server.client();
    look.stream("events", &["events"]);
    look.publish_numbers("events", 0..3);
    let slow = "gopiper.transform(function() os.execute('sleep 1.5') end, { name = 'slow' }),";
    let more = "create = { ack_wait_ms = 1000 }";
    let piping = Piping::start(&(source(&server, "events", "mail", more) + slow + STDOUT));
    piping.wait_for_lines(3);
    look.wait_until_empty("events", "mail");
    let info = look.consumer("events", "mail");
    assert_eq!(info.delivered.consumer_sequence, 3, "none was sent again: {info:?}");
    assert_eq!(piping.lines(), ["0", "1", "2"]);
    assert_eq!(piping.stop().0, 0);
}

#[test]
fn what_was_not_sent_on_goes_back_at_once() {
    let server = Server::start();
    let look = server.client();
    look.stream("events", &["events"]);
    look.publish_numbers("events", 0..500);
    let slow = "gopiper.transform(function() os.execute('sleep 0.2') end, { name = 'slow' }),";
    let more = "create = { ack_wait_ms = 600000 }, nak_delay_ms = 100, max_in_flight = 100";
    let components = source(&server, "events", "mail", more) + slow + STDOUT;
    let home = Home::new(&piping::text(&components));
    let piping = Piping::at(home, &["--shutdown-timeout", "1"]);
    let open = || look.try_consumer("events", "mail").map_or(0, |info| info.num_ack_pending);
    wait(|| open() == 100, || format!("{}: {}", open(), piping.log()));
    let lines = piping.lines.clone();
    let (code, log) = piping.stop();
    assert_eq!(code, 1, "messages were left: {log}");
    // A few were written before it ended.
    let written = std::mem::take(&mut *lines.lock().expect("no panic"));
    // Long before `ack_wait` is over.
    let rest = Piping::start(&(source(&server, "events", "mail", more) + STDOUT));
    let left = 500 - written.len();
    rest.wait_for_lines(left);
    look.wait_until_empty("events", "mail");
    each_once(rest.lines().into_iter().chain(written), 0..500);
}

#[test]
fn a_stream_or_consumer_that_is_missing_is_named() {
    let server = Server::start();
    let look = server.client();
    look.stream("events", &["events"]);
    let run = |components: String| Piping::start(&components).end();
    let (code, log) = run(source(&server, "other", "mail", "create = {}") + STDOUT);
    assert_ne!(code, 0);
    assert!(log.contains("the server has no stream 'other': create it (nats stream add)"), "{log}");
    let (code, log) = run(source(&server, "events", "mail", "") + STDOUT);
    assert_ne!(code, 0);
    assert!(log.contains("stream 'events' has no consumer 'mail': create it"), "{log}");
    look.create_consumer(
        "events",
        pull::Config {
            durable_name: Some("mail".into()),
            ack_wait: Duration::from_secs(7),
            ..pull::Config::default()
        },
    );
    let (code, log) =
        run(source(&server, "events", "mail", "create = { ack_wait_ms = 5000 }") + STDOUT);
    assert_ne!(code, 0);
    assert!(log.contains("ack_wait is 7000000000, and the attributes ask for 5000000000"), "{log}");
}

#[test]
fn a_stream_or_consumer_that_is_deleted_ends_the_pipeline() {
    for what in ["stream", "consumer"] {
        let server = Server::start();
        let look = server.client();
        look.stream("events", &["events"]);
        look.publish("events", "1", "1");
        let mut piping =
            Piping::start(&(source(&server, "events", "mail", "create = {}") + STDOUT));
        piping.wait_for_lines(1);
        match what {
            "stream" => look.delete_stream("events"),
            _ => look.delete_consumer("events", "mail"),
        }
        let (code, log) = piping.end();
        assert_eq!(code, 1, "{log}");
        let wanted = match what {
            "stream" => "the server has no stream 'events'",
            _ => "stream 'events' has no consumer 'mail'",
        };
        assert!(log.contains(wanted), "{log}");
    }
}

#[test]
fn it_waits_for_a_server_that_is_not_there_yet() {
    let mut server = Server::later();
    let subjects = format!(
        "gopiper.loadComponent('nats_source_component.so', {{ {}, subjects = {{ 'a.*' }} }}),",
        server.connection()
    );
    let piping = Piping::start(&(subjects + STDOUT));
    piping.wait_for_log("no connection to nats://127.0.0.1");
    server.begin();
    let look = server.client();
    wait(
        || {
            look.send("a.b", "hello");
            !piping.lines().is_empty()
        },
        || piping.log(),
    );
    assert_eq!(piping.stop().0, 0);
}

#[test]
fn a_queue_group_shares_subjects() {
    let server = Server::start();
    let look = server.client();
    let components = format!(
        "gopiper.loadComponent('nats_source_component.so', {{ {}, subjects = {{ 'a.>', 'b' }}, \
         queue_group = 'g' }}),
         function(message) message.data = message.attributes.subject .. ' ' .. message.data end,",
        server.connection()
    ) + STDOUT;
    let both = [Piping::start(&components), Piping::start(&components)];
    // Both are subscribed when each has got something.
    let mut number = 0;
    wait(
        || {
            look.send("b", &format!("probe {number}"));
            number += 1;
            both.iter().all(|piping| !piping.lines().is_empty())
        },
        || both[0].log(),
    );
    for number in 0..500 {
        look.send("a.x", &number.to_string());
    }
    let numbers = || {
        let lines = both.iter().flat_map(Piping::lines);
        lines.filter_map(|it| it.strip_prefix("a.x ").map(str::to_owned)).collect::<Vec<_>>()
    };
    wait(|| numbers().len() >= 500, || format!("{}", numbers().len()));
    thread::sleep(Duration::from_millis(100));
    each_once(numbers(), 0..500);
    for piping in both {
        assert_eq!(piping.stop().0, 0);
    }
}
