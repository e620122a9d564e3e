//! Whose is a user, since when, and how much has each member done? The tables of staff in `ledger.db`.
//!
//! A deal is one act of dealing: for a run, for touches that waited, or because a member left. It keeps only
//! what it changed, page by page, so that the last word on a user is whose they are, and all words are the
//! audit. Every function here is part of the caller's commit.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::{Outcome, Problem, Timestamp, UserNo};
use crate::task::{Done, disk_trouble};

use super::deal::{Hand, NOBODY, Place, deal};
use super::team::Team;

/// Tables of deals, days and passes.
pub const TABLES: &str = "
    create table staff_codes (
        task text not null, code integer not null, staff text not null,
        primary key (task, code), unique (task, staff)) without rowid;
    create table deals (
        no integer primary key, task text not null, run integer references runs(no), at integer not null,
        why text not null, family text not null, turn text, full blob);
    create index deals_of_task on deals (task);
    create table dealt (
        task text not null, page integer not null, deal integer not null references deals(no),
        cards blob not null, primary key (task, page, deal)) without rowid;
    create table staff_days (
        staff text not null, what text not null, day integer not null, dealt integer not null,
        primary key (staff, what, day)) without rowid;
    create table staff_passes (
        staff text not null, family text not null, settled blob not null, resumed_at integer,
        primary key (staff, family)) without rowid;";

/// Users of one page.
const PAGE_USERS: u32 = 4_096;
/// A member's number within one task, from 1; 0 is nobody.
type Code = u16;

/// Why users are dealt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// A run begins, or a trigger released.
    Run,
    /// What waited for room is dealt once more.
    Waited,
    /// A member left.
    Left,
}

/// For what, when and why users are dealt.
#[derive(Debug, Clone, Copy)]
pub struct Occasion {
    /// The run in `runs`, if it is for one.
    pub run: Option<i64>,
    pub at: Timestamp,
    pub why: Why,
}

/// One word on a user, the oldest first in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    pub at: Timestamp,
    pub why: String,
    pub run: Option<i64>,
    pub staff: String,
}

impl Why {
    /// The word in `ledger.db` and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Why::Run => "run",
            Why::Waited => "waited",
            Why::Left => "left",
        }
    }
}

/// Deals `users`, each once and in their order, to a team; gives those for whom there is no room today. What is
/// dealt counts on this day. Errors: OUT-030.
pub fn deal_out(
    tx: &Transaction,
    team: &Team,
    users: &[UserNo],
    occasion: Occasion,
) -> Outcome<RoaringBitmap> {
    let codes = codes(tx, team)?;
    let places: HashMap<Code, Place> = codes.iter().copied().zip(0..).collect();
    let owners = Owners::of(tx, &team.task, users.iter().copied())?;
    let of = |user: &UserNo| owners.get(*user).and_then(|code| places.get(&code)).copied().unwrap_or(NOBODY);
    let mut cards: Vec<Place> = users.iter().map(of).collect();
    let is_free: RoaringBitmap =
        (0..).zip(&cards).filter(|(_, card)| **card == NOBODY).map(|(n, _)| n).collect();
    let dealt = deal(&mut cards, &hands(tx, team)?, turn(tx, team)?, team.limits.when_full);
    let full: RoaringBitmap =
        users.iter().zip(&dealt.is_full).filter(|(_, full)| **full).map(|(user, _)| *user).collect();
    let next = team.members.get(usize::from(dealt.turn)).map(|member| member.id.as_str());
    let no = add_deal(tx, team, occasion, next, &full)?;
    let changed = is_free.iter().filter_map(|n| {
        let code = codes.get(usize::from(*cards.get(n as usize)?))?;
        Some((*users.get(n as usize)?, *code))
    });
    keep(tx, &team.task, no, changed.collect())?;
    let passed = cards.iter().zip(&dealt.is_full).filter(|(_, is_full)| !**is_full).map(|(card, _)| *card);
    count(tx, team, passed)?;
    Ok(full)
}

