//! Which of these users are kept out, to measure by?

use roaring::RoaringBitmap;

use crate::base::{Share, share_of};
use crate::store::Snapshot;

/// The users of `users` who fall in the holdout: a share by a stable hash of the external id, so
/// the same user is in it on every machine and in every run with the same salt (semantics 6.4).
pub fn held_out(users: &RoaringBitmap, share: Share, salt: &str, snapshot: &Snapshot) -> RoaringBitmap {
    let ids = snapshot.ids();
    users.iter().filter(|user| share_of(share, salt, ids.text(*user))).collect()
}
