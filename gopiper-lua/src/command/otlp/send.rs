//! The thread that sends: metrics at an interval, the log and the ways of messages as they come,
//! all until they are taken or refused. What is left at the end has [`LAST`] more.
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use gopiper_core::{
    Control,
    observe::{PipelineReport, ProcessorTime, published},
};
use opentelemetry_proto::tonic::collector::{
    logs::v1::logs_service_client::LogsServiceClient,
    metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    trace::v1::trace_service_client::TraceServiceClient,
};
use parking_lot::Mutex;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
    task::{LocalSet, spawn_local},
    time::timeout,
};
use tonic::{Request, transport::Channel};

use super::{
    answer::{NotTaken, answer},
    complaints::{Complaints, OtlpSignal},
    following::Following,
    logs::{self, LogQueue},
    metrics::{self, Moments},
    settings::OtlpSettings,
    spans,
    values::nanoseconds,
    waits::{LAST, OtlpWaits},
};
use crate::command::process::signals::Stops;

/// The name of the thread that sends, and of those that find addresses for it.
const THREAD: &str = "gopiper-otlp";
/// How long a line of the log waits for others.
const LINES_EVERY: Duration = Duration::from_secs(1);
/// How often the spans of messages that have ended are sent.
const SPANS_EVERY: Duration = Duration::from_secs(1);

/// Sends until it is dropped, and then the rest.
pub(crate) struct Exporter {
    end: watch::Sender<bool>,
    lines: Arc<LogQueue>,
    ended: mpsc::Receiver<()>,
}

impl Exporter {
    /// Starts the thread that sends.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub(super) fn start(
        settings: OtlpSettings,
        traces_per_second: f64,
        lines: Arc<LogQueue>,
        stops: &Stops,
    ) -> io::Result<Self> {
        // Threads that find addresses count as gopiper's own by their name.
        let runtime =
            runtime::Builder::new_current_thread().enable_all().thread_name(THREAD).build()?;
        let sending = Arc::new(ExporterState {
            complaints: Complaints::new(settings.url.clone()),
            settings,
            start: nanoseconds(SystemTime::now()),
            lines: lines.clone(),
            stops: stops.clone(),
            last: Mutex::new(None),
            lacks_metrics: AtomicBool::new(false),
            lines_in_hand: AtomicU64::new(0),
            following: Following::new(traces_per_second),
            spans_in_hand: AtomicU64::new(0),
        });
        let at_begin = sending.clone();
        stops.when_they_begin(move |controls| {
            at_begin.following.iter().for_each(|following| following.begin(controls));
        });
        let at_end = sending.clone();
        stops.when_they_end(move |controls| *at_end.last.lock() = Some(look(controls)));
        let (end, is_ending) = watch::channel(false);
        let (has_ended, ended) = mpsc::channel();
        thread::Builder::new().name(THREAD.into()).spawn(move || {
            sending.lines.taken_here();
            sending.run(runtime, is_ending);
            drop(has_ended);
        })?;
        Ok(Exporter { end, lines, ended })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.end.send(true);
        self.lines.wake();
        // The thread keeps to its limit itself, unless the system does not let it run.
        let _ = self.ended.recv_timeout(LAST + Duration::from_secs(1));
    }
}

/// The reports of all pipelines, and the processor time of the process.
type LastLook = (Vec<PipelineReport>, ProcessorTime);

fn look(controls: &[Control]) -> LastLook {
    let processor = ProcessorTime::look(controls);
    (controls.iter().map(|control| control.report(&processor)).collect(), processor)
}

/// The number of items that the receiver has rejected of an accepted request, and its reason.
/// `None` if the receiver has not reported it.
type Partial = Option<(i64, String)>;