/// Gives the users of a member who left to the others of the team, evenly: they move, and nobody else does.
/// `users` are all that the task ever dealt, in their order. Gives how many moved. Errors: OUT-030.
pub fn hand_on(tx: &Transaction, team: &Team, users: &[UserNo], at: Timestamp) -> Outcome<u64> {
    let codes = codes(tx, team)?;
    let places: HashMap<Code, Place> = codes.iter().copied().zip(0..).collect();
    let owners = Owners::of(tx, &team.task, users.iter().copied())?;
    let place = |user: UserNo| owners.get(user).and_then(|code| places.get(&code)).copied();
    let mut hands = vec![Hand::default(); team.members.len()];
    for hand in users.iter().filter_map(|user| place(*user)) {
        hands.get_mut(usize::from(hand)).into_iter().for_each(|hand| hand.has += 1);
    }
    let moving: Vec<UserNo> = users.iter().copied().filter(|user| place(*user).is_none()).collect();
    let mut cards = vec![NOBODY; moving.len()];
    let dealt = deal(&mut cards, &hands, turn(tx, team)?, team.limits.when_full);
    if moving.is_empty() || hands.is_empty() {
        return Ok(0);
    }
    let next = team.members.get(usize::from(dealt.turn)).map(|member| member.id.as_str());
    let occasion = Occasion { run: None, at, why: Why::Left };
    let no = add_deal(tx, team, occasion, next, &RoaringBitmap::new())?;
    let code = |card: &Place| codes.get(usize::from(*card)).copied().unwrap_or(0);
    keep(tx, &team.task, no, moving.iter().zip(&cards).map(|(user, card)| (*user, code(card))).collect())?;
    Ok(moving.len() as u64)
}

/// What a run was dealt before, if it was: those for whom there was no room. Errors: OUT-030.
pub fn full_of_run(db: &Connection, run: i64) -> Outcome<Option<RoaringBitmap>> {
    let sql = "select full from deals where run = ?1 and why = 'run' order by no limit 1";
    let found: Option<Vec<u8>> =
        db.query_row(sql, [run], |row| row.get(0)).optional().map_err(disk_trouble)?;
    let read = |bytes: Vec<u8>| {
        RoaringBitmap::deserialize_from(bytes.as_slice())
            .map_err(|e| Problem::bug(format!("a deal in the ledger cannot be read: {e}")))
    };
    found.map(read).transpose()
}

/// Whose are these users of a task? Those whom nobody was dealt are left out. Errors: OUT-030.
pub fn staff_of(
    db: &Connection,
    task: &str,
    users: impl Iterator<Item = UserNo> + Clone,
) -> Outcome<HashMap<UserNo, String>> {
    let names = names(db, task)?;
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let owners = Owners::of(db, task, users.clone())?;
    let of = |user: UserNo| Some((user, names.get(&owners.get(user)?)?.clone()));
    Ok(users.filter_map(of).collect())
}

/// How many users of a task each member has, by id. Errors: OUT-030.
pub fn shares(db: &Connection, task: &str) -> Outcome<BTreeMap<String, u64>> {
    let (names, owners) = (names(db, task)?, Owners::all(db, task)?);
    let mut shares: BTreeMap<String, u64> = names.values().map(|staff| (staff.clone(), 0)).collect();
    for code in owners.0.values().flatten().filter(|code| **code != 0) {
        if let Some(share) = names.get(code).and_then(|staff| shares.get_mut(staff)) {
            *share += 1;
        }
    }
    Ok(shares)
}

/// Every user that a task ever dealt. Errors: OUT-030.
pub fn users_of(db: &Connection, task: &str) -> Outcome<RoaringBitmap> {
    let owners = Owners::all(db, task)?;
    let users = |(page, codes): (&u32, &Vec<Code>)| -> RoaringBitmap {
        let seats = (page * PAGE_USERS..).zip(codes).filter(|(_, code)| **code != 0);
        seats.map(|(user, _)| user).collect()
    };
    Ok(owners.0.iter().map(users).fold(RoaringBitmap::new(), |all, own| all | own))
}

