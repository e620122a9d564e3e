//! How many users have each value? One pass over the chunks, all dimensions of a chunk together, in
//! parallel.
//!
//! A column with a container per value needs no rows: the universe's counts stand in the table of
//! sizes, the audience's are intersections, or, where its users are fewer than the containers'
//! entries, the codes of just these users. Every other dimension looks at each user of the chunk once.

use std::ops::AddAssign;

use arrow::array::{Array, AsArray};
use hashbrown::HashMap;
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::code::{self, Coded, Label, Owned};
use super::{Axis, CROSSED_MAX};
use crate::base::{Outcome, Problem, Type};
use crate::store::{Attributes, Bitmap, Container, Register, Snapshot};

/// Groups of one dimension; more are a list of users rather than a profile of them.
const GROUPS_MAX: usize = 1_000_000;
/// Combinations in a chunk up to which each has a slot of its own: 2 MiB, which a cache still holds.
const SLOTS_MAX: usize = 1 << 18;

/// Users of the audience and of everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub users: u64,
    pub universe: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.users += other.users;
        self.universe += other.universe;
    }
}

/// The counts of one dimension.
#[derive(Debug)]
pub struct Totals {
    axes: Vec<Interner>,
    counts: HashMap<Key, Counts>,
}

/// A number for the label on each axis.
type Key = [u32; CROSSED_MAX];

/// Numbers for labels, given as they are met.
#[derive(Debug, Default)]
struct Interner {
    known: HashMap<Owned, u32>,
    labels: Vec<Owned>,
}

/// Counts every dimension over all chunks; shape: one `Totals` for each.
/// Errors: SEL-131 too many groups; a file that cannot be read.
pub fn count(dimensions: &[Vec<Axis>], users: &RoaringBitmap, snapshot: &Snapshot) -> Outcome<Vec<Totals>> {
    let users = Bitmap::of(users);
    let empty = || dimensions.iter().map(|axes| Totals::new(axes.len())).collect::<Vec<_>>();
    let chunks = (0..snapshot.chunk_count()).into_par_iter();
    let found = chunks.try_fold(empty, |mut totals, chunk| {
        let chunk = Chunk::open(chunk, &users, snapshot)?;
        for (axes, totals) in dimensions.iter().zip(&mut totals) {
            chunk.count(axes, totals)?;
            totals.check(axes)?;
        }
        Ok(totals)
    });
    found.try_reduce(empty, |mut left, right| {
        for ((mine, theirs), axes) in left.iter_mut().zip(&right).zip(dimensions) {
            mine.absorb(theirs);
            mine.check(axes)?;
        }
        Ok(left)
    })
}

impl Totals {
    fn new(axes: usize) -> Totals {
        Totals { axes: (0..axes).map(|_| Interner::default()).collect(), counts: HashMap::new() }
    }

    fn add(&mut self, labels: &[Label<&str>], counts: Counts) {
        let mut key = Key::default();
        let numbers = key.iter_mut().zip(&mut self.axes).zip(labels);
        numbers.for_each(|((slot, axis), label)| *slot = axis.number(*label));
        *self.counts.entry(key).or_default() += counts;
    }

    fn absorb(&mut self, other: &Totals) {
        for (labels, counts) in other.groups() {
            let labels: Vec<Label<&str>> = labels.iter().map(|label| label.borrowed()).collect();
            self.add(&labels, counts);
        }
    }

    fn groups(&self) -> impl Iterator<Item = (Vec<&Owned>, Counts)> {
        self.counts.iter().map(|(key, counts)| {
            let labels = key.iter().zip(&self.axes).filter_map(|(n, axis)| axis.labels.get(*n as usize));
            (labels.collect(), *counts)
        })
    }

    /// The groups that anybody is in, ascending by their values.
    pub fn sorted(&self) -> Vec<(Vec<&Owned>, Counts)> {
        let mut groups: Vec<_> = self.groups().collect();
        groups.sort_by(|a, b| a.0.cmp(&b.0));
        groups
    }

    fn check(&self, axes: &[Axis]) -> Outcome<()> {
        if self.counts.len() <= GROUPS_MAX {
            return Ok(());
        }
        let names: Vec<&str> = axes.iter().map(|axis| axis.column.name.as_str()).collect();
        let what = format!("`{}` has more than {GROUPS_MAX} values, which is no profile", names.join("*"));
        let cure = "take an attribute that many users share, or bins (`balance:20`)";
        Err(Problem::author("SEL-131", what).at(format!("--by {}", names.join("*"))).cure(cure))
    }
}

impl Interner {
    fn number(&mut self, label: Label<&str>) -> u32 {
        if let Some(number) = self.known.get(&label) {
            return *number;
        }
        let number = self.labels.len() as u32;
        self.labels.push(label.owned());
        self.known.insert(label.owned(), number);
        number
    }
}

