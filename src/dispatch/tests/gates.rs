//! All gates at once: on bitmaps as user by user, before the run as in its report, and after a hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::facts::{nth, release, released};
use super::world::{Receiver, Reply, World, at, senders, text};
use crate::base::Timestamp;
use crate::dispatch::touches::Verdict;
use crate::dispatch::{Calm, Gates, Lists, NoFaults, Preflight, Suspension, TouchState, by_variant};
use crate::task::{Beyond, Period, Quota};
use crate::trigger::End;

const USERS: u32 = 40;

fn some() -> impl Strategy<Value = RoaringBitmap> {
    prop::collection::btree_set(0..USERS, 0..12).prop_map(|users| users.into_iter().collect())
}

#[derive(Debug, Clone)]
struct Made {
    lists: Lists,
    gone: RoaringBitmap,
    holdout: Option<u32>,
    is_paused: bool,
    calm: Calm,
}

fn made() -> impl Strategy<Value = Made> {
    let calm =
        prop_oneof![3 => Just(Calm::Open), 1 => Just(Calm::Until(Timestamp(9))), 1 => Just(Calm::Dropped)];
    let lists = (some(), prop::option::of(some()), some(), prop::option::of(some()));
    let lists =
        lists.prop_map(|(blocked, only, suspended, audience)| Lists { blocked, only, suspended, audience });
    (lists, some(), prop::option::of(0u32..60), prop::bool::weighted(0.1), calm)
        .prop_map(|(lists, gone, holdout, is_paused, calm)| Made { lists, gone, holdout, is_paused, calm })
}

