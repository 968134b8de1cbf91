//! What `cargo xtask bench` compares gopiper's components for JetStream with, and what it needs
//! around that.
//!
//! - `bench_nats fill SERVER STREAM MESSAGES BYTES`: makes a stream of so many messages.
//! - `bench_nats make SERVER STREAM`: makes an empty one.
//! - `bench_nats remove SERVER STREAM`
//! - `bench_nats written SERVER STREAM MESSAGES`: waits until the stream has so many messages.
//!   Prints how many seconds passed since it had a tenth of them.
//! - `bench_nats bare SERVER GROUP FROM TO`: moves messages from one stream to the other through
//!   the durable consumer GROUP, until SIGTERM. It asks for as many at once as `nats_source`, has
//!   as many in flight as `nats_sink`, and acknowledges a message once the other stream has it.
use std::{
    env,
    error::Error as StdError,
    future::Future,
    pin::pin,
    time::{Duration, Instant},
};

use async_nats::{
    HeaderMap,
    header::{NATS_EXPECTED_STREAM, NATS_MESSAGE_ID},
    jetstream::{
        self, Context,
        consumer::{AckPolicy, pull},
        stream,
    },
};
use futures_util::{
    StreamExt,
    future::{Either, select},
    stream::FuturesUnordered,
};
use tokio::signal::unix::{SignalKind, signal};

type Result<T> = std::result::Result<T, Box<dyn StdError + Send + Sync>>;

/// As the `max_in_flight` of `nats_source`.
const RECEIVED: usize = 1000;
/// As the `max_in_flight` of `nats_sink`.
const PUBLISHED: usize = 512;
/// How many messages are written at once to fill a stream.
const FILLED: u64 = 5000;
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some((_, server)) = args.first().zip(args.get(1)) else {
        return Err("see the first lines of this program's source".into());
    };
    let jetstream = jetstream::new(async_nats::connect(*server).await?);
    match args[..] {
        ["fill", _, stream, messages, bytes] => {
            make(&jetstream, stream).await?;
            fill(&jetstream, stream, messages.parse()?, bytes.parse()?).await
        }
        ["make", _, stream] => make(&jetstream, stream).await,
        ["remove", _, stream] => {
            jetstream.delete_stream(stream).await?;
            Ok(())
        }
        ["written", _, stream, messages] => {
            let took = written(&jetstream, stream, messages.parse()?).await?;
            println!("{}", took.as_secs_f64());
            Ok(())
        }
        ["bare", _, group, from, to] => {
            let mut end = signal(SignalKind::terminate())?;
            let moving = pin!(move_messages(&jetstream, group, from, to));
            match select(moving, pin!(end.recv())).await {
                Either::Left((result, _)) => result,
                Either::Right(_) => Ok(()),
            }
        }
        _ => Err("see the first lines of this program's source".into()),
    }
}

/// A stream whose one subject has its name.
async fn make(jetstream: &Context, name: &str) -> Result<()> {
    let config = stream::Config { name: name.into(), ..stream::Config::default() };
    jetstream.create_stream(config).await?;
    Ok(())
}

async fn fill(jetstream: &Context, name: &str, messages: u64, bytes: usize) -> Result<()> {
    for begin in (0..messages).step_by(FILLED as usize) {
        let mut confirmations = Vec::new();
        for number in begin..messages.min(begin + FILLED) {
            let payload = format!("{number:0bytes$}").into();
            confirmations.push(jetstream.publish(name.to_owned(), payload).await?.into_future());
        }
        for confirmation in confirmations {
            confirmation.await?;
        }
    }
    Ok(())
}

async fn written(jetstream: &Context, name: &str, messages: u64) -> Result<Duration> {
    let mut stream = jetstream.get_stream(name).await?;
    let mut begun = None;
    loop {
        let written = stream.info().await?.state.messages;
        if written >= messages / 10 {
            begun.get_or_insert_with(Instant::now);
        }
        if let Some(begun) = begun
            && written >= messages
        {
            return Ok(begun.elapsed());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// As one would write it without gopiper.
async fn move_messages(jetstream: &Context, group: &str, from: &str, to: &str) -> Result<()> {
    let config = pull::Config {
        durable_name: Some(group.into()),
        ack_policy: AckPolicy::Explicit,
        ..pull::Config::default()
    };
    let consumer = jetstream.create_consumer_on_stream(config, from).await?;
    let mut messages = consumer.stream().max_messages_per_batch(RECEIVED).messages().await?;
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < PUBLISHED {
            // Nothing more has come: then the next to come, or the next confirmation.
            let message = match select(messages.next(), pin!(next(&mut under_way))).await {
                Either::Left((message, _)) => {
                    message.ok_or("the stream of messages has ended")??
                }
                Either::Right((confirmed, _)) => {
                    confirmed?;
                    continue;
                }
            };
            let mut headers = HeaderMap::new();
            let sequence = message.info()?.stream_sequence;
            headers.insert(NATS_MESSAGE_ID, format!("{from}:{sequence}"));
            headers.insert(NATS_EXPECTED_STREAM, to);
            let payload = message.payload.clone();
            let confirmation = jetstream.publish_with_headers(to.to_owned(), headers, payload);
            let confirmation = confirmation.await?.into_future();
            under_way.push(async move {
                confirmation.await?;
                message.ack().await
            });
        }
        next(&mut under_way).await?;
    }
}

/// The end of a message that is under way; without one, it waits.
async fn next<F: Future<Output = Result<()>>>(under_way: &mut FuturesUnordered<F>) -> Result<()> {
    match under_way.next().await {
        Some(result) => result,
        None => std::future::pending().await,
    }
}