struct ExporterState {
    settings: OtlpSettings,
    complaints: Complaints,
    /// When the counters began.
    start: u64,
    lines: Arc<LogQueue>,
    stops: Stops,
    /// The reports at the end of the pipelines, after which they cannot be read any more.
    last: Mutex<Option<LastLook>>,
    /// Whether the receiver has not accepted the metrics that were read last.
    lacks_metrics: AtomicBool,
    /// The number of lines that were taken from the queue, and that the receiver has not accepted
    /// yet.
    lines_in_hand: AtomicU64,
    /// The followed messages; `None` if no spans are sent.
    following: Option<Following>,
    /// The number of spans in the present request, which the receiver has not accepted yet.
    spans_in_hand: AtomicU64,
}

impl ExporterState {
    fn run(self: Arc<Self>, runtime: Runtime, mut is_ending: watch::Receiver<bool>) {
        LocalSet::new().block_on(&runtime, async {
            let metrics = spawn_local(self.clone().send_metrics(OtlpWaits::new(is_ending.clone())));
            let lines = spawn_local(self.clone().send_lines(OtlpWaits::new(is_ending.clone())));
            let spans = spawn_local(self.clone().send_spans(OtlpWaits::new(is_ending.clone())));
            // An error means that its sender was dropped: that is the end, too.
            let _ = is_ending.wait_for(|is_ending| *is_ending).await;
            let all = async {
                let _ = metrics.await;
                let _ = lines.await;
                let _ = spans.await;
            };
            let _ = timeout(LAST, all).await;
            let lines = self.lines_in_hand.load(Relaxed) + self.lines.len() as u64;
            let mut spans = self.spans_in_hand.load(Relaxed);
            if let Some(following) = &self.following {
                // These passports are not sent any more, only counted.
                while let passports @ [_, ..] = &*following.take() {
                    spans +=
                        spans::count(&spans::request(passports, &self.settings.resource)) as u64;
                }
            }
            self.report_lost();
            self.complaints.unsent(self.lacks_metrics.load(Relaxed), lines, spans);
        });
        // A thread that finds an address may take longer.
        runtime.shutdown_background();
    }

    /// A new connection, when it is needed.
    fn channel(&self) -> Channel {
        self.settings.endpoint.connect_lazy()
    }

    fn with_headers<T>(&self, body: T) -> Request<T> {
        let mut request = Request::new(body);
        *request.metadata_mut() = self.settings.headers.clone();
        request
    }

    async fn send_metrics(self: Arc<Self>, mut waits: OtlpWaits) {
        let mut client = MetricsServiceClient::new(self.channel());
        loop {
            // If the end was asked for meanwhile: at once, with all that was counted.
            if !waits.look() {
                waits.pause(self.settings.interval).await;
            }
            let is_last = waits.look();
            self.lacks_metrics.store(true, Relaxed);
            match self.export_metrics(&mut client).await {
                Err(NotTaken::Later { demanded, why }) => {
                    self.complaints.failing(&why);
                    // A connection that seems to work may be a broken one.
                    client = MetricsServiceClient::new(self.channel());
                    // They are not sent again: what is read later contains them.
                    if !waits.before_another(demanded).await {
                        return;
                    }
                }
                _ => {
                    self.lacks_metrics.store(false, Relaxed);
                    waits.reset();
                    if is_last {
                        return;
                    }
                }
            }
        }
    }

    /// Reads the metrics, and sends them.
    async fn export_metrics(
        &self,
        client: &mut MetricsServiceClient<Channel>,
    ) -> Result<(), NotTaken> {
        for request in self.metrics() {
            let values = metrics::count(&request);
            let answer = answer(client.export(self.with_headers(request))).await;
            let partial = answer
                .map(|it| it.partial_success.map(|it| (it.rejected_data_points, it.error_message)));
            self.settle(OtlpSignal::Metrics, values, partial)?;
        }
        Ok(())
    }

    fn metrics(&self) -> Vec<ExportMetricsServiceRequest> {
        let controls = self.stops.controls();
        let gone = if controls.is_empty() { self.last.lock().clone() } else { None };
        let (reports, processor) = gone.unwrap_or_else(|| look(&controls));
        let moments = Moments { start: self.start, now: nanoseconds(SystemTime::now()) };
        metrics::requests(&published(&reports, &processor), &self.settings.resource, moments)
    }

