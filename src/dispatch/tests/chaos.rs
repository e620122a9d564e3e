//! Random runs through a channel that takes and times out, answers twice, in another order, of strangers, and
//! lies; with kills at random steps, moves of people in between, and receipts at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use proptest::prelude::*;

use super::world::{DieAt, World, at, text};
use crate::base::Problem;
use crate::dispatch::{
    Batch, Handle, NoFaults, Outcome, Receipt, ReceiptState, ReceiptWord, Report, Sender, Senders, TouchId,
    cancel, stop,
};
use crate::task::Move;

/// What the channel does with one hand-over.
#[derive(Debug, Clone, Copy)]
enum Mood {
    Deliver,
    /// Takes it; the words come later.
    Take,
    /// Takes it, and the answer is lost on the way.
    TakeAndTimeOut,
    /// Nothing arrives, and no answer comes.
    Lose,
    Busy,
    Refuse,
    /// Answers each touch twice, the last first, and a stranger between.
    Babble,
    /// Says "delivered" of the first half and "refused" of the rest, then the contrary.
    Contradict,
}

/// What happens between two lives.
#[derive(Debug, Clone, Copy)]
enum Between {
    Nothing,
    Pause,
    Resume,
    Start,
    Stop,
    Cancel,
    Reconcile,
    /// Receipts of what the channel took, from the n-th on, each so many times.
    Receipts(usize, usize, ReceiptState),
}

/// A channel; what it took by touch, over all lives.
#[derive(Default)]
struct Liar {
    is_idempotent: bool,
    moods: Mutex<Vec<Mood>>,
    taken: Mutex<BTreeMap<TouchId, usize>>,
    users: Mutex<BTreeMap<TouchId, String>>,
}

impl Liar {
    fn take(&self, batch: &Batch) {
        for touch in &batch.touches {
            let known = self.users.lock().unwrap().insert(touch.touch_id, touch.user_id.clone());
            assert!(known.is_none_or(|user| user == touch.user_id), "a name means one user");
            let mut taken = self.taken.lock().unwrap();
            let times = taken.entry(touch.touch_id).or_insert(0);
            *times = if self.is_idempotent { 1 } else { *times + 1 };
        }
    }
}

#[async_trait]
impl Sender for Liar {
    fn name(&self) -> &str {
        "liar"
    }
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }
    fn is_idempotent(&self) -> bool {
        self.is_idempotent
    }
    fn has_receipts(&self) -> bool {
        true
    }
    async fn send(&self, batch: &Batch) -> Outcome {
        let mood = self.moods.lock().unwrap().pop().unwrap_or(Mood::Deliver);
        let why = || Problem::outside("SND-005", "so it is");
        if !matches!(mood, Mood::Lose | Mood::Busy | Mood::Refuse) {
            self.take(batch);
        }
        let all = |state| batch.touches.iter().map(move |touch| Receipt::of(touch.touch_id, state));
        match mood {
            Mood::Deliver => Outcome::Answered(all(ReceiptState::Delivered).collect()),
            Mood::Take => Outcome::Answered(Vec::new()),
            Mood::TakeAndTimeOut | Mood::Lose => Outcome::Unknown(why()),
            Mood::Busy => Outcome::TryLater { after: Duration::from_secs(1), why: why() },
            Mood::Refuse => Outcome::Refused(why()),
            Mood::Babble => {
                let stranger = Receipt::delivered(TouchId([9; 16]));
                let twice = all(ReceiptState::Delivered).chain([stranger]).chain(all(ReceiptState::Awaiting));
                Outcome::Answered(twice.collect::<Vec<_>>().into_iter().rev().collect())
            }
            Mood::Contradict => {
                let half = batch.touches.len() / 2;
                let first =
                    all(ReceiptState::Delivered).take(half).chain(all(ReceiptState::Refused).skip(half));
                let then =
                    all(ReceiptState::Refused).take(half).chain(all(ReceiptState::Delivered).skip(half));
                Outcome::Answered(first.chain(then).collect())
            }
        }
    }
}

fn moods() -> impl Strategy<Value = Vec<Mood>> {
    use Mood::*;
    let all = [Deliver, Deliver, Take, TakeAndTimeOut, Lose, Busy, Refuse, Babble, Contradict];
    prop::collection::vec(prop::sample::select(all.to_vec()), 0..10)
}

fn between() -> impl Strategy<Value = Between> {
    let states = [ReceiptState::Delivered, ReceiptState::Refused, ReceiptState::Unknown];
    prop_oneof![
        4 => Just(Between::Nothing),
        1 => Just(Between::Pause),
        2 => Just(Between::Resume),
        3 => Just(Between::Start),
        1 => Just(Between::Stop),
        1 => Just(Between::Cancel),
        2 => Just(Between::Reconcile),
        4 => (0..8usize, 1..3usize, prop::sample::select(states.to_vec()))
            .prop_map(|(first, times, state)| Between::Receipts(first, times, state)),
    ]
}

