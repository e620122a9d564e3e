//! How do batches leave, and what if the channel does not answer?
//!
//! A wave of batches is cut and marked in one commit, handed over, and its answers are recorded in
//! the next. Between the two a kill leaves batches `handing`: an idempotent sender gets the same
//! bytes again, any other leaves them unknown until its word comes.

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Runtime;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::base::{Outcome, Problem, Timestamp};
use crate::task::{Limits, Links, Policies, Quota, Task};

use super::batch::{Batch, Handle, Touch, TouchId};
use super::cut::Portion;
use super::engine::Engine;
use super::ledger::{Run, Seat};
use super::sender::{Outcome as Answer, Receipt, ReceiptState, Sender};
use super::state::{BatchState, TouchState};
use super::touches::{OpenBatch, Settled, WAVE_BATCHES};

/// Batches in a row that may end without any answer before the run stalls: then the channel is
/// down, and going on would only make more unknowns.
const UNKNOWN_IN_A_ROW_MAX: usize = 3;

/// How long the shared loop tries.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Tries of one batch, the first among them.
    pub attempts_max: u32,
    /// The wait before the second try; it doubles each time.
    pub wait_first: Duration,
    /// No single wait is longer, whatever the channel asks for.
    pub wait_max: Duration,
    /// All waits of one batch together. A channel that asks for more patience stops the run at once.
    pub wait_total: Duration,
    /// Spreads the waits of machines that were refused at the same instant.
    pub seed: u64,
    /// The links that contents may name.
    pub links: Arc<Links>,
    /// The company's limits; they hold for every task.
    pub limits: Arc<Limits>,
    /// How much senders may be given, by their names.
    pub quotas: Arc<BTreeMap<String, Quota>>,
    /// Dated limits, those of accounts among them.
    pub policies: Arc<Policies>,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            attempts_max: 6,
            wait_first: Duration::from_secs(1),
            wait_max: Duration::from_secs(60),
            wait_total: Duration::from_secs(600),
            seed: 0,
            links: Arc::default(),
            limits: Arc::default(),
            quotas: Arc::default(),
            policies: Arc::default(),
        }
    }
}

/// What a wave left behind.
#[derive(Default)]
pub(super) struct Trouble {
    unknown_in_a_row: usize,
    pub stalled: Option<Problem>,
}