/// One chunk of users: everyone in it, and who of them is in the audience.
struct Chunk {
    universe: Register,
    users: Register,
    attributes: Option<std::sync::Arc<Attributes>>,
}

impl Chunk {
    fn open(chunk: u32, users: &Bitmap, snapshot: &Snapshot) -> Outcome<Chunk> {
        let register = |set: &Bitmap| set.container(chunk).map(Register::of).unwrap_or_default();
        let universe = register(snapshot.universe_bitmap());
        let mut users = register(users);
        users.and(&universe);
        Ok(Chunk { universe, users, attributes: snapshot.attributes(chunk)? })
    }

    fn count(&self, axes: &[Axis], totals: &mut Totals) -> Outcome<()> {
        match (axes, self.attributes.as_deref()) {
            ([axis], Some(attributes)) if axis.bins.is_none() && attributes.is_indexed(&axis.column.name) => {
                self.by_containers(axis, attributes, totals)
            }
            (axes, attributes) => self.by_rows(axes, attributes, totals),
        }
    }

    /// Containers hold users of the universe alone, since a deleted user's values are cleared.
    fn by_containers(&self, axis: &Axis, attributes: &Attributes, totals: &mut Totals) -> Outcome<()> {
        let name = &axis.column.name;
        let values = attributes.values_of(name)?.unwrap_or_default();
        let by_codes = self.users.count() as u64 * 2 < values.iter().map(|(_, size)| effort(*size)).sum();
        let mut known = Counts::default();
        for (value, size) in &values {
            let counts = Counts {
                universe: *size,
                users: if by_codes { 0 } else { self.common(name, value, attributes)? },
            };
            known += counts;
            totals.add(&[label(value, axis.column.type_of)], counts);
        }
        if by_codes {
            let coded = code::coded(attributes.column(name)?, None, &self.users);
            known.users = tell(&coded, totals);
        }
        let everyone = Counts { users: self.users.count() as u64, universe: self.universe.count() as u64 };
        let missing = match axis.column.type_of {
            Type::List => self.without_list(name, attributes)?,
            _ => Counts {
                users: everyone.users.saturating_sub(known.users),
                universe: everyone.universe.saturating_sub(known.universe),
            },
        };
        if missing.universe > 0 {
            totals.add(&[Label::Missing], missing);
        }
        Ok(())
    }

    /// Users of the audience who have the value.
    fn common(&self, name: &str, value: &str, attributes: &Attributes) -> Outcome<u64> {
        Ok(attributes.container(name, value)?.map_or(0, |container| common(&container, &self.users)))
    }

    /// A user counts under each value of a list, so who has none must be looked for.
    fn without_list(&self, name: &str, attributes: &Attributes) -> Outcome<Counts> {
        let lists = attributes.column(name)?.and_then(|column| column.as_list_opt::<i32>());
        let has_none = |at: &u16| {
            let row = *at as usize;
            lists.is_none_or(|lists| row >= lists.len() || lists.is_null(row) || lists.value_length(row) == 0)
        };
        let count = |users: &Register| users.iter().filter(has_none).count() as u64;
        Ok(Counts { users: count(&self.users), universe: count(&self.universe) })
    }

    fn by_rows(&self, axes: &[Axis], attributes: Option<&Attributes>, totals: &mut Totals) -> Outcome<()> {
        let coded = |axis: &Axis| -> Outcome<Coded> {
            let column = attributes.map(|all| all.column(&axis.column.name)).transpose()?.flatten();
            Ok(code::coded(column, axis.bins.as_ref(), &self.universe))
        };
        let coded: Vec<Coded> = axes.iter().map(coded).collect::<Outcome<_>>()?;
        let mut slots = Slots::new(&coded);
        for (n, at) in self.universe.iter().enumerate() {
            slots.add(n, self.users.holds(at));
        }
        slots.tell(totals);
        Ok(())
    }
}

/// What counting a container costs, in rows of an array.
fn effort(size: u64) -> u64 {
    // A container of bits is 1,024 words, whatever it holds.
    size.min(512)
}

/// Users in both.
fn common(container: &Container, users: &Register) -> u64 {
    match container {
        Container::Bits(bytes) => {
            let words = bytes.as_chunks::<8>().0.iter().zip(users.words());
            words.map(|(bytes, word)| (u64::from_le_bytes(*bytes) & word).count_ones() as u64).sum()
        }
        other => {
            let mut count = 0;
            other.for_each(|at| count += users.holds(at) as u64);
            count
        }
    }
}

fn label(value: &str, type_of: Type) -> Label<&str> {
    let parsed = match type_of {
        Type::Integer => value.parse().ok().map(Label::Integer),
        Type::Bool => value.parse().ok().map(Label::Bool),
        _ => None,
    };
    parsed.unwrap_or(Label::Text(value))
}

