//! Caps against the definition: the touches of one user in the window, counted one by one.

use std::collections::BTreeSet;

use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::facts::{hand, release, released};
use super::world::{Receiver, Reply, World, senders};
use crate::base::{Timestamp, Zone};
use crate::dispatch::pages::Pages;
use crate::dispatch::spent::reserve_users;
use crate::dispatch::{NoFaults, TouchState, Way};
use crate::task::{Cap, Counted, Key, Limits, Period, Scope};

const USERS: u32 = 8;
const CHANNELS: [&str; 2] = ["sms", "push"];
const LABELS: [&str; 2] = ["会员日", "新客"];

/// What happens at one instant.
#[derive(Debug, Clone)]
struct Act {
    minutes: i64,
    channel: usize,
    label: usize,
    caps: Vec<Cap>,
    /// Fires of these users; without any a run to everyone.
    fires: Vec<u32>,
    replies: Vec<Reply>,
}

/// One touch that was let out.
struct Entry {
    user: u32,
    at: Timestamp,
    task: usize,
    channel: usize,
    label: usize,
    is_refused: bool,
}

fn caps() -> impl Strategy<Value = Vec<Cap>> {
    let scope = prop_oneof![
        Just(Scope::All),
        Just(Scope::Task),
        (0usize..2).prop_map(|n| Scope::Channel(CHANNELS[n].into())),
        (0usize..2).prop_map(|n| Scope::Label(LABELS[n].into())),
    ];
    let per = prop_oneof![
        (1i64..3_000).prop_map(|minutes| Period::Rolling(minutes * 60_000)),
        Just(Period::Day),
        Just(Period::Week),
        Just(Period::Month)
    ];
    let counts = prop_oneof![Just(Counted::Attempted), Just(Counted::Handed), Just(Counted::Delivered)];
    let cap = (scope, 0u32..5, per, counts).prop_map(|(scope, limit, per, counts)| Cap {
        scope,
        limit: limit.max(1),
        per,
        counts,
        key: Key::User,
    });
    prop::collection::vec(cap, 0..3)
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let replies = prop::collection::vec(
        prop_oneof![3 => Just(Reply::Deliver), 2 => Just(Reply::Refuse), 1 => Just(Reply::Take)],
        4,
    );
    let fires = prop_oneof![Just(Vec::new()), prop::collection::vec(0..USERS, 1..8)];
    let act = (1i64..2_000, 0usize..2, 0usize..2, caps(), fires, replies);
    let act = act.prop_map(|(minutes, channel, label, caps, fires, replies)| Act {
        minutes,
        channel,
        label,
        caps,
        fires,
        replies,
    });
    prop::collection::vec(act, 1..8)
}

fn cap_text(cap: &Cap) -> String {
    let scope = match &cap.scope {
        Scope::All => "all = true".to_string(),
        Scope::Task => "task = true".to_string(),
        Scope::Channel(name) => format!("channel = \"{name}\""),
        Scope::Label(name) => format!("label = \"{name}\""),
    };
    let per = match cap.per {
        Period::Rolling(ms) => format!("{}m", ms / 60_000),
        Period::Day => "day".into(),
        Period::Week => "week".into(),
        Period::Month => "month".into(),
    };
    let counts = format!("{:?}", cap.counts).to_lowercase();
    format!("{{ {scope}, limit = {}, per = \"{per}\", counts = \"{counts}\" }}", cap.limit)
}