    async fn send_lines(self: Arc<Self>, mut waits: OtlpWaits) {
        let mut channel = self.channel();
        loop {
            let is_last = waits.look();
            if !is_last {
                self.lines.wait(LINES_EVERY).await;
            }
            loop {
                let lines = self.lines.take();
                let count = lines.len();
                if count == 0 {
                    break;
                }
                self.lines_in_hand.store(count as u64, Relaxed);
                let request = logs::request(lines, &self.settings.resource);
                let attempt = |channel| {
                    let request = self.with_headers(request.clone());
                    async move {
                        let mut client = LogsServiceClient::new(channel);
                        let partial = answer(client.export(request)).await?.partial_success;
                        Ok(partial.map(|it| (it.rejected_log_records, it.error_message)))
                    }
                };
                let sent = (OtlpSignal::Logs, count);
                if !self.send(sent, attempt, &mut channel, &mut waits).await {
                    return;
                }
                self.lines_in_hand.store(0, Relaxed);
            }
            self.report_lost();
            if is_last {
                return;
            }
        }
    }

    async fn send_spans(self: Arc<Self>, mut waits: OtlpWaits) {
        let Some(following) = &self.following else { return };
        let mut channel = self.channel();
        loop {
            let is_last = waits.look() || waits.pause(SPANS_EVERY).await;
            loop {
                let request = spans::request(&following.take(), &self.settings.resource);
                let count = spans::count(&request);
                if count == 0 {
                    break;
                }
                self.spans_in_hand.store(count as u64, Relaxed);
                let attempt = |channel| {
                    let request = self.with_headers(request.clone());
                    async move {
                        let mut client = TraceServiceClient::new(channel);
                        let partial = answer(client.export(request)).await?.partial_success;
                        Ok(partial.map(|it| (it.rejected_spans, it.error_message)))
                    }
                };
                let sent = (OtlpSignal::Spans, count);
                if !self.send(sent, attempt, &mut channel, &mut waits).await {
                    return;
                }
                self.spans_in_hand.store(0, Relaxed);
            }
            self.report_lost();
            if is_last {
                return;
            }
        }
    }

    /// Reports what found no room.
    fn report_lost(&self) {
        self.complaints.lost(OtlpSignal::Logs, self.lines.take_lost());
        let ways = self.following.as_ref().map_or(0, Following::take_lost);
        self.complaints.lost(OtlpSignal::Spans, ways);
    }

    /// Sends a request again and again until the receiver accepts or refuses it. Returns false if
    /// no time is left.
    async fn send<A>(
        &self,
        (signal, items): (OtlpSignal, usize),
        attempt: impl Fn(Channel) -> A,
        channel: &mut Channel,
        waits: &mut OtlpWaits,
    ) -> bool
    where
        A: Future<Output = Result<Partial, NotTaken>>,
    {
        while let Err(NotTaken::Later { demanded, why }) =
            self.settle(signal, items, attempt(channel.clone()).await)
        {
            self.complaints.failing(&why);
            self.report_lost();
            // A connection that seems to work may be a broken one.
            *channel = self.channel();
            if !waits.before_another(demanded).await {
                return false;
            }
        }
        waits.reset();
        true
    }

    /// Reports data that the receiver will never accept.
    ///
    /// # Errors
    /// The receiver may accept it later.
    fn settle(
        &self,
        signal: OtlpSignal,
        items: usize,
        answer: Result<Partial, NotTaken>,
    ) -> Result<(), NotTaken> {
        match answer {
            Ok(partial) => {
                self.complaints.works();
                if let Some((rejected, message)) = partial {
                    self.complaints.partial(signal, rejected, &message);
                }
            }
            Err(NotTaken::Refused { why }) => self.complaints.refused(signal, items, &why),
            Err(later) => return Err(later),
        }
        Ok(())
    }
}