/// Adds the audience's codes to the totals; gives the users who have one.
fn tell(coded: &Coded, totals: &mut Totals) -> u64 {
    let mut counts = vec![0u64; coded.labels.len()];
    coded.codes.iter().for_each(|code| counts[*code as usize] += 1);
    let known =
        coded.labels.iter().zip(counts).filter(|(label, users)| **label != Label::Missing && *users > 0);
    known
        .map(|(label, users)| {
            totals.add(&[*label], Counts { users, universe: 0 });
            users
        })
        .sum()
}

/// Counts of one chunk by the codes of its axes.
struct Slots<'a, 'c> {
    coded: &'a [Coded<'c>],
    is_single: bool,
    dense: Vec<[u32; 2]>,
    sparse: HashMap<u64, [u32; 2]>,
}

impl<'a, 'c> Slots<'a, 'c> {
    fn new(coded: &'a [Coded<'c>]) -> Slots<'a, 'c> {
        let sizes = coded.iter().try_fold(1usize, |size, axis| size.checked_mul(axis.labels.len()));
        let dense = sizes.filter(|size| *size <= SLOTS_MAX).map_or(vec![], |size| vec![[0; 2]; size]);
        Slots {
            coded,
            is_single: coded.iter().all(|axis| axis.starts.is_none()),
            dense,
            sparse: HashMap::new(),
        }
    }

    /// Counts the n-th user of the chunk.
    fn add(&mut self, n: usize, is_in: bool) {
        let coded = self.coded;
        if self.is_single {
            let slot = coded.iter().fold(0, |slot, axis| place(slot, axis, axis.codes[n]));
            self.bump(slot, is_in);
        } else {
            self.add_each(coded, n, 0, is_in);
        }
    }

    /// Counts a user under every combination of their values.
    fn add_each(&mut self, coded: &'a [Coded<'c>], n: usize, slot: u64, is_in: bool) {
        match coded.split_first() {
            None => self.bump(slot, is_in),
            Some((axis, rest)) => {
                for code in axis.of(n) {
                    self.add_each(rest, n, place(slot, axis, *code), is_in);
                }
            }
        }
    }

    #[inline]
    fn bump(&mut self, slot: u64, is_in: bool) {
        let counts = match self.dense.get_mut(slot as usize) {
            Some(counts) => counts,
            None => self.sparse.entry(slot).or_default(),
        };
        counts[0] += 1;
        counts[1] += is_in as u32;
    }

    fn tell(&self, totals: &mut Totals) {
        let dense = self.dense.iter().enumerate().map(|(slot, counts)| (slot as u64, counts));
        let all = dense.chain(self.sparse.iter().map(|(slot, counts)| (*slot, counts)));
        for (slot, [universe, users]) in all.filter(|(_, counts)| counts[0] > 0) {
            let counts = Counts { users: *users as u64, universe: *universe as u64 };
            totals.add(&self.labels(slot), counts);
        }
    }

    /// The labels that make a slot; the last axis turns fastest.
    fn labels(&self, mut slot: u64) -> Vec<Label<&'c str>> {
        let mut labels: Vec<Label<&str>> = vec![];
        for axis in self.coded.iter().rev() {
            let size = axis.labels.len() as u64;
            labels.push(axis.labels[(slot % size) as usize]);
            slot /= size;
        }
        labels.reverse();
        labels
    }
}

#[inline]
fn place(slot: u64, axis: &Coded, code: u32) -> u64 {
    slot * axis.labels.len() as u64 + code as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Column;

    #[test]
    fn more_groups_than_a_profile_has_are_refused() {
        let axes = [Axis { column: Column { name: "phone".into(), type_of: Type::Integer }, bins: None }];
        let mut totals = Totals::new(1);
        let one = Counts { users: 1, universe: 1 };
        (0..GROUPS_MAX as i64).for_each(|n| totals.add(&[Label::Integer(n)], one));
        assert_eq!(totals.check(&axes), Ok(()));
        totals.add(&[Label::Integer(-1)], one);
        let problem = totals.check(&axes).unwrap_err();
        assert_eq!((problem.code, problem.at.as_str()), ("SEL-131", "--by phone"));
    }

    #[test]
    fn containers_of_every_form_meet_a_register() {
        let forms: [RoaringBitmap; 3] =
            [(0..9_000).step_by(2).collect(), (0..9).collect(), (5..60_000).collect()];
        let users: RoaringBitmap = (0..65_536).step_by(3).collect();
        for mut form in forms {
            form.optimize();
            let (bytes, register) =
                (Bitmap::of(&form), Register::of(Bitmap::of(&users).container(0).unwrap()));
            assert_eq!(common(&bytes.container(0).unwrap(), &register), form.intersection_len(&users));
        }
    }
}
