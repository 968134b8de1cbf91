//! The construction of graphs: refusals, connections, and the promise of each way.
mod common;

use common::{
    Probe, load,
    steps::{block, branch, by_number, grep},
};
use gopiper_abi::Value;
use gopiper_core::{
    BranchPolicy, BufferOptions, OnFail, Pipeline, PipelineError, PipelineOptions, Step, WhenFull,
};

#[test]
fn each_way_names_its_possible_losses() {
    let state = tempfile::tempdir().unwrap();
    let file = |name: &str| state.path().join(name).display().to_string();
    let source = || {
        let paths = Value::from(vec![Value::from(file("in"))]);
        Step::from(load("file_source", [("paths", paths)]))
    };
    let sink = || load("file_sink", [("path", file("out").into())]);
    let options =
        || PipelineOptions { state_directory: Some(state.path().into()), ..Default::default() };
    let ways = |steps: Vec<Step>, options| {
        let pipeline = Pipeline::new(steps, options);
        pipeline.unwrap_or_else(|errors| panic!("{errors:?}")).ways().collect::<Vec<_>>()
    };
    let only = ways(vec![source(), grep("x"), sink().into()], options());
    assert_eq!(only[0].components, ["file_source", "grep", "file_sink"]);
    assert_eq!(only[0].losses, [""; 0]);

    let mut careless = load("grep", [("word", "x".into())]);
    careless.options.on_fail = Some(OnFail::Discard);
    let buffer = BufferOptions { when_full: WhenFull::DropNewest, ..Default::default() };
    let all = ways(
        vec![
            Step::Merge(vec![
                vec![source(), Step::Buffer(buffer)],
                vec![Probe::new([""; 0]).source(1).into()],
            ]),
            careless.into(),
            Step::Tee(vec![
                block(vec![sink().into()]),
                branch(BranchPolicy::Drop, vec![Probe::new([""; 0]).sink().into()]),
            ]),
        ],
        options(),
    );
    let discards = "messages that fail in grep are discarded (on_fail)";
    let drops = "buffer drops messages while it is full (when_full)";
    let feed = "feed does not resend messages that were under way at a crash";
    let collect = [
        "messages are dropped while collect is full (policy)",
        "collect does not promise that the messages it has taken survive a crash",
    ];
    assert_eq!(all.iter().map(|way| way.repeats).collect::<Vec<_>>(), [true, true, false, false]);
    let losses: Vec<_> = all.iter().map(|way| way.losses.clone()).collect();
    assert_eq!(losses[0], [drops, discards]);
    assert_eq!(losses[1], [drops, discards, collect[0], collect[1]]);
    assert_eq!(losses[2], [feed, discards]);
    assert_eq!(losses[3], [feed, discards, collect[0], collect[1]]);
    assert_eq!(all[1].components.join(" "), "file_source buffer buffer.out grep collect");

    let careless = load("file_sink", [("path", file("dead").into()), ("sync", "never".into())]);
    let pipeline = Pipeline::new(vec![source(), grep("x"), sink().into()], options());
    let pipeline = pipeline.and_then(|pipeline| pipeline.dead_letters_to(careless));
    let mut pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
    let forgotten = "failed messages go to file_sink_2 (dead_letter), which does not promise that \
                     they survive a crash (sync = 'never')";
    let discarded = "failed messages with which file_sink_2 (dead_letter) fails, too, are discarded \
                     (on_fail)";
    let way = pipeline.ways().next().expect("one");
    assert_eq!(way.losses, [forgotten, discarded]);
    assert_eq!(way.components.len(), 3, "what fails is on no way");
    let (nodes, links) = (pipeline.nodes(), pipeline.links());
    let failed = links.iter().filter(|link| link.label == "failed");
    let failed: Vec<_> =
        failed.map(|link| (&*nodes[link.from].name, &*nodes[link.to].name)).collect();
    let to = "file_sink_2";
    assert_eq!(failed, [("file_source", to), ("grep", to), ("file_sink", to)]);

    let no_place = "there is no place to keep failed messages";
    let only = ways(vec![source(), grep("x"), sink().into()], PipelineOptions::default());
    assert_eq!(only[0].losses, [no_place]);
}

