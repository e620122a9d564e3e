//! How is a value written as bytes, and read back?
//!
//! Numbers are little-endian, lists begin with their length, maps lie in the order of their bytes: equal values
//! give equal bytes, however they came to be. Reading never trusts a length.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use roaring::RoaringBitmap;

/// Bytes that are still to be read.
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn split(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }
}

/// A value that can be written and read back.
pub(super) trait Keep: Sized {
    fn put(&self, out: &mut Vec<u8>);
    /// None if the bytes are no such value.
    fn take(from: &mut Bytes) -> Option<Self>;
}

/// `Keep` for a struct: its fields one after the other.
macro_rules! keep_fields {
    ($name:ty { $($field:ident),* $(,)? } $($rest:tt)*) => {
        impl Keep for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)*
            }
            fn take(from: &mut Bytes) -> Option<Self> {
                Some(Self { $($field: Keep::take(from)?,)* $($rest)* })
            }
        }
    };
}
/// `Keep` for an enum of bare words: a byte each.
macro_rules! keep_words {
    ($name:ident { $($word:ident = $byte:literal),* }) => {
        impl Keep for $name {
            fn put(&self, out: &mut Vec<u8>) {
                out.push(match self { $($name::$word => $byte,)* });
            }
            fn take(from: &mut Bytes) -> Option<Self> {
                match u8::take(from)? { $($byte => Some($name::$word),)* _ => None }
            }
        }
    };
}
pub(super) use {keep_fields, keep_words};

macro_rules! keep_numbers {
    ($($number:ty),*) => {$(
        impl Keep for $number {
            fn put(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut Bytes) -> Option<Self> {
                Some(<$number>::from_le_bytes(from.split(size_of::<$number>())?.try_into().ok()?))
            }
        }
    )*};
}
keep_numbers!(u8, u16, u32, u64, u128, i32, i64);

impl Keep for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn take(from: &mut Bytes) -> Option<usize> {
        usize::try_from(u64::take(from)?).ok()
    }
}

impl Keep for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }

    fn take(from: &mut Bytes) -> Option<bool> {
        match u8::take(from)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Keep> Keep for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes) -> Option<Option<T>> {
        if bool::take(from)? { T::take(from).map(Some) } else { Some(None) }
    }
}

impl<T: Keep> Keep for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.reserve(size_of_val(self.as_slice()));
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes) -> Option<Vec<T>> {
        let count = usize::take(from)?;
        let mut all = Vec::with_capacity(count.min(from.0.len() / size_of::<T>().max(1)));
        for _ in 0..count {
            all.push(T::take(from)?);
        }
        Some(all)
    }
}

impl Keep for Arc<str> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Bytes) -> Option<Arc<str>> {
        let count = usize::take(from)?;
        Some(Arc::from(std::str::from_utf8(from.split(count)?).ok()?))
    }
}

impl Keep for Arc<RoaringBitmap> {
    fn put(&self, out: &mut Vec<u8>) {
        self.serialized_size().put(out);
        // Writing into memory does not fail.
        let _ = self.serialize_into(&mut *out);
    }

    fn take(from: &mut Bytes) -> Option<Arc<RoaringBitmap>> {
        let count = usize::take(from)?;
        RoaringBitmap::deserialize_from(from.split(count)?).ok().map(Arc::new)
    }
}

macro_rules! keep_tuples {
    ($(($($name:ident $place:tt),*))*) => {$(
        impl<$($name: Keep),*> Keep for ($($name,)*) {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$place.put(out);)*
            }
            fn take(from: &mut Bytes) -> Option<Self> {
                Some(($($name::take(from)?,)*))
            }
        }
    )*};
}
keep_tuples! { (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

impl<K: Keep + Ord, V: Keep> Keep for BTreeMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut Bytes) -> Option<BTreeMap<K, V>> {
        (0..usize::take(from)?).map(|_| <(K, V)>::take(from)).collect()
    }
}

impl<K: Keep + Eq + Hash, V: Keep> Keep for HashMap<K, V> {
    fn put(&self, out: &mut Vec<u8>) {
        put_sorted(self.iter(), out, |(key, value), out| {
            key.put(out);
            value.put(out);
        });
    }

    fn take(from: &mut Bytes) -> Option<HashMap<K, V>> {
        (0..usize::take(from)?).map(|_| <(K, V)>::take(from)).collect()
    }
}

impl<K: Keep + Eq + Hash> Keep for HashSet<K> {
    fn put(&self, out: &mut Vec<u8>) {
        put_sorted(self.iter(), out, |key, out| key.put(out));
    }

    fn take(from: &mut Bytes) -> Option<HashSet<K>> {
        (0..usize::take(from)?).map(|_| K::take(from)).collect()
    }
}

/// Entries of a hash map have no order of their own: they are written in the order of their bytes.
fn put_sorted<T>(all: impl Iterator<Item = T>, out: &mut Vec<u8>, put: impl Fn(T, &mut Vec<u8>)) {
    let (mut bytes, mut ends) = (Vec::new(), vec![0]);
    for one in all {
        put(one, &mut bytes);
        ends.push(bytes.len());
    }
    let mut entries: Vec<&[u8]> = ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
    entries.sort_unstable();
    entries.len().put(out);
    entries.into_iter().for_each(|entry| out.extend_from_slice(entry));
}