impl Engine<'_> {
    /// Hands over everything of the run that waits. `Ok(Err(…))`: the channel gave up (DSP-005),
    /// the rest still waits. Errors: OUT-030.
    pub(super) fn hand_over(
        &self,
        runtime: &Runtime,
        task: &Task,
        run: &Run,
        now: Timestamp,
    ) -> Outcome<Outcome<()>> {
        let sender = match self.sender(task) {
            Ok(sender) => sender,
            Err(problem) => return Ok(Err(problem)),
        };
        let mut trouble = Trouble::default();
        self.hand_open(runtime, (task, run), &sender, &mut trouble, now)?;
        let form = self.forms(task, sender.as_ref())?;
        self.hush(task, run, now)?;
        let mut portion = Portion::of(task, sender.as_ref());
        self.pace.begin("hand over", None, "touches");
        while trouble.stalled.is_none() {
            let batches = self.cut_wave(task, run, sender.as_ref(), (&form, &mut portion), now)?;
            if batches.is_empty() {
                break;
            }
            self.hand_wave(runtime, run, &sender, batches, &mut trouble, now)?;
        }
        self.pace.end();
        Ok(trouble.stalled.map_or(Ok(()), Err))
    }

    /// The sender of a task. Errors: DSP-001 with the senders there are.
    pub(super) fn sender(&self, task: &Task) -> Outcome<Arc<dyn Sender>> {
        let name = &task.file.dispatch.sender;
        self.senders.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = self.senders.keys().map(String::as_str).collect();
            let what = format!("no sender is called `{name}`; there are {}", known.join(", "));
            Problem::author("DSP-001", what)
                .at(format!("task {}", task.id))
                .cure("set it up in quanke.toml as [senders.NAME]")
        })
    }

    /// Batches that an earlier process, or an earlier failure, left without an answer.
    pub(super) fn hand_open(
        &self,
        runtime: &Runtime,
        (task, run): (&Task, &Run),
        sender: &Arc<dyn Sender>,
        trouble: &mut Trouble,
        now: Timestamp,
    ) -> Outcome<()> {
        let open = self.ledger.open_batches(run)?;
        let (again, lost): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|batch| sender.is_idempotent() || batch.state == BatchState::Waiting.word());
        self.faults.step("leave unknown")?;
        self.leave_unknown(run, &lost, now)?;
        if sender.can_reconcile() && !sender.is_idempotent() {
            self.ask_about(runtime, (task, run), sender.as_ref(), now)?;
        }
        let mut again = again.into_iter();
        while trouble.stalled.is_none() {
            let wave: Vec<OpenBatch> = again.by_ref().take(WAVE_BATCHES).collect();
            if wave.is_empty() {
                break;
            }
            self.faults.step("hand again")?;
            wave.iter().try_for_each(|batch| self.ledger.hand_again(run, batch, now))?;
            let batches =
                wave.into_iter().map(|open| batch_of(task, run, open.no, open.attempts + 1, open.touches));
            self.hand_wave(runtime, run, sender, batches.collect(), trouble, now)?;
        }
        Ok(())
    }

    fn leave_unknown(&self, run: &Run, lost: &[OpenBatch], now: Timestamp) -> Outcome<()> {
        let cause = "interrupted before the answer was recorded";
        let settle = |batch: &OpenBatch| Settled {
            no: batch.no,
            attempts: batch.attempts,
            state: BatchState::Unknown,
            cause: Some(cause),
            touches: all(&batch.touches, TouchState::Unknown, Some(cause)),
            handles: Vec::new(),
        };
        let handing = lost.iter().filter(|batch| batch.state == BatchState::Handing.word());
        let settled: Vec<Settled> = handing.map(settle).collect();
        if settled.is_empty() { Ok(()) } else { self.ledger.record(run, &settled, now) }
    }

    /// Hands over batches that are marked already, and records the answers.
    fn hand_wave(
        &self,
        runtime: &Runtime,
        run: &Run,
        sender: &Arc<dyn Sender>,
        batches: Vec<Batch>,
        trouble: &mut Trouble,
        now: Timestamp,
    ) -> Outcome<()> {
        self.faults.step("hand over")?;
        let answers = runtime.block_on(self.hand_all(sender.as_ref(), batches, trouble));
        let answered = answers.iter().filter(|(_, answer)| matches!(answer, Some(Answer::Answered(_))));
        let answered: Vec<&Batch> = answered.map(|(batch, _)| batch).collect();
        self.ledger.open_todos(run, &answered, sender.as_ref(), now)?;
        self.faults.step("record")?;
        let settled: Vec<Settled> =
            answers.iter().map(|(batch, answer)| settled(batch, answer.as_ref())).collect();
        self.ledger.record(run, &settled, now)?;
        self.pace.more(answers.iter().map(|(batch, _)| batch.touches.len() as u64).sum());
        Ok(())
    }

    /// As many side by side as the sender takes. After a stall the rest is not tried (`None`).
    async fn hand_all(
        &self,
        sender: &dyn Sender,
        batches: Vec<Batch>,
        trouble: &mut Trouble,
    ) -> Vec<(Batch, Option<Answer>)> {
        let mut answers = Vec::with_capacity(batches.len());
        let mut batches = batches.into_iter().peekable();
        while batches.peek().is_some() && trouble.stalled.is_none() {
            let together =
                batches.by_ref().take(sender.parallel().max(1)).map(|batch| self.hand(sender, batch));
            for (batch, answer) in join_all(together.collect()).await {
                trouble.note(&batch, &answer);
                answers.push((batch, Some(answer)));
            }
        }
        answers.extend(batches.map(|batch| (batch, None)));
        answers
    }

    /// One batch, tried until it has an answer or patience ends.
    async fn hand(&self, sender: &dyn Sender, mut batch: Batch) -> (Batch, Answer) {
        let (mut wait, mut waited) = (self.policy.wait_first, Duration::ZERO);
        loop {
            self.wait_for_turn(sender, &batch).await;
            let answer = sender.send(&batch).await;
            let asked = match &answer {
                Answer::TryLater { after, .. } => *after,
                Answer::Unknown(_) if sender.is_idempotent() => Duration::ZERO,
                _ => return (batch, answer),
            };
            let pause = self.policy.spread(wait, &batch).max(asked).min(self.policy.wait_max);
            let is_over =
                batch.attempt >= self.policy.attempts_max || waited + pause > self.policy.wait_total;
            if is_over || asked > self.policy.wait_total {
                return (batch, answer);
            }
            self.patience.wait(pause).await;
            (wait, waited) = (wait.saturating_mul(2), waited + pause);
            batch.attempt += 1;
        }
    }

    /// Waits until the channel's rate lets the batch go.
    async fn wait_for_turn(&self, sender: &dyn Sender, batch: &Batch) {
        let wait = sender.bucket().map_or(Duration::ZERO, |bucket| bucket.take(batch.touches.len()));
        if !wait.is_zero() {
            self.patience.wait(wait).await;
        }
    }
}

impl Policy {
    /// Between a half and the whole of `wait`: always the same for one seed, batch and try.
    fn spread(&self, wait: Duration, batch: &Batch) -> Duration {
        let what = format!("{} {} {}", batch.run, batch.no, batch.attempt);
        let share = xxh3_64_with_seed(what.as_bytes(), self.seed) as f64 / u64::MAX as f64;
        wait.mul_f64(0.5 + share / 2.0)
    }
}

