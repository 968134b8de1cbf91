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
    logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
    metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
};
use parking_lot::Mutex;
use tokio::{
    runtime::{self, Runtime},
    sync::watch,
    time::timeout,
};
use tonic::{Request, transport::Channel};

use super::{
    answer::{NotTaken, answer},
    complaints::{Complaints, OtlpSignal},
    following::Following,
    logs::{self, LogQueue, THREAD},
    metrics::{self, Moments},
    settings::OtlpSettings,
    spans,
    values::nanoseconds,
    waits::{LAST, OtlpWaits},
};
use crate::command::process::signals::Stops;

/// How long a line of the log waits for others.
const LINES_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked for messages that have ended.
const SPANS_EVERY: Duration = Duration::from_secs(1);

/// Sends until it is dropped; then what is left.
pub(crate) struct Exporter {
    end: watch::Sender<bool>,
    lines: Arc<LogQueue>,
    ended: mpsc::Receiver<()>,
}

impl Exporter {
    /// # Errors
    /// There can be no thread.
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

/// What all pipelines and the process have done.
type LastLook = (Vec<PipelineReport>, ProcessorTime);

fn look(controls: &[Control]) -> LastLook {
    let processor = ProcessorTime::look(controls);
    (controls.iter().map(|control| control.report(&processor)).collect(), processor)
}

struct ExporterState {
    settings: OtlpSettings,
    complaints: Complaints,
    /// When the counters began.
    start: u64,
    lines: Arc<LogQueue>,
    stops: Stops,
    /// The pipelines at their end, when they are gone.
    last: Mutex<Option<LastLook>>,
    /// The metrics that were read last were not taken.
    lacks_metrics: AtomicBool,
    /// Lines that were taken from the queue, and not taken by the receiver yet.
    lines_in_hand: AtomicU64,
    /// `None` if no ways of messages are sent.
    following: Option<Following>,
    /// Spans that the receiver has not taken yet.
    spans_in_hand: AtomicU64,
}

impl ExporterState {
    fn run(self: Arc<Self>, runtime: Runtime, mut is_ending: watch::Receiver<bool>) {
        runtime.block_on(async {
            let metrics =
                tokio::spawn(self.clone().send_metrics(OtlpWaits::new(is_ending.clone())));
            let lines = tokio::spawn(self.clone().send_lines(OtlpWaits::new(is_ending.clone())));
            let spans = tokio::spawn(self.clone().send_spans(OtlpWaits::new(is_ending.clone())));
            // It is also the end if the sender of it has gone.
            let _ = is_ending.wait_for(|is_ending| *is_ending).await;
            let all = async {
                let _ = metrics.await;
                let _ = lines.await;
                let _ = spans.await;
            };
            let _ = timeout(LAST, all).await;
            let lines = self.lines_in_hand.load(Relaxed) + self.lines.len() as u64;
            self.complaints.lost(self.lines.take_lost());
            let mut spans = self.spans_in_hand.load(Relaxed);
            if let Some(following) = &self.following {
                // What is taken here is not sent any more.
                while let passports @ [_, ..] = &*following.take() {
                    spans +=
                        spans::count(&spans::request(passports, &self.settings.resource)) as u64;
                }
            }
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

    /// Reads the metrics, and sends them. A refusal is reported here.
    async fn export_metrics(
        &self,
        client: &mut MetricsServiceClient<Channel>,
    ) -> Result<(), NotTaken> {
        for request in self.metrics() {
            let values = metrics::count(&request);
            match answer(client.export(self.with_headers(request))).await {
                Ok(response) => {
                    self.complaints.works();
                    if let Some(partial) = response.partial_success {
                        let rejected = partial.rejected_data_points;
                        self.complaints.partial(
                            OtlpSignal::Metrics,
                            rejected,
                            &partial.error_message,
                        );
                    }
                }
                Err(NotTaken::Refused { why }) => {
                    self.complaints.refused(OtlpSignal::Metrics, values, &why);
                }
                Err(later) => return Err(later),
            }
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
        let mut client = LogsServiceClient::new(self.channel());
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
                while let Err(NotTaken::Later { demanded, why }) =
                    self.export_lines(&mut client, request.clone(), count).await
                {
                    self.complaints.failing(&why);
                    client = LogsServiceClient::new(self.channel());
                    if !waits.before_another(demanded).await {
                        return;
                    }
                }
                waits.reset();
                self.lines_in_hand.store(0, Relaxed);
            }
            self.complaints.lost(self.lines.take_lost());
            if is_last {
                return;
            }
        }
    }

    /// Sends lines. A refusal is reported here.
    async fn export_lines(
        &self,
        client: &mut LogsServiceClient<Channel>,
        request: ExportLogsServiceRequest,
        count: usize,
    ) -> Result<(), NotTaken> {
        match answer(client.export(self.with_headers(request))).await {
            Ok(response) => {
                self.complaints.works();
                if let Some(partial) = response.partial_success {
                    let rejected = partial.rejected_log_records;
                    self.complaints.partial(OtlpSignal::Logs, rejected, &partial.error_message);
                }
                Ok(())
            }
            Err(NotTaken::Refused { why }) => {
                self.complaints.refused(OtlpSignal::Logs, count, &why);
                Ok(())
            }
            Err(later) => Err(later),
        }
    }

    async fn send_spans(self: Arc<Self>, mut waits: OtlpWaits) {
        let Some(following) = &self.following else { return };
        let mut client = TraceServiceClient::new(self.channel());
        loop {
            let is_last = waits.look() || waits.pause(SPANS_EVERY).await;
            loop {
                let request = spans::request(&following.take(), &self.settings.resource);
                let count = spans::count(&request);
                if count == 0 {
                    break;
                }
                self.spans_in_hand.store(count as u64, Relaxed);
                while let Err(NotTaken::Later { demanded, why }) =
                    self.export_spans(&mut client, request.clone(), count).await
                {
                    self.complaints.failing(&why);
                    client = TraceServiceClient::new(self.channel());
                    if !waits.before_another(demanded).await {
                        return;
                    }
                }
                waits.reset();
                self.spans_in_hand.store(0, Relaxed);
            }
            if is_last {
                return;
            }
        }
    }

    /// Sends spans. A refusal is reported here.
    async fn export_spans(
        &self,
        client: &mut TraceServiceClient<Channel>,
        request: ExportTraceServiceRequest,
        count: usize,
    ) -> Result<(), NotTaken> {
        match answer(client.export(self.with_headers(request))).await {
            Ok(response) => {
                self.complaints.works();
                if let Some(partial) = response.partial_success {
                    let rejected = partial.rejected_spans;
                    self.complaints.partial(OtlpSignal::Spans, rejected, &partial.error_message);
                }
                Ok(())
            }
            Err(NotTaken::Refused { why }) => {
                self.complaints.refused(OtlpSignal::Spans, count, &why);
                Ok(())
            }
            Err(later) => Err(later),
        }
    }
}
