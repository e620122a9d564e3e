//! Receipts that come later: twice, in any order, and against each other.

use std::sync::Arc;

use async_trait::async_trait;
use proptest::prelude::*;

use super::world::{Receiver, Reply};
use super::world::{World, at, senders, text};
use crate::base::Problem;
use crate::dispatch::pages::{Cell, Pages};
use crate::dispatch::{
    Batch, Fate, Handle, NoFaults, Outcome, Receipt, ReceiptState, ReceiptWord, Sender, Senders, Touch,
    TouchId, TouchState,
};

/// A channel without idempotent keys whose receipts come later, and which can be asked if it has answers.
#[derive(Default)]
struct Gateway {
    /// By place in the batch, when it is asked.
    answers: Vec<ReceiptState>,
    /// Does its hand-over end without an answer?
    is_silent: bool,
    /// Users that it does not take.
    bad: Vec<&'static str>,
    /// Most touches in a batch.
    size: usize,
    seen: std::sync::Mutex<Vec<Batch>>,
}

#[async_trait]
impl Sender for Gateway {
    fn name(&self) -> &str {
        "gateway"
    }
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }
    fn is_idempotent(&self) -> bool {
        false
    }
    async fn send(&self, batch: &Batch) -> Outcome {
        self.seen.lock().unwrap().push(batch.clone());
        if self.is_silent {
            return Outcome::Unknown(Problem::outside("SND-006", "no answer"));
        }
        let taken = |touch: &Touch| Receipt {
            handle: Some(Handle::of(&["id", &touch.user_id])),
            ..Receipt::of(touch.touch_id, ReceiptState::Awaiting)
        };
        Outcome::Answered(batch.touches.iter().map(taken).collect())
    }
    fn fits(&self, batch: &[Touch], _: &Touch) -> bool {
        self.size == 0 || batch.len() < self.size
    }
    fn takes(&self, touch: &Touch) -> Result<(), String> {
        if self.bad.contains(&touch.user_id.as_str()) { Err("no number".into()) } else { Ok(()) }
    }
    fn has_receipts(&self) -> bool {
        true
    }
    fn handle(&self, tag: &str, touch: &Touch) -> Option<Handle> {
        Some(Handle::of(&[tag, &touch.user_id]))
    }
    fn can_reconcile(&self) -> bool {
        !self.answers.is_empty()
    }
    async fn reconcile(&self, batch: &Batch) -> Option<Vec<Receipt>> {
        let answer = |(touch, state): (&Touch, &ReceiptState)| Receipt::of(touch.touch_id, *state);
        self.can_reconcile().then(|| batch.touches.iter().zip(&self.answers).map(answer).collect())
    }
}

fn through(gateway: Gateway) -> (Arc<Gateway>, Senders) {
    let gateway = Arc::new(gateway);
    let senders: Senders =
        [("gateway".to_string(), gateway.clone() as Arc<dyn Sender>)].into_iter().collect();
    (gateway, senders)
}

/// A run of `users` in batches of three through a gateway.
fn sent(users: u32, gateway: Gateway) -> (World, String, Arc<Gateway>) {
    let world = World::of(users);
    let id = world.approved(&text("gateway", "", ""));
    let (gateway, senders) = through(gateway);
    world.run(&senders, "20:00");
    (world, id, gateway)
}

fn word(handle: Handle, state: ReceiptState) -> ReceiptWord {
    ReceiptWord { handles: vec![handle], state, reason: Some("因为".into()) }
}

fn ids(gateway: &Gateway) -> Vec<TouchId> {
    gateway.seen.lock().unwrap().iter().flat_map(|batch| batch.touches.iter().map(|t| t.touch_id)).collect()
}

fn settle(world: &World, words: &[ReceiptWord]) -> Vec<Fate> {
    world.ledger().settle(words, at("20:30")).unwrap()
}

