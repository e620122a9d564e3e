//! Asks a list of selections as `estimate --no-cache` does: the count at every node.

use criterion::Criterion;

use crate::support::World;

/// One bench per selection: its name, its text. The first call, which reads columns in, is not measured.
pub fn ask(criterion: &mut Criterion, group: &str, selections: &[(&str, &str)]) {
    let world = World::open();
    let mut group = criterion.benchmark_group(group);
    group.sample_size(20);
    for (name, text) in selections {
        let plan = world.plan(text);
        group.bench_function(*name, |bench| bench.iter(|| plan.count(&world.snapshot).unwrap().count));
    }
    group.finish();
}
