//! Which crowd is made anew first, when several are due?
//!
//! A crowd comes after all that it uses; among those that may come now the one whose users are needed first: by
//! a run, or by a crowd that a run needs. So the deadline of a crowd is the least of its own and of all that use
//! it, directly or not, and no other order keeps a deadline that this one misses. What is due is a queue in
//! `meta.db`: a crash loses nothing of it.

use std::collections::{BTreeMap, BTreeSet};

use super::crowds::{Audiences, Job, Made};
use super::registry::{Crowd, Update};
use super::rules::Graph;
use super::version::State;
use crate::base::{Outcome, Problems, Timestamp};

/// When a crowd's users are needed, by its name; those that are not here are in no hurry.
pub type Deadlines = BTreeMap<String, Timestamp>;

/// A crowd that is due to be made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queued {
    pub crowd: String,
    /// Since when.
    pub at: Timestamp,
    pub as_of: Timestamp,
    /// When it is needed, also by crowds that use it.
    pub deadline: Option<Timestamp>,
}

/// How many crowds stand how: each in one of the first three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    pub fresh: u64,
    pub stale: u64,
    pub held: u64,
    /// Of all, those that are due to be made anew.
    pub queued: u64,
}

/// A crowd, and what came of making it anew.
pub type Refreshed = (String, Result<Made, Problems>);

impl Audiences {
    /// Refreshes every daily and on-demand crowd, each after those that it uses.
    pub fn refresh_all(&mut self, as_of: Timestamp, job: Job) -> Outcome<Vec<Refreshed>> {
        let is_meant = |crowd: &Crowd| matches!(crowd.update, Update::Daily | Update::OnDemand);
        let meant: BTreeSet<String> =
            self.registry.all()?.into_iter().filter(is_meant).map(|crowd| crowd.name).collect();
        let order = in_order(&self.registry.graph()?, &Deadlines::new());
        let names = order.into_iter().filter(|name| meant.contains(name));
        Ok(names
            .map(|name| {
                let made = self.refresh(&name, as_of, job);
                (name, made)
            })
            .collect())
    }

    /// Is there a daily crowd?
    pub fn has_daily(&self) -> Outcome<bool> {
        Ok(self.registry.all()?.iter().any(|crowd| crowd.update == Update::Daily))
    }

    /// Every daily crowd that is wanted is due at `at`, as of `as_of`, unless that was done already (semantics 3,
    /// "daily").
    pub fn queue_daily(
        &mut self,
        at: Timestamp,
        as_of: Timestamp,
        is_wanted: &dyn Fn(&Crowd) -> bool,
    ) -> Outcome<()> {
        let mut due = Vec::new();
        let daily = self.registry.all()?.into_iter().filter(|crowd| crowd.update == Update::Daily);
        for crowd in daily.filter(is_wanted) {
            if !self.is_done(&crowd, at, as_of)? {
                due.push(crowd.no);
            }
        }
        self.registry.change(|change| due.iter().try_for_each(|crowd| change.queue(*crowd, at, as_of)))
    }

    /// Does a crowd wait to be made anew?
    pub fn has_queued(&self) -> Outcome<bool> {
        self.registry.has_queued()
    }

    /// The crowds that wait, in the order in which they will be made.
    pub fn queued(&self, deadlines: &Deadlines) -> Outcome<Vec<Queued>> {
        let waiting = self.registry.queued()?;
        let graph = self.registry.graph()?;
        let urgent = inherited(&graph, deadlines);
        let queued = |name: String| {
            let (at, as_of) = *waiting.get(&name)?;
            Some(Queued { deadline: urgent.get(&name).copied(), crowd: name, at, as_of })
        };
        Ok(in_order(&graph, deadlines).into_iter().filter_map(queued).collect())
    }

    /// Makes a crowd of the queue anew and takes it out, whatever came of it; nothing if it was done already.
    pub fn refresh_queued(&mut self, queued: &Queued, job: Job) -> Outcome<Option<Refreshed>> {
        let crowd = self.find(&queued.crowd)?;
        let is_done = self.is_done(&crowd, queued.at, queued.as_of)?;
        let made = (!is_done).then(|| self.refresh(&crowd.name, queued.as_of, job));
        self.registry.change(|change| change.unqueue(crowd.no))?;
        Ok(made.map(|made| (crowd.name, made)))
    }

    /// How many of all crowds stand how; those of tasks alone among them.
    pub fn standing(&self, now: Timestamp) -> Outcome<Standing> {
        let mut standing = Standing { queued: self.registry.queued()?.len() as u64, ..Standing::default() };
        for crowd in self.registry.all()? {
            let overview = self.overview(crowd, now)?;
            let count = match (overview.held(), overview.is_stale) {
                (Some(_), _) => &mut standing.held,
                (None, true) => &mut standing.stale,
                (None, false) => &mut standing.fresh,
            };
            *count += 1;
        }
        Ok(standing)
    }

