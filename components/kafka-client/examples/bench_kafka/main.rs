//! What `cargo xtask bench` compares gopiper's components for Kafka with, and what it needs around
//! that.
//!
//! - `bench_kafka fill BROKER TOPIC MESSAGES BYTES`: makes a topic of so many messages.
//! - `bench_kafka make BROKER TOPIC`: makes an empty one.
//! - `bench_kafka remove BROKER TOPIC`
//! - `bench_kafka committed BROKER GROUP TOPIC MESSAGES`: waits until the group has committed so
//!   many messages. Prints how many seconds passed since it had a tenth of them.
//! - `bench_kafka bare BROKER GROUP FROM [TO]`: reads a topic as a member of the group, and with TO
//!   writes each message to that one, until SIGTERM; `bare` says how.
mod bare;

use std::{
    env,
    error::Error as StdError,
    future::Future,
    pin::pin,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::ClientConfig,
    consumer::{BaseConsumer, Consumer},
    error::RDKafkaErrorCode,
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
    topic_partition_list::{Offset, TopicPartitionList},
};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn StdError>>;

/// How long to wait for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);
/// How many partitions a topic has.
const PARTITIONS: i32 = 4;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench_kafka: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["fill", broker, topic, messages, bytes] => {
            make(broker, topic)?;
            fill(broker, topic, number(messages)?, number(bytes)?)
        }
        ["make", broker, topic] => make(broker, topic),
        ["remove", broker, topic] => remove(broker, topic),
        ["committed", broker, group, topic, messages] => {
            let consumer = looking(broker, group)?;
            let partitions = partitions(&consumer, topic)?;
            timed(number(messages)?, || committed(&consumer, topic, partitions))
        }
        ["bare", broker, group, from, ref to @ ..] if to.len() < 2 => {
            let ended = ended()?;
            bare::run(broker, group, from, to.first().copied(), &ended)
        }
        _ => Err("see the first lines of this program's source".into()),
    }
}

pub(crate) fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| format!("'{text}' is not a number that fits").into())
}

/// Is true after a SIGTERM.
fn ended() -> Result<Arc<AtomicBool>> {
    let ended = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ended.clone())?;
    Ok(ended)
}

fn client(broker: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker);
    config
}

fn make(broker: &str, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(broker).create()?;
    let topic = NewTopic::new(topic, PARTITIONS, TopicReplication::Fixed(1));
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for made in wait_for(admin.create_topics([&topic], &options))? {
        made.map_err(|(topic, code)| format!("cannot make the topic {topic}: {code}"))?;
    }
    Ok(())
}

fn remove(broker: &str, topic: &str) -> Result<()> {
    let admin: AdminClient<DefaultClientContext> = client(broker).create()?;
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    for removed in wait_for(admin.delete_topics(&[topic], &options))? {
        removed.map_err(|(topic, code)| format!("cannot remove the topic {topic}: {code}"))?;
    }
    Ok(())
}

/// The result of a future. Only the client for topics has futures: a runtime is not worth it.
fn wait_for<F: Future>(future: F) -> F::Output {
    struct Waiting(Thread);
    impl Wake for Waiting {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Waiting(thread::current())));
    let (mut context, mut future) = (Context::from_waker(&waker), pin!(future));
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        thread::park();
    }
}

/// Ends the program if a message has not been written.
struct Filling;

impl rdkafka::ClientContext for Filling {}

impl ProducerContext for Filling {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            eprintln!("bench_kafka: {error}");
            std::process::exit(1);
        }
    }
}

/// Spreads the messages evenly.
fn fill(broker: &str, topic: &str, messages: u64, bytes: usize) -> Result<()> {
    let mut config = client(broker);
    config.set("linger.ms", "20").set("batch.num.messages", "10000");
    let producer: BaseProducer<Filling> = config.create_with_context(Filling)?;
    let payload = "0123456789abcdef".repeat(bytes / 16 + 1);
    for (_, partition) in (0..messages).zip((0..PARTITIONS).cycle()) {
        let mut record =
            BaseRecord::<(), str>::to(topic).payload(&payload[..bytes]).partition(partition);
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(Duration::from_millis(1));
            record = back;
        }
    }
    Ok(producer.flush(PATIENCE)?)
}

/// A consumer that only asks: one that does not subscribe does not join its group.
fn looking(broker: &str, group: &str) -> Result<BaseConsumer> {
    Ok(client(broker).set("group.id", group).set("enable.auto.commit", "false").create()?)
}

/// The number of the topic's partitions.
pub(crate) fn partitions(consumer: &BaseConsumer, topic: &str) -> Result<i32> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let partitions = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    match partitions {
        0 => Err(format!("there is no topic '{topic}'").into()),
        count => Ok(i32::try_from(count)?),
    }
}

fn committed(consumer: &BaseConsumer, topic: &str, partitions: i32) -> Result<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let list = consumer.committed_offsets(list, PATIENCE)?;
    let of = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
    Ok(list.elements().iter().map(|element| of(element.offset())).sum())
}

/// Prints how long it took from a tenth of these messages until there are all.
fn timed(messages: i64, count: impl Fn() -> Result<i64>) -> Result<()> {
    let mut begun = None;
    loop {
        let there = count()?;
        if there >= messages / 10 {
            begun.get_or_insert_with(Instant::now);
        }
        if let Some(begun) = begun
            && there >= messages
        {
            println!("{}", begun.elapsed().as_secs_f64());
            return Ok(());
        }
        thread::sleep(LOOK);
    }
}