/// One life: where it dies, and what happens after it.
type Life = (i64, Vec<Mood>, Between);

fn lives() -> impl Strategy<Value = Vec<Life>> {
    prop::collection::vec((prop_oneof![1 => Just(i64::MAX), 2 => 0..70i64], moods(), between()), 1..6)
}

struct Story {
    world: World,
    id: String,
    channel: Arc<Liar>,
}

impl Story {
    fn senders(&self) -> Senders {
        [("liar".to_string(), self.channel.clone() as Arc<dyn Sender>)].into()
    }

    fn live(&self, minute: u32, (step, moods, between): &Life) {
        let now = format!("20:{minute:02}");
        self.channel.moods.lock().unwrap().clone_from(moods);
        let faults = DieAt::step(*step);
        let ended = self.world.run_with(&self.senders(), faults.as_ref(), at(&now));
        assert_eq!(ended.is_err(), faults.is_dead(), "{ended:?}");
        self.check();
        self.meanwhile(*between, &now);
        self.check();
    }

    /// A move that is not allowed is refused; that is all the same to the book.
    fn meanwhile(&self, between: Between, now: &str) {
        let (tasks, ledger, at) = (self.world.tasks(), self.world.ledger(), at(now));
        let go = |step| drop(tasks.make_move(&self.id, step, "小王", None, at));
        match between {
            Between::Nothing => {}
            Between::Pause => go(Move::Pause),
            Between::Resume => go(Move::Resume),
            Between::Start => go(Move::Start),
            Between::Stop => drop(stop(&tasks, &ledger, &self.id, "小王", None, at)),
            Between::Cancel => drop(cancel(&tasks, &ledger, &self.id, "小王", None, at)),
            Between::Reconcile => {
                self.world
                    .with_engine(&self.senders(), &NoFaults, |engine| drop(engine.reconcile(&self.id, at)));
            }
            Between::Receipts(first, times, state) => {
                let taken: Vec<TouchId> =
                    self.channel.taken.lock().unwrap().keys().skip(first).copied().collect();
                let word =
                    |id: &TouchId| ReceiptWord { handles: vec![Handle::from(*id)], state, reason: None };
                let words: Vec<ReceiptWord> = taken.iter().map(word).collect();
                for _ in 0..times {
                    ledger.settle(&words, at).unwrap();
                }
            }
        }
    }

    fn report(&self) -> Report {
        self.world.report(&self.id)
    }

    /// What holds after every step: [`Report::of`] counts the touches anew, and the book adds up.
    fn check(&self) {
        let report = self.report();
        assert!(report.total.balanced);
        let taken = self.channel.taken.lock().unwrap();
        assert!(taken.values().all(|times| *times == 1), "somebody got it twice: {taken:?}");
        let users: BTreeSet<String> = self.channel.users.lock().unwrap().values().cloned().collect();
        assert_eq!(users.len(), taken.len(), "one touch a user");
        let book = report.total;
        assert!(taken.len() as i64 <= book.handed + book.waiting, "more taken than was handed over");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    // proves: S4.24 S4.25 and the book of semantics 6.6
    #[test]
    fn whatever_the_channel_does_the_book_balances_and_nobody_gets_it_twice(
        users in 1..14u32, batch in 1..5usize, is_idempotent: bool, is_blocked: bool, lives in lives(),
    ) {
        let world = World::of(users);
        let limits = if is_blocked { "holdout = \"20%\"\nblacklist = \"投诉\"" } else { "" };
        world.crowds.borrow_mut().insert("投诉".into(), (0..2).collect());
        let id = world.approved(&text("liar", "", limits).replace("batch = 3", &format!("batch = {batch}")));
        let channel = Arc::new(Liar { is_idempotent, ..Liar::default() });
        let story = Story { world, id, channel };
        for (minute, life) in (0..).zip(&lives) {
            story.live(minute, life);
        }
        // Nobody is lost: when nothing dies any more, everyone has an end, or nobody knows, or a word is awaited.
        story.live(28, &(i64::MAX, Vec::new(), Between::Start));
        story.live(29, &(i64::MAX, Vec::new(), Between::Nothing));
        let report = story.report();
        let state = report.state;
        let book = report.total;
        if matches!(state.word(), "running" | "ended" | "cancelled") && report.runs.iter().all(|run| run.state != "planned") {
            prop_assert_eq!(book.waiting, 0, "{:?}", state);
            prop_assert!(report.runs.is_empty() || report.runs[0].state == "missed" || report.runs[0].state == "stopped"
                || book.due == i64::from(users));
        }
        let taken = story.channel.taken.lock().unwrap().len() as i64;
        prop_assert!(book.delivered <= taken, "said to be delivered, never taken");
    }
}