#[test]
fn links_say_how_messages_take_them() {
    let (probe, sink) = (Probe::new([""; 0]), || Probe::new([""; 0]).sink());
    let router = by_number();
    let pipeline = Pipeline::new(
        vec![
            probe.source(1).into(),
            Step::Route {
                router,
                branches: vec![
                    (
                        "odd".into(),
                        vec![Step::Tee(vec![
                            branch(BranchPolicy::Detach, vec![sink().into()]),
                            block(vec![]),
                        ])],
                    ),
                    ("even".into(), vec![]),
                ],
            },
            sink().into(),
        ],
        PipelineOptions::default(),
    );
    let pipeline = pipeline.unwrap_or_else(|errors| panic!("{errors:?}"));
    let nodes = pipeline.nodes();
    let shown: Vec<_> = pipeline
        .links()
        .iter()
        .map(|link| {
            let label = &link.label;
            format!("{} -{label}- {}", nodes[link.from].name, nodes[link.to].name)
        })
        .collect();
    assert_eq!(
        shown,
        [
            "feed -- by_number",
            "by_number -odd, copy 1, detach- collect",
            "by_number -odd, copy 2- collect_2",
            "by_number -even- collect_2",
        ]
    );
    assert!(pipeline.links()[1].is_lossy() && !pipeline.links()[2].is_lossy());
}

#[test]
fn graphs_that_lead_nowhere_are_refused() {
    let probe = Probe::new([""; 0]);
    let source = || Step::from(probe.source(1));
    let sink = || Step::from(probe.sink());
    let tee = |branches: Vec<Vec<Step>>| Step::Tee(branches.into_iter().map(block).collect());
    let detached = || branch(BranchPolicy::Detach, vec![grep("x")]);
    let route = || Step::Route { router: by_number(), branches: Vec::new() };
    for (steps, expected) in [
        (vec![tee(vec![vec![sink()]]), sink()], "tee: it cannot be the first element of a list"),
        (vec![source(), tee(vec![])], "tee: it has no branches"),
        (vec![source(), route()], "route: it has no branches"),
        (
            vec![source(), tee(vec![vec![]])],
            "tee: nothing follows branch 1, which is empty: put a sink into it, or after the tee",
        ),
        (
            vec![source(), tee(vec![vec![grep("x")], vec![sink()]])],
            "grep: nothing follows branch 1 of the tee, which ends in a transform: put a sink at its end",
        ),
        (
            vec![source(), tee(vec![vec![sink()]]), sink()],
            "collect_2: it receives no messages, because every branch before it ends in a sink",
        ),
        (
            vec![source(), Step::Tee(vec![detached()]), sink()],
            "tee: branch 1 is detached, so it must end in a sink",
        ),
        (
            vec![source(), Step::Merge(vec![vec![source()]]), sink()],
            "merge: it must be the first element of the pipeline",
        ),
        (vec![Step::Merge(vec![]), sink()], "merge: it has no lists"),
        (
            vec![Step::Merge(vec![vec![]]), sink()],
            "merge: list 1 is empty: each begins with a source",
        ),
        (
            vec![Step::Merge(vec![vec![source(), sink()], vec![source()]]), sink()],
            "merge: list 1 ends in a sink",
        ),
        (
            vec![Step::Merge(vec![vec![grep("x")]]), sink()],
            "grep is a transform, and cannot be the first of a pipeline",
        ),
        (
            vec![source(), tee(vec![vec![source(), sink()], vec![sink()]])],
            "feed_2 is a source, and cannot be in the middle of a pipeline",
        ),
        (
            vec![source(), tee(vec![vec![Step::Buffer(BufferOptions::default()), sink()]])],
            "buffer: a buffer keeps messages on disk",
        ),
    ] {
        let errors = Pipeline::new(steps, PipelineOptions::default()).err().expect(expected);
        let errors: Vec<_> = errors.iter().map(PipelineError::to_string).collect();
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{expected}: {errors:?}");
    }
}