/// Every word on whose a user is, the oldest first. Errors: OUT-030.
pub fn words_on(db: &Connection, task: &str, user: UserNo) -> Outcome<Vec<Word>> {
    let names = names(db, task)?;
    let sql = "select d.at, d.why, d.run, p.cards from dealt p join deals d on d.no = p.deal
               where p.task = ?1 and p.page = ?2 order by p.deal";
    let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
    let mut rows = query.query(params![task, user / PAGE_USERS]).map_err(disk_trouble)?;
    let mut words = Vec::new();
    while let Some(row) = rows.next().map_err(disk_trouble)? {
        let cards: Vec<u8> = row.get(3).map_err(disk_trouble)?;
        let own = entries(&cards).find(|(seat, _)| *seat == user % PAGE_USERS);
        let Some(staff) = own.and_then(|(_, code)| names.get(&code)) else { continue };
        let (at, why, run) = (row.get(0), row.get(1), row.get(2));
        words.push(Word {
            at: Timestamp(at.map_err(disk_trouble)?),
            why: why.map_err(disk_trouble)?,
            run: run.map_err(disk_trouble)?,
            staff: staff.clone(),
        });
    }
    Ok(words)
}

/// The family of limits by which a task was dealt last; nothing for a task without staff. Errors: OUT-030.
pub fn family_of(db: &Connection, task: &str) -> Outcome<Option<String>> {
    let sql = "select family from deals where task = ?1 order by no desc limit 1";
    db.query_row(sql, [task], |row| row.get(0)).optional().map_err(disk_trouble)
}

/// Touches dealt to a member on a local day, of a family or of a task. Errors: OUT-030.
pub fn dealt_on(db: &Connection, staff: &str, what: &str, from: i32, to: i32) -> Outcome<u64> {
    let sql = "select coalesce(sum(dealt), 0) from staff_days
               where staff = ?1 and what = ?2 and day between ?3 and ?4";
    let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
    let dealt: i64 =
        query.query_row(params![staff, what, from, to], |row| row.get(0)).map_err(disk_trouble)?;
    Ok(dealt.unsigned_abs())
}

fn hands(tx: &Transaction, team: &Team) -> Outcome<Vec<Hand>> {
    let hand = |member| {
        let done: Done = team.done(tx, member)?;
        let room = team.allowance.room(member, team.limits.per_day, done, team.today);
        Ok(Hand { has: 0, room })
    };
    team.members.iter().map(hand).collect()
}

/// The place of the member whose turn it is; of the next one, if that one is not in the team any more.
fn turn(tx: &Transaction, team: &Team) -> Outcome<Place> {
    let sql = "select turn from deals where task = ?1 and turn is not null order by no desc limit 1";
    let found: Option<String> =
        tx.query_row(sql, [&team.task], |row| row.get(0)).optional().map_err(disk_trouble)?;
    let place = found.and_then(|turn| team.members.iter().position(|member| member.id >= turn));
    Ok(place.unwrap_or(0) as Place)
}

/// The codes of the team's members, in its order; those who are new to the task get one.
fn codes(tx: &Transaction, team: &Team) -> Outcome<Vec<Code>> {
    let known: HashMap<String, Code> =
        names(tx, &team.task)?.into_iter().map(|(code, staff)| (staff, code)).collect();
    let mut next = known.values().max().copied().unwrap_or(0);
    let mut code = |id: &String| {
        if let Some(code) = known.get(id) {
            return Ok(*code);
        }
        next = next.checked_add(1).ok_or_else(|| too_many(&team.task))?;
        let sql = "insert into staff_codes (task, code, staff) values (?1, ?2, ?3)";
        tx.execute(sql, params![team.task, next, id]).map_err(disk_trouble)?;
        Ok(next)
    };
    team.members.iter().map(|member| code(&member.id)).collect()
}

fn too_many(task: &str) -> Problem {
    let what =
        format!("{} members of staff were dealt users of task {task}; there is no number left", Code::MAX);
    Problem::author("DSP-060", what).cure(format!("quanke task copy {task}, and go on with the copy"))
}

fn names(db: &Connection, task: &str) -> Outcome<HashMap<Code, String>> {
    let mut query =
        db.prepare_cached("select code, staff from staff_codes where task = ?1").map_err(disk_trouble)?;
    let rows = query.query_map([task], |row| Ok((row.get(0)?, row.get(1)?))).map_err(disk_trouble)?;
    rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
}

fn add_deal(
    tx: &Transaction,
    team: &Team,
    occasion: Occasion,
    turn: Option<&str>,
    full: &RoaringBitmap,
) -> Outcome<i64> {
    let mut bytes = Vec::with_capacity(full.serialized_size());
    full.serialize_into(&mut bytes).map_err(|e| Problem::bug(format!("a deal cannot be written: {e}")))?;
    let sql =
        "insert into deals (task, run, at, why, family, turn, full) values (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Occasion { run, at, why } = occasion;
    let values = params![team.task, run, at.0, why.word(), team.allowance.family, turn, bytes];
    tx.execute(sql, values).map_err(disk_trouble)?;
    Ok(tx.last_insert_rowid())
}