    /// Was this very refresh tried, and did the attempt come to its end?
    fn is_done(&self, crowd: &Crowd, at: Timestamp, as_of: Timestamp) -> Outcome<bool> {
        let versions = self.registry.versions(crowd.no)?;
        let is_tried = |state| !matches!(state, State::Computing | State::Cancelled);
        Ok(versions.iter().any(|v| v.as_of == as_of && v.made_at >= at && is_tried(v.state)))
    }
}

/// The crowds in an order in which each comes after all that it uses; among those that may come the most urgent
/// first, ties by name. Crowds that are used but not in the graph are left out, and so is what hangs in a cycle.
pub fn in_order(graph: &Graph, deadlines: &Deadlines) -> Vec<String> {
    let urgent = inherited(graph, deadlines);
    let rank = |name: &str| urgent.get(name).copied().unwrap_or(Timestamp(i64::MAX));
    let mut order: Vec<String> = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    loop {
        let is_ready = |uses: &BTreeSet<String>| {
            uses.iter().all(|name| done.contains(name.as_str()) || !graph.contains_key(name))
        };
        let ready = graph.iter().filter(|(name, uses)| !done.contains(name.as_str()) && is_ready(uses));
        let Some((name, _)) = ready.min_by_key(|(name, _)| (rank(name), *name)) else { return order };
        done.insert(name);
        order.push(name.clone());
    }
}

/// The deadline of each crowd: the least of its own and of all that use it.
fn inherited(graph: &Graph, deadlines: &Deadlines) -> Deadlines {
    let mut found = deadlines.clone();
    let mut changed: Vec<(String, Timestamp)> = deadlines.clone().into_iter().collect();
    while let Some((name, at)) = changed.pop() {
        for used in graph.get(&name).into_iter().flatten() {
            if found.get(used).is_none_or(|known| at < *known) {
                found.insert(used.clone(), at);
                changed.push((used.clone(), at));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A graph that points only to smaller numbers has no cycle.
    fn graph_of(count: u8, edges: &[(u8, u8)]) -> Graph {
        let mut known: Graph = (0..count).map(|n| (n.to_string(), BTreeSet::new())).collect();
        for (from, to) in edges.iter().filter(|(from, _)| (1..count).contains(from)) {
            known.entry(from.to_string()).or_default().insert((to % from).to_string());
        }
        known
    }

    fn deadlines_of(at: &[Option<i64>]) -> Deadlines {
        let all = at.iter().enumerate();
        all.filter_map(|(n, at)| Some((n.to_string(), Timestamp((*at)?)))).collect()
    }

    /// By how much the latest is late, if every crowd takes 10.
    fn lateness(order: &[String], deadlines: &Deadlines) -> i64 {
        let late =
            order.iter().zip(1..).filter_map(|(name, n): (_, i64)| Some(n * 10 - deadlines.get(name)?.0));
        late.max().unwrap_or(i64::MIN)
    }

    /// The slow twin: every order that keeps the graph, one after the other.
    fn least_lateness(graph: &Graph, deadlines: &Deadlines, so_far: &mut Vec<String>) -> i64 {
        if so_far.len() == graph.len() {
            return lateness(so_far, deadlines);
        }
        let ready: Vec<String> = graph
            .iter()
            .filter(|(name, uses)| !so_far.contains(name) && uses.iter().all(|used| so_far.contains(used)))
            .map(|(name, _)| name.clone())
            .collect();
        let mut least = i64::MAX;
        for name in ready {
            so_far.push(name);
            least = least.min(least_lateness(graph, deadlines, so_far));
            so_far.pop();
        }
        least
    }

    proptest! {
        #[test]
        fn what_is_used_comes_first(edges in prop::collection::vec((0..20u8, 0..20u8), 0..60), at in prop::collection::vec(prop::option::of(0..100i64), 20)) {
            let known = graph_of(20, &edges);
            let order = in_order(&known, &deadlines_of(&at));
            prop_assert_eq!(order.len(), known.len());
            for (i, name) in order.iter().enumerate() {
                let later = &order[i..];
                prop_assert!(known[name].iter().all(|used| !later.contains(used)));
            }
        }

        #[test]
        fn no_order_is_less_late(edges in prop::collection::vec((0..6u8, 0..6u8), 0..8), at in prop::collection::vec(prop::option::of(0..70i64), 6)) {
            let (known, deadlines) = (graph_of(6, &edges), deadlines_of(&at));
            let order = in_order(&known, &deadlines);
            prop_assert_eq!(lateness(&order, &deadlines), least_lateness(&known, &deadlines, &mut Vec::new()));
        }
    }

    #[test]
    fn what_a_run_needs_first_comes_first_with_all_that_it_uses() {
        let set = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<BTreeSet<_>>();
        let graph = Graph::from([
            ("a".into(), set(&[])),
            ("base".into(), set(&[])),
            ("soon".into(), set(&["base"])),
            ("z".into(), set(&["a"])),
        ]);
        let deadlines = Deadlines::from([("soon".into(), Timestamp(5)), ("a".into(), Timestamp(9))]);
        assert_eq!(in_order(&graph, &deadlines), ["base", "soon", "a", "z"]);
        assert_eq!(in_order(&graph, &Deadlines::new()), ["a", "base", "soon", "z"]);
    }
}
