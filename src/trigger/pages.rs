//! One small number for every user, without paying for users who have none.

use crate::base::UserNo;

impl Pages {
    /// Users in one page.
    pub const PAGE: usize = 16_384;
}

type Page = [u32; Pages::PAGE];

/// 4 bytes a user in pages that are made when first written; 0 where nothing was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Pages {
    pages: Vec<Option<Box<Page>>>,
}

impl Pages {
    #[inline]
    pub fn get(&self, user: UserNo) -> u32 {
        let (page, place) = split(user);
        match self.pages.get(page) {
            Some(Some(values)) => values[place],
            _ => 0,
        }
    }

    /// The user's number, to be changed.
    #[inline]
    pub fn at(&mut self, user: UserNo) -> &mut u32 {
        let (page, place) = split(user);
        if !matches!(self.pages.get(page), Some(Some(_))) {
            self.make(page);
        }
        &mut self.pages[page].get_or_insert_with(empty)[place]
    }

    /// Every number that is not 0.
    pub fn each(&mut self, mut change: impl FnMut(&mut u32)) {
        let written = self.pages.iter_mut().flatten().flat_map(|page| page.iter_mut());
        written.filter(|value| **value != 0).for_each(&mut change);
    }

    /// The pages that hold something, with their places.
    pub fn written(&self) -> impl Iterator<Item = (u32, &[u32])> {
        let pages = self.pages.iter().enumerate();
        pages.filter_map(|(place, page)| Some((place as u32, page.as_ref()?.as_slice())))
    }

    /// Puts a page back; one of another length is refused.
    pub fn put_back(&mut self, place: u32, values: Vec<u32>) -> Option<()> {
        let page: Box<Page> = values.into_boxed_slice().try_into().ok()?;
        if place > UserNo::MAX / Pages::PAGE as u32 {
            return None;
        }
        self.make(place as usize);
        self.pages[place as usize] = Some(page);
        Some(())
    }

    #[cold]
    fn make(&mut self, page: usize) {
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        self.pages[page].get_or_insert_with(empty);
    }
}

fn empty() -> Box<Page> {
    vec![0; Pages::PAGE].into_boxed_slice().try_into().unwrap_or_else(|_| Box::new([0; Pages::PAGE]))
}

fn split(user: UserNo) -> (usize, usize) {
    (user as usize / Pages::PAGE, user as usize % Pages::PAGE)
}
