//! Who gets whom? Users are dealt to the members of a team like cards, one by one (semantics 6.7).
//!
//! Users lie in the order of a hash of the task and their external id. Who has a member already stays theirs.
//! Each other user goes to the member who has the fewest, the first of these from the one whose turn it is on;
//! then it is the next one's turn. So shares that begin equal differ by at most one, the turn goes on where the
//! run before ended, and of a member who left only their own users move. A member has room for so many a day:
//! what is too much waits, or, with [`WhenFull::Next`], goes to one who has room.
//!
//! All here is a pure function; `book` keeps what it says.

use rayon::slice::ParallelSliceMut;

use crate::base::{UserNo, stable_hash};
use crate::task::WhenFull;

/// A member's place in the team.
pub type Place = u16;

/// Nobody's user: not dealt yet, or of somebody who is not in the team.
pub const NOBODY: Place = Place::MAX;

/// A member who is dealt to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hand {
    /// Users whom the member counts already, besides those among the cards.
    pub has: u64,
    /// How many more may go out today; `None` for no limit.
    pub room: Option<u64>,
}

/// What dealing left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dealt {
    /// For each card, in the same order: is there no room for it today?
    pub is_full: Vec<bool>,
    /// Whose turn it is next.
    pub turn: Place,
}

/// The order in which a task's users are dealt; the same on every machine and in every run.
pub fn in_order<'a>(task: &str, users: impl Iterator<Item = (UserNo, &'a str)>) -> Vec<UserNo> {
    let salt = format!("staff {task}");
    let mut keyed: Vec<(u64, UserNo)> = users.map(|(user, id)| (stable_hash(&salt, id), user)).collect();
    keyed.par_sort_unstable();
    keyed.into_iter().map(|(_, user)| user).collect()
}

/// Deals: each card says whose it is, and those of [`NOBODY`] get a member. A card stays nobody's only if there
/// is no member, or with [`WhenFull::Next`] none who has room.
pub fn deal(cards: &mut [Place], hands: &[Hand], turn: Place, when_full: WhenFull) -> Dealt {
    let mut table = Table::new(cards, hands, turn, when_full);
    let mut free = cards.iter_mut().filter(|card| **card == NOBODY);
    table.give(&mut free);
    Dealt { is_full: full(cards, hands), turn: table.turn as Place }
}

/// How many users each member has while they are dealt.
struct Table {
    sizes: Vec<u64>,
    /// A member who has so many gets no more.
    most: Vec<u64>,
    turn: usize,
}

impl Table {
    fn new(cards: &[Place], hands: &[Hand], turn: Place, when_full: WhenFull) -> Table {
        let mut own = vec![0; hands.len()];
        for card in cards {
            if let Some(count) = own.get_mut(usize::from(*card)) {
                *count += 1;
            }
        }
        let most = |(hand, own): (&Hand, &u64)| match (when_full, hand.room) {
            (WhenFull::Next, Some(room)) => hand.has + room.max(*own),
            _ => u64::MAX,
        };
        Table {
            most: hands.iter().zip(&own).map(most).collect(),
            sizes: hands.iter().zip(&own).map(|(hand, own)| hand.has + own).collect(),
            turn: usize::from(turn),
        }
    }

    /// Deals round by round: in each, everyone who has the fewest gets one.
    fn give<'c>(&mut self, free: &mut impl Iterator<Item = &'c mut Place>) {
        loop {
            let round = self.round();
            if round.is_empty() {
                return;
            }
            for hand in round {
                let Some(card) = free.next() else { return };
                *card = hand as Place;
                self.sizes[hand] += 1;
                self.turn = (hand + 1) % self.sizes.len();
            }
        }
    }

    /// Those who have the fewest of all who may get more, from the one whose turn it is on.
    fn round(&self) -> Vec<usize> {
        let count = self.sizes.len();
        let is_open = |hand: &usize| self.sizes[*hand] < self.most[*hand];
        let least = (0..count).filter(is_open).map(|hand| self.sizes[hand]).min();
        let from_turn = (0..count).map(|n| (self.turn + n) % count);
        from_turn.filter(is_open).filter(|hand| Some(self.sizes[*hand]) == least).collect()
    }
}

/// The first of each member's cards have room; so have all where there is no limit.
fn full(cards: &[Place], hands: &[Hand]) -> Vec<bool> {
    let mut left: Vec<u64> = hands.iter().map(|hand| hand.room.unwrap_or(u64::MAX)).collect();
    let is_full = |card: &Place| match left.get_mut(usize::from(*card)) {
        None | Some(0) => true,
        Some(room) => {
            *room -= 1;
            false
        }
    };
    cards.iter().map(is_full).collect()
}
