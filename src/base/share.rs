//! Reproducible randomness: the same user falls in the same share everywhere and for ever.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A share of all users, in millionths; `10%` is 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u32);

impl Share {
    /// Reads `5%`, `0.25 %`.
    pub fn parse(text: &str) -> Option<Share> {
        let percent: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
        (0.0..=100.0).contains(&percent).then(|| Share((percent * 10_000.0).round() as u32))
    }
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}%", self.0 as f64 / 10_000.0)
    }
}

/// A salt made ready for many users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salt(u64);

impl Salt {
    /// The salt of this text.
    pub fn of(text: &str) -> Salt {
        Salt(xxh3_64_with_seed(text.as_bytes(), 0))
    }

    /// As [`place_of`].
    pub fn place(self, user_id: &str) -> u32 {
        ((xxh3_64_with_seed(user_id.as_bytes(), self.0) as u128 * 1_000_000) >> 64) as u32
    }
}

/// A stable 64-bit hash of (salt, external user id); never changed between versions.
/// Source: XXH3 of the id, seeded by XXH3 of the salt.
pub fn stable_hash(salt: &str, user_id: &str) -> u64 {
    xxh3_64_with_seed(user_id.as_bytes(), Salt::of(salt).0)
}

/// Is this user inside the share that belongs to `salt`?
pub fn share_of(share: Share, salt: &str, user_id: &str) -> bool {
    place_of(salt, user_id) < share.0
}

/// The user's place among a million that belongs to `salt`: inside a share are the places below it.
pub fn place_of(salt: &str, user_id: &str) -> u32 {
    Salt::of(salt).place(user_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_about_its_size_and_stays() {
        let share = Share::parse("10%").unwrap();
        let inside = (0..100_000).filter(|n| share_of(share, "x", &format!("u{n}"))).count();
        assert!((9_500..10_500).contains(&inside), "{inside}");
        assert_eq!(stable_hash("x", "u1"), stable_hash("x", "u1"));
        assert_ne!(stable_hash("x", "u1"), stable_hash("y", "u1"));
    }

    #[test]
    fn nobody_is_in_nothing_and_all_are_in_everything() {
        assert!(!share_of(Share(0), "s", "u"));
        assert!((0..1000).all(|n| share_of(Share(1_000_000), "s", &n.to_string())));
    }
}