fn task_text(act: &Act, at: Timestamp) -> String {
    let mut caps: Vec<&Cap> = Vec::new();
    for cap in &act.caps {
        if !caps.iter().any(|known| known.counts_like(cap)) {
            caps.push(cap);
        }
    }
    let caps: Vec<String> = caps.into_iter().map(cap_text).collect();
    let trigger = match act.fires.is_empty() {
        true => format!("kind = \"once\"\nat = \"{}\"", Zone::default().text(at)),
        false => "kind = \"event\"\ndid = \"view\"".to_string(),
    };
    format!(
        "name = \"试\"\ngroup = \"{}\"\nstart = \"2026-01-01\"\nend = \"2027-01-01\"\n[trigger]\n{trigger}\n\
         [dispatch]\nsender = \"receiver\"\nchannel = \"{}\"\nbatch = 3\n[limits]\ncaps = [{}]\n",
        LABELS[act.label],
        CHANNELS[act.channel],
        caps.join(", ")
    )
}

/// By definition.
fn is_full(cap: &Cap, user: u32, (task, act): (usize, &Act), now: Timestamp, all: &[Entry]) -> bool {
    let zone = Zone::default();
    let (today, in_window) = (zone.day_of(now), |at: Timestamp| match cap.per {
        Period::Rolling(ms) => at.0 > now.0 - ms,
        Period::Day => zone.day_of(at) == zone.day_of(now),
        Period::Week => zone.day_of(at).monday() == zone.day_of(now).monday(),
        Period::Month => zone.day_of(at).first_of_month() == zone.day_of(now).first_of_month(),
    });
    assert!(all.iter().all(|entry| zone.day_of(entry.at) <= today));
    let is_ours = match &cap.scope {
        Scope::Channel(name) => CHANNELS[act.channel] == name,
        Scope::Label(name) => LABELS[act.label] == name,
        _ => true,
    };
    let in_scope = |entry: &Entry| match &cap.scope {
        Scope::All => true,
        Scope::Task => entry.task == task,
        Scope::Channel(name) => CHANNELS[entry.channel] == name,
        Scope::Label(name) => LABELS[entry.label] == name,
    };
    let counted = all.iter().filter(|entry| {
        entry.user == user
            && in_window(entry.at)
            && in_scope(entry)
            && (!entry.is_refused || cap.counts == Counted::Attempted)
    });
    is_ours && counted.count() >= cap.limit as usize
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Runs and fires, refusals and several touches of one user in a commit: who is let out is who may be by
    /// the definition.
    #[test]
    fn caps_agree_with_counting_touches(company in caps(), acts in acts()) {
        let world = World::of(USERS);
        let limits = Limits { caps: company.clone(), ..Limits::default() };
        *world.limits.borrow_mut() = limits;
        let mut now = super::world::now();
        let times: Vec<Timestamp> = acts.iter().map(|act| { now = now.plus(act.minutes * 60_000); now }).collect();
        let ids: Vec<String> =
            acts.iter().zip(&times).map(|(act, at)| world.approved(&task_text(act, *at))).collect();
        let (mut all, mut place): (Vec<Entry>, usize) = (Vec::new(), 0);
        for (task, (act, at)) in acts.iter().zip(&times).enumerate() {
            let first = all.len();
            let asked: Vec<u32> = if act.fires.is_empty() { (0..USERS).collect() } else { act.fires.clone() };
            for user in &asked {
                let full = company.iter().chain(&act.caps).any(|cap| is_full(cap, *user, (task, act), *at, &all));
                if !full {
                    let (channel, label) = (act.channel, act.label);
                    all.push(Entry { user: *user, at: *at, task, channel, label, is_refused: false });
                }
            }
            for (batch, entries) in all[first..].chunks_mut(3).enumerate() {
                let is_refused = act.replies.get(batch) == Some(&Reply::Refuse);
                entries.iter_mut().for_each(|entry| entry.is_refused = is_refused);
            }
            let receiver = Receiver::new(true, &act.replies);
            let senders = senders(&receiver);
            world.with_engine(&senders, &NoFaults, |engine| engine.run_until(*at, *at, None)).unwrap();
            if !act.fires.is_empty() {
                let fires: Vec<_> =
                    act.fires.iter().zip(1..).map(|(user, n)| released(*user, n, *at)).collect();
                world.with_engine(&senders, &NoFaults, |engine| {
                    release(engine, &ids[task], place, &fires, *at)?;
                    hand(engine, &ids[task], *at)
                }).unwrap();
                place += fires.len();
            }
            let wanted: BTreeSet<String> =
                all[first..].iter().filter(|entry| !entry.is_refused).map(|entry| format!("u{}", entry.user)).collect();
            prop_assert_eq!(&*receiver.users.lock().unwrap(), &wanted, "act {} {:?}", task, act);
            let live = all.iter().filter(|entry| !entry.is_refused).count() as u64;
            prop_assert_eq!(world.ledger().sent_since("receiver", Timestamp(0)).unwrap(), live);
            let book = world.report(&ids[task]).total;
            prop_assert_eq!((book.due, book.handed), (asked.len() as i64, (all.len() - first) as i64));
        }
    }
}