impl Trouble {
    fn note(&mut self, batch: &Batch, answer: &Answer) {
        let (why, is_unknown) = match answer {
            Answer::TryLater { why, .. } => (why, false),
            Answer::Unknown(why) => (why, true),
            _ => {
                self.unknown_in_a_row = 0;
                return;
            }
        };
        self.unknown_in_a_row += usize::from(is_unknown);
        if !is_unknown || self.unknown_in_a_row >= UNKNOWN_IN_A_ROW_MAX {
            let what = format!(
                "the channel did not take batch {} of {} in time: {} {}",
                batch.no, batch.run, why.code, why.what
            );
            let cure =
                "mend the channel, then `quanke task start`: what waits goes out within the task's grace";
            self.stalled = Some(Problem::outside("DSP-005", what).cure(cure));
        }
    }
}

/// Batches that were just cut, numbered from `run.batch_count + 1`.
pub(super) fn batches_of(task: &Task, run: &Run, batches: Vec<Vec<Touch>>) -> Vec<Batch> {
    let numbered = batches.into_iter().zip(run.batch_count + 1..);
    numbered.map(|(touches, no)| batch_of(task, run, no, 1, touches)).collect()
}

pub(super) fn batch_of(task: &Task, run: &Run, no: u64, attempt: u32, touches: Vec<Touch>) -> Batch {
    let channel = task.file.dispatch.channel.clone();
    Batch { task: task.id.clone(), run: run.name(), no, channel, attempt, touches }
}

/// What the ledger keeps of an answer.
fn settled<'b>(batch: &'b Batch, answer: Option<&'b Answer>) -> Settled<'b> {
    let (state, cause, touches) = match answer {
        None => (BatchState::Waiting, None, all(&batch.touches, TouchState::Due, None)),
        Some(Answer::Answered(receipts)) => answered(batch, receipts),
        Some(Answer::TryLater { why, .. }) => {
            (BatchState::Waiting, Some(why.what.as_str()), all(&batch.touches, TouchState::Due, None))
        }
        Some(Answer::Refused(why)) => {
            let cause = why.what.as_str();
            (BatchState::Refused, Some(cause), all(&batch.touches, TouchState::Refused, Some(cause)))
        }
        Some(Answer::Unknown(why)) => {
            let cause = why.what.as_str();
            (BatchState::Unknown, Some(cause), all(&batch.touches, TouchState::Unknown, Some(cause)))
        }
    };
    let handles = handles_of(batch, answer);
    Settled { no: batch.no, attempts: batch.attempt, state, cause, touches, handles }
}

/// The channel's own names of touches, as its receipts gave them.
fn handles_of(batch: &Batch, answer: Option<&Answer>) -> Vec<(Handle, Seat)> {
    let Some(Answer::Answered(receipts)) = answer else { return Vec::new() };
    if receipts.iter().all(|receipt| receipt.handle.is_none()) {
        return Vec::new();
    }
    let named: HashMap<TouchId, Handle> =
        receipts.iter().filter_map(|receipt| Some((receipt.touch_id, receipt.handle?))).collect();
    let of = |touch: &Touch| named.get(&touch.touch_id).map(|handle| (*handle, touch.seat()));
    batch.touches.iter().filter_map(of).collect()
}

pub(super) type Words = Vec<(Seat, TouchState, Option<String>)>;

fn answered<'b>(batch: &Batch, receipts: &[Receipt]) -> (BatchState, Option<&'b str>, Words) {
    let words = words_of(batch, receipts);
    let is_unknown = words.iter().any(|(_, state, _)| *state == TouchState::Unknown);
    (if is_unknown { BatchState::Unknown } else { BatchState::Answered }, None, words)
}

/// What receipts say of the touches of a batch; strangers are left out.
pub(super) fn words_of(batch: &Batch, receipts: &[Receipt]) -> Words {
    let word = |seat: Seat, receipt: &Receipt| (seat, state_of(receipt.state), receipt.reason.clone());
    let pairs = || batch.touches.iter().zip(receipts);
    if batch.touches.len() == receipts.len() && pairs().all(|(touch, said)| touch.touch_id == said.touch_id) {
        return pairs().map(|(touch, said)| word(touch.seat(), said)).collect();
    }
    let seats: HashMap<_, _> = batch.touches.iter().map(|t| (t.touch_id, t.seat())).collect();
    receipts.iter().filter_map(|said| Some(word(*seats.get(&said.touch_id)?, said))).collect()
}

fn state_of(state: ReceiptState) -> TouchState {
    match state {
        ReceiptState::Delivered => TouchState::Delivered,
        ReceiptState::Refused => TouchState::Refused,
        ReceiptState::Unknown => TouchState::Unknown,
        ReceiptState::Awaiting => TouchState::Handed,
    }
}

fn all(touches: &[Touch], state: TouchState, note: Option<&str>) -> Words {
    touches.iter().map(|touch| (touch.seat(), state, note.map(str::to_string))).collect()
}

/// Waits for all futures side by side, on this one thread; answers in the order given.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut running: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, slot) in running.iter_mut().zip(&mut done).filter(|(_, slot)| slot.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