fn percent(holdout: Option<u32>) -> String {
    holdout.map_or(String::new(), |share| format!("holdout = \"{share}%\"\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn bitmaps_agree_with_asking_each_user(made in made(), users in some()) {
        let world = World::of(USERS);
        *world.gone.borrow_mut() = made.gone.clone();
        let id = world.approved(&text("receiver", "", &percent(made.holdout)));
        let task = world.tasks().task(&id).unwrap();
        let gates = Gates::of(&task, made.is_paused, &made.lists, &world).at(made.calm);
        let (portions, left) = gates.sift(users.clone());
        let mut found: Vec<Verdict> = left.iter().map(|user| (user, TouchState::Due, None)).collect();
        for (state, reason, users) in portions {
            found.extend(users.iter().map(|user| (user, state, reason)));
        }
        found.sort_by_key(|(user, ..)| *user);
        let wanted: Vec<Verdict> = users.iter().map(|user| gates.ask(user)).collect();
        prop_assert_eq!(found, wanted);
    }
}

/// A random world before a run at 20:00, with touches that went out at 10:00.
#[derive(Debug, Clone)]
struct Before {
    blacklist: RoaringBitmap,
    whitelist: Option<RoaringBitmap>,
    suspended: RoaringBitmap,
    gone: RoaringBitmap,
    holdout: Option<u32>,
    quiet: Option<&'static str>,
    quota: Option<(u64, Beyond)>,
    earlier: Option<RoaringBitmap>,
    is_refused: bool,
    is_missing_refused: bool,
}

fn before() -> impl Strategy<Value = Before> {
    let quiet = prop_oneof![3 => Just(None), 1 => Just(Some("hold")), 1 => Just(Some("drop"))];
    let then = prop_oneof![Just(Beyond::Hold), Just(Beyond::Drop)];
    let people = (some(), prop::option::weighted(0.3, some()), some(), some());
    let more = (
        prop::option::of(0u32..60),
        quiet,
        prop::option::of((0u64..40, then)),
        prop::option::of(some()),
        any::<bool>(),
        any::<bool>(),
    );
    (people, more).prop_map(|((blacklist, only, suspended, gone), more)| {
        let whitelist = only.map(|few| RoaringBitmap::from_iter(0..USERS) - few);
        let (holdout, quiet, quota, earlier, is_refused, is_missing_refused) = more;
        Before {
            blacklist,
            whitelist,
            suspended,
            gone,
            holdout,
            quiet,
            quota,
            earlier,
            is_refused,
            is_missing_refused,
        }
    })
}

impl Before {
    fn world(&self) -> (World, String) {
        let world = World::of(USERS);
        let quota = |(limit, then)| Quota { limit, per: Period::Day, then };
        *world.quotas.borrow_mut() =
            self.quota.map(|given| ("receiver".to_string(), quota(given))).into_iter().collect();
        *world.gone.borrow_mut() = self.gone.clone();
        world.crowds.borrow_mut().insert("投诉".into(), self.blacklist.clone());
        world.crowds.borrow_mut().extend(self.whitelist.clone().map(|users| ("内测".to_string(), users)));
        let one = |user| Suspension {
            user_id: format!("u{user}"),
            until: at("20:00").plus(1),
            reason: None,
            who: "小王".into(),
            at: at("09:00"),
        };
        world.ledger().suspend(&self.suspended.iter().map(one).collect::<Vec<_>>()).unwrap();
        if let Some(users) = &self.earlier {
            let first = text("receiver", "", "").replace("T20:00", "T10:00");
            world.approved(&first);
            *world.users.borrow_mut() = users - &self.gone;
            let script = if self.is_refused { vec![Reply::Refuse] } else { vec![] };
            world.run(&senders(&Receiver::new(true, &script)), "10:00");
            *world.users.borrow_mut() = (0..USERS).collect();
        }
        (world, self.text())
    }

    fn text(&self) -> String {
        let quiet = self
            .quiet
            .map(|then| format!("quiet = {{ from = \"19:00\", to = \"21:00\", then = \"{then}\" }}\n"));
        let only = self.whitelist.as_ref().map(|_| "whitelist = \"内测\"\n".to_string());
        let limits = [
            Some("blacklist = \"投诉\"\ncaps = [{ all = true, limit = 1, per = \"day\" }]\n".to_string()),
            Some(percent(self.holdout)),
            quiet,
            only,
        ];
        let limits: String = limits.into_iter().flatten().collect();
        let text = text("receiver", "", &limits);
        if self.is_missing_refused {
            text.replace("batch = 3", "batch = 3\nmissing = \"refuse\"")
        } else {
            text
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_report_says_what_the_preflight_said(before in before()) {
        let (world, text) = before.world();
        let id = world.approved(&text);
        let receiver = Receiver::new(true, &[]);
        let users = world.users.borrow().clone();
        let task = world.tasks().task(&id).unwrap();
        let said: Preflight = world
            .with_engine(&senders(&receiver), &NoFaults, |engine| engine.preflight(&task, &users, at("20:00")))
            .unwrap();
        world.run(&senders(&receiver), "20:00");
        let book = world.report(&id).total;
        let told = [book.due, book.withheld, book.suppressed, book.held, book.handed];
        let wanted = [said.audience, said.withheld, said.suppressed, said.held, said.handed];
        prop_assert_eq!(told.map(|n| n as u64), wanted);
        for gate in said.gates.iter().filter(|gate| gate.state == "suppressed") {
            prop_assert_eq!(book.suppressed_by[gate.gate].as_u64(), Some(gate.stopped), "{}", gate.gate);
        }
        prop_assert_eq!(said.gates.last().map(|gate| gate.left), Some(said.handed));
        prop_assert_eq!(said.held_until.is_empty(), said.held == 0);
    }
}

/// A task with a trigger that is quiet from 21:00 to 08:00.
fn quiet_fires(users: u32) -> (World, String) {
    let world = World::of(users);
    let id = world.approved(&super::facts::text("", "quiet = { from = \"21:00\", to = \"08:00\" }"));
    world.run(&senders(&Receiver::new(true, &[])), "10:00");
    (world, id)
}

#[test]
fn a_late_b_cancels_a_touch_that_is_held() {
    let (world, id) = quiet_fires(4);
    let receiver = Receiver::new(true, &[]);
    let night = at("22:00");
    world
        .with_engine(&senders(&receiver), &NoFaults, |engine| {
            let fires: Vec<_> = (0..4).map(|user| released(user, 1, night)).collect();
            release(engine, &id, 0, &fires, night)?;
            release(engine, &id, 10, &[nth(2, 1, night, End::Contradicted)], night.plus(60_000))
        })
        .unwrap();
    let book = world.report(&id).total;
    assert_eq!((book.held, book.suppressed_by["late_b"].as_i64()), (3, Some(1)));
    world.run_with(&senders(&receiver), &NoFaults, at("08:00").plus(86_400_000)).unwrap();
    assert_eq!((receiver.user_count(), world.report(&id).total.delivered), (3, 3));
}

#[test]
fn due_at_stays_the_planned_reach_through_a_hold_and_the_clock_wakes_at_its_end() {
    let (world, id) = quiet_fires(1);
    let receiver = Receiver::new(true, &[]);
    let night = at("22:00");
    world
        .with_engine(&senders(&receiver), &NoFaults, |engine| {
            release(engine, &id, 0, &[released(0, 1, night)], night)
        })
        .unwrap();
    let (from, far) = (night, night.plus(86_400_000));
    let wakes =
        world.with_engine(&senders(&receiver), &NoFaults, |engine| engine.next_at(from, far)).unwrap();
    assert_eq!(wakes, Some(at("08:00").plus(86_400_000)));
    world.run_with(&senders(&receiver), &NoFaults, far).unwrap();
    let seen = receiver.seen.lock().unwrap();
    assert!(seen.values().all(|(bytes, _)| bytes.contains("\"due_at\":\"2026-03-01T22:00:00.000+08:00\"")));
    assert_eq!((seen.len(), world.run_state(&id).as_str()), (1, "done"));
}

#[test]
fn without_its_whitelist_a_task_fails_and_sends_nothing() {
    let world = World::of(3);
    let id = world.approved(&text("receiver", "", "whitelist = \"没有\""));
    let receiver = Receiver::new(true, &[]);
    world.run(&senders(&receiver), "20:00");
    assert_eq!((world.state(&id), receiver.user_count()), ("failed", 0));
    assert!(world.tasks().task(&id).unwrap().cause.unwrap().contains("CRD-001"));
}

#[test]
fn each_user_gets_the_content_of_one_variant_and_the_report_tells_them_apart() {
    let world = World::of(60);
    let variants = "variants = [{ name = \"甲\", share = \"30%\", content = { template = \"甲 {{name}}\" } }, \
                    { name = \"乙\", share = \"70%\", content = { template = \"乙 {{city}}{{name}}\" } }]";
    let id =
        world.approved(&text("receiver", "", "").replace("batch = 3", &format!("batch = 7\n{variants}")));
    let receiver = Receiver::new(true, &[]);
    world.run(&senders(&receiver), "20:00");
    let task = world.tasks().task(&id).unwrap();
    let reports = by_variant(&task, &world.ledger(), &world).unwrap();
    let seen = receiver.seen.lock().unwrap();
    let said = |word: &str| seen.values().filter(|(bytes, _)| bytes.contains(word)).count() as i64;
    let counted: BTreeMap<&str, i64> =
        reports.iter().map(|report| (report.variant.as_str(), report.book.delivered)).collect();
    assert_eq!(counted, BTreeMap::from([("甲", said("甲 ")), ("乙", said("乙 "))]));
    assert!(said("甲 ") > 5 && said("乙 ") > 20, "{counted:?}");
    assert_eq!(reports.iter().map(|report| report.book.due).sum::<i64>(), 60);
}

#[test]
fn a_suspension_ends_at_its_instant_and_may_be_ended_before() {
    let world = World::of(2);
    let ledger = world.ledger();
    let one = |user_id: &str, until| Suspension {
        user_id: user_id.into(),
        until,
        reason: Some("退群冷静期".into()),
        who: "小王".into(),
        at: at("09:00"),
    };
    ledger.suspend(&[one("u0", at("20:00")), one("u1", at("20:01")), one("还不认识", at("23:00"))]).unwrap();
    let of = |now: &str| -> Vec<String> {
        ledger.suspensions(at(now)).unwrap().into_iter().map(|one| one.user_id).collect()
    };
    assert_eq!(of("19:59"), ["u0", "u1", "还不认识"]);
    assert_eq!(of("20:00"), ["u1", "还不认识"]);
    ledger.suspend(&[one("u1", at("21:00"))]).unwrap();
    assert_eq!(of("20:30"), ["u1", "还不认识"]);
    assert_eq!(ledger.resume_users(&["u1".into(), "u7".into()]).unwrap(), 1);
    assert_eq!(of("20:30"), ["还不认识"]);
}

/// The company's limits hold for tasks that say nothing.
#[test]
fn company_quiet_hours_hold_where_the_task_has_none() {
    let world = World::of(2);
    let limits = "[limits]\nquiet = { from = \"19:00\", to = \"21:00\" }\n";
    *world.limits.borrow_mut() = crate::task::company_limits(limits, "quanke.toml").unwrap();
    let id = world.approved(&text("receiver", "", ""));
    let receiver: Arc<Receiver> = Receiver::new(true, &[]);
    world.run(&senders(&receiver), "20:59");
    assert_eq!((world.report(&id).total.held, world.run_state(&id).as_str()), (2, "holding"));
    assert!(!world.report(&id).runs[0].is_pushed);
    world.run(&senders(&receiver), "21:00");
    assert_eq!((receiver.user_count(), world.run_state(&id).as_str()), (2, "done"));
}
