//! Dealing against its slow, obvious twin, and its laws on random histories of joins, leaves and runs.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::base::UserNo;
use crate::dispatch::staff::deal::{Dealt, Hand, NOBODY, Place, deal, in_order};
use crate::task::WhenFull;

/// The same, one user at a time, by the words of the rule.
fn slowly(cards: &mut [Place], hands: &[Hand], turn: Place, when_full: WhenFull) -> Dealt {
    let mut turn = usize::from(turn);
    let count = hands.len();
    let owned =
        |cards: &[Place], hand: usize| cards.iter().filter(|c| usize::from(**c) == hand).count() as u64;
    let before = cards.to_vec();
    for n in 0..cards.len() {
        if cards[n] != NOBODY {
            continue;
        }
        let has_room = |hand: &usize| match (when_full, hands[*hand].room) {
            (WhenFull::Next, Some(room)) => owned(cards, *hand) < room.max(owned(&before, *hand)),
            _ => true,
        };
        let open: Vec<usize> = (0..count).map(|k| (turn + k) % count).filter(has_room).collect();
        let fewest = open.iter().map(|hand| hands[*hand].has + owned(cards, *hand)).min();
        let next = open.into_iter().find(|hand| Some(hands[*hand].has + owned(cards, *hand)) == fewest);
        let Some(next) = next else { continue };
        cards[n] = next as Place;
        turn = (next + 1) % count;
    }
    let is_full = (0..cards.len()).map(|n| match hands.get(usize::from(cards[n])).map(|hand| hand.room) {
        None => true,
        Some(None) => false,
        Some(Some(room)) => owned(&cards[..n], usize::from(cards[n])) >= room,
    });
    Dealt { is_full: is_full.collect(), turn: turn as Place }
}

fn ways() -> impl Strategy<Value = WhenFull> {
    prop_oneof![Just(WhenFull::Wait), Just(WhenFull::Suppress), Just(WhenFull::Next)]
}

fn hands() -> impl Strategy<Value = Vec<Hand>> {
    let hand = (0u64..8, proptest::option::of(0u64..12)).prop_map(|(has, room)| Hand { has, room });
    proptest::collection::vec(hand, 0..6)
}

proptest! {
    // proves: S2.53
    #[test]
    fn dealing_in_rounds_is_dealing_one_by_one(
        hands in hands(), cards in proptest::collection::vec(0u16..7, 0..60), turn in 0u16..6, when_full in ways()
    ) {
        let count = hands.len() as Place;
        let cards: Vec<Place> = cards.into_iter().map(|card| if card < count { card } else { NOBODY }).collect();
        let turn = if count == 0 { 0 } else { turn % count };
        let (mut fast, mut slow) = (cards.clone(), cards.clone());
        let (quick, twin) = (deal(&mut fast, &hands, turn, when_full), slowly(&mut slow, &hands, turn, when_full));
        prop_assert_eq!(&fast, &slow);
        prop_assert_eq!(quick, twin);
        let stayed = cards.iter().zip(&fast).all(|(before, after)| *before == NOBODY || before == after);
        prop_assert!(stayed, "who has a member keeps them");
    }

    /// Equal shares, a turn that goes round, and everyone stays: over any number of runs with new users each.
    // proves: S2.53
    #[test]
    fn shares_differ_by_at_most_one_and_the_remainder_rotates(
        sizes in proptest::collection::vec(0usize..40, 1..8), count in 1usize..9
    ) {
        let hands = vec![Hand::default(); count];
        let (mut turn, mut total) = (0, vec![0usize; count]);
        for size in sizes {
            let mut cards = vec![NOBODY; size];
            turn = deal(&mut cards, &hands, turn, WhenFull::Wait).turn;
            let mut own = vec![0usize; count];
            cards.iter().for_each(|card| own[usize::from(*card)] += 1);
            prop_assert!(own.iter().max().unwrap() - own.iter().min().unwrap() <= 1);
            total.iter_mut().zip(own).for_each(|(total, own)| *total += own);
        }
        prop_assert!(total.iter().max().unwrap() - total.iter().min().unwrap() <= 1, "{total:?}");
    }

    /// Someone leaves: only their users move, evenly, and the shares stay even.
    #[test]
    fn of_a_member_who_left_only_their_own_users_move(size in 0usize..200, count in 2usize..9, gone in 0usize..9) {
        let gone = gone % count;
        let mut before = vec![NOBODY; size];
        let turn = deal(&mut before, &vec![Hand::default(); count], 0, WhenFull::Wait).turn;
        let place = |card: Place| match usize::from(card) {
            own if own == gone => NOBODY,
            own => (own - usize::from(own > gone)) as Place,
        };
        let mut after: Vec<Place> = before.iter().map(|card| place(*card)).collect();
        let left = after.clone();
        let turn = usize::from(turn).saturating_sub(usize::from(usize::from(turn) > gone)) % (count - 1);
        deal(&mut after, &vec![Hand::default(); count - 1], turn as Place, WhenFull::Wait);
        let moved = left.iter().zip(&after).filter(|(before, after)| before != after).count();
        prop_assert_eq!(moved, before.iter().filter(|card| usize::from(**card) == gone).count());
        let mut own = vec![0usize; count - 1];
        after.iter().for_each(|card| own[usize::from(*card)] += 1);
        prop_assert!(own.iter().max().unwrap() - own.iter().min().unwrap() <= 1, "{own:?}");
    }
}

// proves: S2.53
#[test]
fn the_order_is_random_for_each_task_and_always_the_same() {
    let ids: Vec<String> = (0..1_000).map(|n| format!("用户{n}")).collect();
    let order = |task: &str| in_order(task, ids.iter().enumerate().map(|(n, id)| (n as UserNo, id.as_str())));
    assert_eq!(order("t1"), order("t1"));
    let backwards = in_order("t1", ids.iter().enumerate().rev().map(|(n, id)| (n as UserNo, id.as_str())));
    assert_eq!(order("t1"), backwards, "whatever their numbers");
    assert_ne!(order("t1"), order("t2"));
    // Neighbours by number are dealt to anyone: each of four members gets about a quarter of each hundred.
    let mut cards = vec![NOBODY; ids.len()];
    deal(&mut cards, &[Hand::default(); 4], 0, WhenFull::Wait);
    let of: BTreeMap<UserNo, Place> = order("t1").into_iter().zip(cards).collect();
    for hundred in 0..10u32 {
        for member in 0..4 {
            let own = (hundred * 100..hundred * 100 + 100).filter(|user| of[user] == member).count();
            assert!((8..45).contains(&own), "{own} of hundred {hundred}");
        }
    }
}
