//! Three servers: streams whose leaders change, and a server that is killed.
use std::net::TcpListener;

use async_nats::jetstream::stream::Config;

use super::{
    piping::{Piping, each_once},
    server::{Looking, Server, wait},
    source,
};

/// Three servers that hold each stream together.
fn three() -> Vec<Server> {
    let listeners: Vec<_> =
        (0..3).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let ports = listeners.iter().map(|it| it.local_addr().expect("a port").port());
    let ports: Vec<_> = ports.collect();
    drop(listeners);
    let routes = ports.iter().map(|port| format!("\"nats://127.0.0.1:{port}\""));
    let routes = routes.collect::<Vec<_>>().join(", ");
    let mut servers: Vec<_> = ports
        .iter()
        .map(|port| {
            Server::not_started_with(&format!(
                "server_name: n{port}\ncluster {{ name: c, listen: \"127.0.0.1:{port}\", \
                 routes: [{routes}] }}"
            ))
        })
        .collect();
    servers.iter_mut().for_each(Server::begin);
    servers
}

/// A stream that all three hold.
fn stream(look: &Looking, name: &str) {
    let create = || {
        let config = Config {
            name: name.into(),
            subjects: vec![name.into()],
            num_replicas: 3,
            ..Config::default()
        };
        look.runtime.block_on(look.jetstream.create_stream(config)).is_ok()
    };
    wait(create, || format!("{name} cannot be created"));
}

#[test]
fn nothing_is_lost_when_leaders_change_and_a_server_is_killed() {
    let mut servers = three();
    let look = servers[0].client();
    stream(&look, "from");
    stream(&look, "to");
    look.publish_numbers("from", 0..2000);
    let sink = format!(
        "gopiper.loadComponent('nats_sink_component.so', {{ {}, subject = 'to', stream = 'to', \
         confirm_ms = 1000 }}),",
        servers[1].connection()
    );
    let piping = Piping::start(
        &(source(
            &servers[1],
            "from",
            "copy",
            "create = { ack_wait_ms = 3000 }, max_in_flight = 100",
        ) + "function() if math.random() < 0.05 then os.execute('sleep 0.02') end end,"
            + &sink),
    );
    for (part, what) in [
        (200, "STREAM.LEADER.STEPDOWN.to"),
        (500, "STREAM.LEADER.STEPDOWN.from"),
        (800, "CONSUMER.LEADER.STEPDOWN.from.copy"),
    ] {
        wait(|| look.count("to") >= part, || piping.log());
        let step_down = look.client.request(format!("$JS.API.{what}"), "".into());
        look.runtime.block_on(step_down).expect("an answer");
    }
    wait(|| look.count("to") >= 1100, || piping.log());
    // The one that gopiper is connected to.
    servers[1].kill();
    look.wait_until_empty("from", "copy");
    let stored = look.stored("to");
    assert_eq!(stored.len(), 2000, "ids keep out what was published twice");
    each_once(stored.into_iter().map(|it| it.text), 0..2000);
    let (code, log) = piping.stop();
    assert_eq!(code, 0, "{log}");
}
