//! No false `same`: a version of the workspace on which a recording is called the same does the same when its conversation is had again.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use waypost::check::{Loaded, load};
use waypost::driver::files::read_dir;
use waypost::engine::{Keys, Machine};
use waypost::transcript::mutate;
use waypost::transcript::record::{Class, Recording, parse, try_on};

use super::{Recorded, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn same_is_said_only_of_equal_events() {
    try_all(".", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn same_is_said_only_of_equal_events_in_a_shop() {
    try_all("examples/retail", 2).await;
}

/// Truth is what the same transcripts come to when they are had again on the mutant, with nothing taken from a recording. `MUTANTS=1000` tries more
/// than every run does.
async fn try_all(root: &'static str, most: usize) {
    let Recorded { recordings, loaded } = recorded(root).await;
    let read: Vec<_> = recordings.into_iter().map(|(name, bytes)| (name, parse(&bytes).unwrap())).collect();
    let own = Machine::new(loaded, Keys::derive(b"recording"));
    for (name, recording) in &read {
        assert_eq!(try_on(&own, recording).unwrap().class, Class::Same, "{name} on its own version");
    }
    let files = read_dir(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(root)).unwrap();
    let all = mutate::mutants(&files);
    #[expect(clippy::disallowed_methods, reason = "how many are tried is the environment's to say")]
    let most = std::env::var("MUTANTS").ok().and_then(|n| n.parse().ok()).unwrap_or(most);
    let step = (all.len() / (2 * most)).max(1);
    let loads = |mutant: &mutate::Mutant| Some((mutant.id.clone(), load(mutant.files(&files)).loaded()?));
    let tried: Vec<(String, Loaded)> = all.iter().step_by(step).filter_map(loads).take(most).collect();
    let (number, read) = (tried.len(), Arc::new(read));
    let mut all = JoinSet::new();
    for (what, loaded) in tried {
        all.spawn(compared(root, what, loaded, read.clone()));
    }
    let (mut same, mut noticed, mut others) = (0, 0, BTreeMap::<&str, usize>::new());
    while let Some(classes) = all.join_next().await {
        let classes = classes.unwrap();
        same += classes.iter().filter(|c| **c == Class::Same).count();
        noticed += usize::from(classes.iter().any(|c| *c != Class::Same));
        for class in classes.iter().filter(|c| **c != Class::Same) {
            *others.entry(class.as_str()).or_default() += 1;
        }
    }
    eprintln!("{root}: {number} mutants: {noticed} noticed, {same} times the same, others {others:?}");
    assert!(noticed > 0 && same > 0, "{noticed} of {number} mutants change anything");
}

/// What each recording is called on a mutant; one that is called the same has to be.
async fn compared(root: &str, what: String, loaded: Loaded, read: Arc<Vec<(String, Recording)>>) -> Vec<Class> {
    let machine = Machine::new(loaded.clone(), Keys::derive(b"recording"));
    let truth = super::recorded_on(&loaded, root).await;
    let mut classes = Vec::new();
    for (name, recording) in &*read {
        let class = try_on(&machine, recording).unwrap().class;
        if class == Class::Same {
            let Some((_, again)) = truth.iter().find(|(n, _)| n == name) else { panic!("{name} is not there") };
            let why = super::differs(recording, again);
            assert!(why.is_none(), "`{name}` is called the same on the mutant {what}, and it is not: {}", why.unwrap_or_default());
        }
        classes.push(class);
    }
    classes
}
