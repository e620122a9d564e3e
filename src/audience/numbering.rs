//! Whose number is it? Users by the numbers that a bitmap holds, and numbers by users.
//!
//! A bitmap means something only beside a dictionary. Ours are the home's own user numbers, an
//! attribute that holds the other system's number, or user ids that are numbers themselves.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use rayon::prelude::*;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::export::attribute;
use super::package::widened;
use crate::base::{CHUNK_USERS, Outcome, Problem, Type, UserNo};
use crate::store::Snapshot;

/// What the numbers of a bitmap are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Numbering {
    /// This home's own numbers; they mean nothing beside another home.
    UserNo,
    /// The user ids, where they are decimal numbers without zeros in front.
    UserId,
    /// The values of this integer attribute, by its name or alias.
    Column(String),
}

/// The users that numbers name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Named {
    pub users: RoaringBitmap,
    /// Numbers that no user has.
    pub unknown: RoaringTreemap,
    /// Numbers that several users have: they name nobody.
    pub shared: RoaringTreemap,
}

/// The numbers of users.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Numbered {
    pub numbers: RoaringTreemap,
    /// Users without a number.
    pub without: RoaringBitmap,
    /// Numbers that stand for several of the users.
    pub shared: RoaringTreemap,
}

/// A number and a user who has it.
type Pair = (u64, UserNo);

impl Numbering {
    /// May a bitmap be read and written with it?
    /// Errors: CRD-012 no such attribute, CRD-031 it holds no integers.
    pub fn check(&self, snapshot: &Snapshot) -> Outcome<()> {
        self.column(snapshot).map(drop)
    }

    /// The users in the universe whose numbers are given.
    /// Errors: as [`check`](Numbering::check); STO-002 when a file is damaged.
    pub fn users(&self, numbers: &RoaringTreemap, snapshot: &Snapshot) -> Outcome<Named> {
        if *self == Numbering::UserNo {
            return Ok(by_user_no(numbers, snapshot));
        }
        let pairs = self.pairs(snapshot, snapshot.universe(), |number| numbers.contains(number))?;
        let (mut users, mut shared) = (RoaringBitmap::new(), RoaringTreemap::new());
        for group in pairs.chunk_by(|a, b| a.0 == b.0) {
            match group {
                [(_, user)] => drop(users.insert(*user)),
                _ => shared.extend(group.iter().map(|(number, _)| *number)),
            }
        }
        let unknown = numbers - ascending(&pairs);
        Ok(Named { users, unknown, shared })
    }

    /// The numbers of these users.
    /// Errors: as [`check`](Numbering::check); STO-002 when a file is damaged.
    pub fn numbers(&self, users: &RoaringBitmap, snapshot: &Snapshot) -> Outcome<Numbered> {
        if *self == Numbering::UserNo {
            return Ok(Numbered { numbers: widened(users.clone()), ..Numbered::default() });
        }
        let pairs = self.pairs(snapshot, users, |_| true)?;
        let with: RoaringBitmap = pairs.iter().map(|(_, user)| *user).collect();
        let groups = pairs.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1);
        let shared = groups.filter_map(|group| Some(group.first()?.0)).collect();
        Ok(Numbered { numbers: ascending(&pairs), without: users - with, shared })
    }

    /// Numbers that `is_wanted` with those of `users` who have them, by number.
    fn pairs(
        &self,
        snapshot: &Snapshot,
        users: &RoaringBitmap,
        is_wanted: impl Fn(u64) -> bool + Sync,
    ) -> Outcome<Vec<Pair>> {
        let column = self.column(snapshot)?;
        if column.is_none() {
            // A damaged id file is a problem, never users without numbers.
            snapshot.ids().ready()?;
        }
        let in_chunk = |chunk: u32| -> Outcome<Vec<Pair>> {
            let from = chunk * CHUNK_USERS;
            let users = users.range(from..=from + (CHUNK_USERS - 1));
            let numbers = Numbers::of(snapshot, chunk, column.as_deref())?;
            let pairs = users.filter_map(|user| Some((numbers.of_user(user)?, user)));
            Ok(pairs.filter(|(number, _)| is_wanted(*number)).collect())
        };
        let found: Vec<Vec<Pair>> =
            (0..snapshot.chunk_count()).into_par_iter().map(in_chunk).collect::<Outcome<_>>()?;
        let mut pairs = found.concat();
        pairs.par_sort_unstable();
        Ok(pairs)
    }

    /// The attribute's own name, if numbers are those of one.
    fn column(&self, snapshot: &Snapshot) -> Outcome<Option<String>> {
        let Numbering::Column(name) = self else { return Ok(None) };
        let option = "--number-column";
        let column = attribute(snapshot, name)
            .ok_or_else(|| super::export::unknown(snapshot, name).at(format!("{option} {name}")))?;
        match column.type_of {
            Type::Integer => Ok(Some(column.name)),
            other => Err(no_integers(name, other).at(format!("{option} {name}"))),
        }
    }
}

/// Where the numbers of a chunk's users stand.
enum Numbers<'a> {
    Ids(&'a Snapshot),
    Column(Option<ArrayRef>),
}

impl<'a> Numbers<'a> {
    fn of(snapshot: &'a Snapshot, chunk: u32, column: Option<&str>) -> Outcome<Numbers<'a>> {
        let Some(name) = column else { return Ok(Numbers::Ids(snapshot)) };
        let Some(attributes) = snapshot.attributes(chunk)? else { return Ok(Numbers::Column(None)) };
        let column = attributes.column(name)?.map(|column| cast(column, &DataType::Int64)).transpose();
        Ok(Numbers::Column(column.map_err(|error| Problem::bug(error.to_string()))?))
    }

    /// A negative number is none: no bitmap can hold it.
    fn of_user(&self, user: UserNo) -> Option<u64> {
        match self {
            Numbers::Ids(snapshot) => number_of(snapshot.ids().text(user)),
            Numbers::Column(column) => {
                let column = column.as_ref()?.as_primitive_opt::<Int64Type>()?;
                let row = (user % CHUNK_USERS) as usize;
                let is_there = row < column.len() && column.is_valid(row);
                u64::try_from(is_there.then(|| column.value(row))?).ok()
            }
        }
    }
}

/// `10086` is a number; `00001` is an id of its own, and so is `+1`.
fn number_of(id: &str) -> Option<u64> {
    let is_plain = !id.starts_with('0') || id == "0";
    super::package::number(id.as_bytes()).filter(|_| is_plain)
}

fn by_user_no(numbers: &RoaringTreemap, snapshot: &Snapshot) -> Named {
    let known = widened(snapshot.universe().clone());
    let users = &known & numbers;
    let unknown = numbers - &users;
    let users = users.bitmaps().next().map(|(_, users)| users.clone()).unwrap_or_default();
    Named { users, unknown, ..Named::default() }
}

fn ascending(pairs: &[Pair]) -> RoaringTreemap {
    let mut numbers = RoaringTreemap::new();
    numbers.extend(pairs.iter().map(|(number, _)| *number));
    numbers
}

fn no_integers(name: &str, type_of: Type) -> Problem {
    Problem::author("CRD-031", format!("`{name}` holds {type_of} values; numbers of a bitmap are integers"))
        .cure("name an attribute of integers, or make it one in catalog.toml and load it again")
}
