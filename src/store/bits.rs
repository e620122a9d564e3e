//! A set of users to which many are added one by one: a bit each, cheap to set in any order.

use roaring::RoaringBitmap;

use crate::base::UserNo;

/// A growing row of bits.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u8>);

impl Bits {
    /// The same users.
    pub fn of(users: &RoaringBitmap) -> Bits {
        let mut bits = Bits(vec![0; users.max().map_or(0, |max| max as usize / 8 + 1)]);
        users.iter().for_each(|user| bits.set(user));
        bits
    }

    pub fn set(&mut self, user: UserNo) {
        let at = user as usize / 8;
        if at >= self.0.len() {
            self.0.resize((at + 1).max(self.0.len() * 2), 0);
        }
        self.0[at] |= 1 << (user % 8);
    }

    pub fn unset(&mut self, user: UserNo) {
        if let Some(byte) = self.0.get_mut(user as usize / 8) {
            *byte &= !(1 << (user % 8));
        }
    }

    pub fn holds(&self, user: UserNo) -> bool {
        self.0.get(user as usize / 8).is_some_and(|byte| byte >> (user % 8) & 1 == 1)
    }

    /// The users as a compressed set.
    pub fn to_bitmap(&self) -> RoaringBitmap {
        let mut users = RoaringBitmap::from_lsb0_bytes(0, &self.0);
        users.optimize();
        users
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_a_set() {
        let mut bits = Bits::of(&RoaringBitmap::from([1, 70_000]));
        bits.set(3);
        bits.set(200_000);
        bits.unset(1);
        bits.unset(900_000);
        assert!(bits.holds(3) && !bits.holds(1) && !bits.holds(900_000));
        assert_eq!(bits.to_bitmap(), RoaringBitmap::from([3, 70_000, 200_000]));
    }
}