/// Writes whose users have become, page by page.
fn keep(tx: &Transaction, task: &str, deal: i64, mut changed: Vec<(UserNo, Code)>) -> Outcome<()> {
    changed.sort_unstable();
    let sql = "insert into dealt (task, page, deal, cards) values (?1, ?2, ?3, ?4)";
    let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
    for page in changed.chunk_by(|a, b| a.0 / PAGE_USERS == b.0 / PAGE_USERS) {
        let entry = |(user, code): &(UserNo, Code)| {
            let seat = (user % PAGE_USERS) as u16;
            [seat.to_le_bytes(), code.to_le_bytes()].concat()
        };
        let cards: Vec<u8> = page.iter().flat_map(entry).collect();
        let no = page.first().map_or(0, |(user, _)| user / PAGE_USERS);
        insert.execute(params![task, no, deal, cards]).map_err(disk_trouble)?;
    }
    Ok(())
}

/// Counts what goes out today, for the family and for the task.
fn count(tx: &Transaction, team: &Team, passed: impl Iterator<Item = Place>) -> Outcome<()> {
    let mut counts = vec![0i64; team.members.len()];
    for place in passed {
        counts.get_mut(usize::from(place)).into_iter().for_each(|count| *count += 1);
    }
    let sql = "insert into staff_days (staff, what, day, dealt) values (?1, ?2, ?3, ?4)
               on conflict (staff, what, day) do update set dealt = dealt + excluded.dealt";
    let mut add = tx.prepare_cached(sql).map_err(disk_trouble)?;
    let whats = [team.task.as_str(), team.allowance.family.as_str()];
    for (member, count) in team.members.iter().zip(counts).filter(|(_, count)| *count > 0) {
        for what in whats.iter().filter(|what| !what.is_empty()) {
            add.execute(params![member.id, what, team.today.0, count]).map_err(disk_trouble)?;
        }
    }
    Ok(())
}

/// Seats and codes of a page.
fn entries(cards: &[u8]) -> impl Iterator<Item = (u32, Code)> {
    cards.chunks_exact(4).map(|entry| match entry {
        [a, b, c, d] => (u32::from(u16::from_le_bytes([*a, *b])), Code::from_le_bytes([*c, *d])),
        _ => (0, 0),
    })
}

/// Whose users are, page by page; 0 is nobody's.
struct Owners(BTreeMap<u32, Vec<Code>>);

impl Owners {
    /// Of the pages in which these users are.
    fn of(db: &Connection, task: &str, users: impl Iterator<Item = UserNo>) -> Outcome<Owners> {
        let mut pages: RoaringBitmap = RoaringBitmap::new();
        for user in users {
            pages.insert(user / PAGE_USERS);
        }
        let sql = "select page, cards from dealt where task = ?1 and page = ?2 order by deal";
        let mut owners = Owners(BTreeMap::new());
        for page in pages {
            owners.read(db, sql, params![task, page])?;
        }
        Ok(owners)
    }

    fn all(db: &Connection, task: &str) -> Outcome<Owners> {
        let mut owners = Owners(BTreeMap::new());
        owners.read(
            db,
            "select page, cards from dealt where task = ?1 order by page, deal",
            params![task],
        )?;
        Ok(owners)
    }

    /// Later words stand in the place of earlier ones.
    fn read(&mut self, db: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Outcome<()> {
        let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query(values).map_err(disk_trouble)?;
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            let page: u32 = row.get(0).map_err(disk_trouble)?;
            let cards: Vec<u8> = row.get(1).map_err(disk_trouble)?;
            let codes = self.0.entry(page).or_insert_with(|| vec![0; PAGE_USERS as usize]);
            for (seat, code) in entries(&cards) {
                codes.get_mut(seat as usize).into_iter().for_each(|own| *own = code);
            }
        }
        Ok(())
    }

    fn get(&self, user: UserNo) -> Option<Code> {
        let code = self.0.get(&(user / PAGE_USERS))?.get((user % PAGE_USERS) as usize)?;
        (*code != 0).then_some(*code)
    }
}