#[test]
fn receipts_settle_what_is_awaited_by_any_of_its_names() {
    let (world, id, gateway) = sent(3, Gateway::default());
    assert_eq!(world.report(&id).total.awaiting, 3);
    let tag = gateway.seen.lock().unwrap()[0].tag();
    let words = [
        word(Handle::from(ids(&gateway)[0]), ReceiptState::Delivered),
        word(Handle::of(&[&tag, "u1"]), ReceiptState::Refused),
        word(Handle::of(&["id", "u2"]), ReceiptState::Delivered),
        word(Handle::of(&["id", "u9"]), ReceiptState::Delivered),
    ];
    assert_eq!(settle(&world, &words), [Fate::Settled, Fate::Settled, Fate::Settled, Fate::Stranger]);
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.refused, book.awaiting, book.balanced), (2, 1, 0, true));
    let again = [Fate::Repeated, Fate::Repeated, Fate::Repeated, Fate::Stranger];
    assert_eq!(settle(&world, &words), again);
}

#[test]
fn who_has_the_message_has_it() {
    let (world, id, gateway) = sent(2, Gateway::default());
    let [first, second] = [ids(&gateway)[0], ids(&gateway)[1]].map(Handle::from);
    let (yes, no) = (ReceiptState::Delivered, ReceiptState::Refused);
    let fates = settle(&world, &[word(first, yes), word(first, no), word(second, no), word(second, yes)]);
    assert_eq!(fates, [Fate::Settled, Fate::Contradictory, Fate::Settled, Fate::Contradictory]);
    let late = settle(&world, &[word(first, ReceiptState::Awaiting), word(second, ReceiptState::Unknown)]);
    assert_eq!(late, [Fate::Repeated; 2]);
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.refused, book.balanced), (2, 0, true));
}

#[test]
fn receipts_settle_what_had_no_answer_and_nothing_is_sent_again() {
    let (world, id, gateway) = sent(3, Gateway { is_silent: true, ..Gateway::default() });
    assert_eq!(world.report(&id).total.unknown, 3);
    let words: Vec<ReceiptWord> =
        ids(&gateway).iter().map(|id| word(Handle::from(*id), ReceiptState::Delivered)).collect();
    assert_eq!(settle(&world, &words[..2]), [Fate::Settled; 2]);
    assert_eq!(settle(&world, &words), [Fate::Repeated, Fate::Repeated, Fate::Settled]);
    let (second, senders) = through(Gateway::default());
    let found = world.with_engine(&senders, &NoFaults, |engine| engine.reconcile(&id, at("20:31"))).unwrap();
    assert_eq!((found.before, found.unknown, found.can_ask), (0, 0, false));
    assert!(second.seen.lock().unwrap().is_empty());
}

#[test]
fn a_channel_that_can_be_asked_settles_what_is_unknown() {
    let (world, id, _) = sent(3, Gateway { is_silent: true, ..Gateway::default() });
    let answers = vec![ReceiptState::Delivered, ReceiptState::Refused, ReceiptState::Unknown];
    let (_, senders) = through(Gateway { answers, ..Gateway::default() });
    let reconcile = || world.with_engine(&senders, &NoFaults, |e| e.reconcile(&id, at("20:31"))).unwrap();
    let found = reconcile();
    assert_eq!((found.before, found.unknown, found.can_ask), (3, 1, true));
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.refused, book.unknown, book.balanced), (1, 1, 1, true));
    assert_eq!(reconcile().unknown, 0, "it is asked about the one that is left only");
    assert_eq!(world.report(&id).total.delivered, 2);
}

#[test]
fn what_was_not_handed_over_takes_no_receipt() {
    let world = World::of(3);
    let id = world.approved(&text("receiver", "", ""));
    world.run(&senders(&Receiver::new(true, &[Reply::Busy; 6])), "20:00");
    assert_eq!(world.report(&id).total.waiting, 3);
    let names = crate::dispatch::TouchNames::of("default", &id, 0, "2026-03-01T20:00:00", "receiver");
    let early = word(Handle::from(names.touch_id("u1")), ReceiptState::Delivered);
    assert_eq!(settle(&world, &[early]), [Fate::Stranger], "this sender keeps no names");
}