fn cap(key: Key, counts: Counted) -> Cap {
    Cap { scope: Scope::All, limit: 1, per: Period::Day, counts, key }
}

/// A run whose touches are awaited.
fn awaited() -> (World, String) {
    let world = World::of(3);
    let id = world.approved(&super::world::text("receiver", "", ""));
    world.run(&senders(&Receiver::new(true, &[Reply::Take])), "20:00");
    (world, id)
}

#[test]
fn a_touch_gives_its_place_back_when_it_ends_refused_and_takes_it_again_when_it_was_delivered() {
    let (world, id) = awaited();
    let ledger = world.ledger();
    let run = ledger.runs_of(&id).unwrap().remove(0);
    let (way, now) = (Way::of(&world.tasks().task(&id).unwrap(), None), super::world::at("21:00"));
    let full = |counts| {
        let caps = [&cap(Key::User, counts)];
        ledger.full(&way, &caps, now, &Zone::default()).unwrap().users
    };
    let go = |from, to| {
        let tx = ledger.begin().unwrap();
        let mut pages = Pages::of(&tx, run.no);
        assert!(pages.move_if(1, from, to, None).unwrap());
        pages.close().unwrap();
        tx.commit().unwrap();
    };
    let (all, without): (RoaringBitmap, RoaringBitmap) = ((0..3).collect(), [0, 2].into_iter().collect());
    let sent = || ledger.sent_since("receiver", Timestamp(0)).unwrap();
    assert_eq!((full(Counted::Handed), full(Counted::Delivered), sent()), (all.clone(), all.clone(), 3));
    go(TouchState::Handed, TouchState::Refused);
    assert_eq!((full(Counted::Handed), full(Counted::Delivered), sent()), (without.clone(), without, 2));
    assert_eq!(full(Counted::Attempted), all);
    go(TouchState::Refused, TouchState::Delivered);
    assert_eq!((full(Counted::Handed), full(Counted::Delivered), sent()), (all.clone(), all, 3));
}

#[test]
fn a_cap_on_a_user_and_a_member_of_staff_counts_their_touches_only() {
    let (world, id) = awaited();
    let ledger = world.ledger();
    let run = ledger.runs_of(&id).unwrap().remove(0);
    let task = world.tasks().task(&id).unwrap();
    let of = |staff| Way::of(&task, Some(staff));
    let tx = ledger.begin().unwrap();
    reserve_users(&tx, run.no, &of("张三"), &[7, 8].into_iter().collect(), super::world::at("20:30"))
        .unwrap();
    tx.commit().unwrap();
    let full = |way: &Way, key| {
        let caps = [&cap(key, Counted::Handed)];
        let found = ledger.full(way, &caps, super::world::at("21:00"), &Zone::default()).unwrap();
        found.users.iter().collect::<Vec<u32>>()
    };
    assert_eq!(full(&of("张三"), Key::UserStaff), [7, 8]);
    assert_eq!(full(&of("李四"), Key::UserStaff), [0u32; 0]);
    assert_eq!(full(&of("李四"), Key::User), [0, 1, 2, 7, 8]);
}