/// DSP-021: the gateway says it sent what it said it did not take.
#[test]
fn a_receipt_that_comes_too_early_changes_nothing() {
    let (world, id, gateway) = sent(3, Gateway::default());
    let handle = Handle::from(ids(&gateway)[0]);
    let ledger = world.ledger();
    let mut pages = Pages::of(&ledger.db, 1);
    pages.change(0, Cell::new(TouchState::Due, None)).unwrap();
    pages.close().unwrap();
    assert_eq!(settle(&world, &[word(handle, ReceiptState::Delivered)]), [Fate::Early]);
    let book = world.report(&id).total;
    assert_eq!((book.delivered, book.waiting, book.balanced), (0, 1, true));
}

/// A task in which a value or a number is missing suppresses just those touches, and says why.
#[test]
fn touches_that_cannot_go_are_suppressed() {
    let (world, id, gateway) = sent(9, Gateway { bad: vec!["u1", "u8"], size: 2, ..Gateway::default() });
    let book = world.report(&id).total;
    assert_eq!((book.due, book.awaiting, book.suppressed, book.balanced), (9, 7, 2, true));
    assert_eq!(book.suppressed_by["missing"], 2);
    let sizes: Vec<usize> = gateway.seen.lock().unwrap().iter().map(|b| b.touches.len()).collect();
    assert_eq!(sizes, [2, 2, 2, 1], "the channel says what goes together");
}

#[test]
fn a_task_may_refuse_missing_values_or_fill_them() {
    let run = |missing: &str| {
        let (world, (gateway, senders)) = (World::of(10), through(Gateway::default()));
        let id = world.approved(
            &text("gateway", "", "").replace("[limits]", &format!("missing = \"{missing}\"\n[limits]")),
        );
        world.run(&senders, "20:00");
        let batches = gateway.seen.lock().unwrap();
        let texts = batches.iter().flat_map(|b| b.touches.iter().map(|t| t.content["template"].to_string()));
        (world.report(&id).total, texts.collect::<Vec<_>>())
    };
    let (book, texts) = run("refuse");
    assert_eq!((book.awaiting, book.suppressed_by["missing"].as_i64(), texts.len()), (8, Some(2), 8));
    let (book, texts) = run("default:亲");
    assert!(
        book.awaiting == 10 && texts[0].contains("亲 您好") && texts[1].contains("张1 您好"),
        "{texts:?}"
    );
    assert!(run("empty").1[0].contains("\" 您好"));
}

fn words_of_chance() -> impl Strategy<Value = Vec<(usize, ReceiptState)>> {
    let state = prop_oneof![
        Just(ReceiptState::Delivered),
        Just(ReceiptState::Refused),
        Just(ReceiptState::Unknown),
        Just(ReceiptState::Awaiting)
    ];
    prop::collection::vec((0usize..8, state), 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Any receipts, in any order and in any portions, leave the same balanced book; the slow twin asks each
    /// touch whether anyone said delivered, or else refused.
    #[test]
    fn the_order_of_receipts_does_not_matter(
        words in words_of_chance(),
        is_silent: bool,
        cut in 1usize..8,
        turn in 0usize..24,
    ) {
        let (world, id, gateway) = sent(6, Gateway { is_silent, ..Gateway::default() });
        let known = ids(&gateway);
        let handle = |n: usize| known.get(n).map_or(Handle::of(&["stranger"]), |id| Handle::from(*id));
        let mut turned = words.clone();
        turned.rotate_left(turn.min(words.len()));
        let all: Vec<ReceiptWord> = turned.iter().map(|(n, state)| word(handle(*n), *state)).collect();
        let fates: Vec<Fate> = all.chunks(cut).flat_map(|part| settle(&world, part)).collect();
        let said = |n: usize, state| words.contains(&(n, state));
        let delivered = (0..known.len()).filter(|n| said(*n, ReceiptState::Delivered)).count();
        let settled = (0..known.len())
            .filter(|n| said(*n, ReceiptState::Delivered) || said(*n, ReceiptState::Refused))
            .count();
        let book = world.report(&id).total;
        prop_assert!(book.balanced);
        prop_assert_eq!(book.delivered, delivered as i64);
        prop_assert_eq!(book.delivered + book.refused, settled as i64);
        prop_assert_eq!(fates.iter().filter(|fate| **fate == Fate::Settled).count(), settled);
    }
}
