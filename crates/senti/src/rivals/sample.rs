//! A sample that grows by one number at a time and is always sorted.
//!
//! In come numbers; out go quantiles, in the definition of [`crate::quantiles`]. Sorted blocks keep an insertion cheap in a million
//! numbers as well as in a thousand. Nothing here knows what the numbers mean.

use std::collections::VecDeque;

/// Numbers in a block, at most; a block twice as full as it should be is cut in halves.
const BLOCK: usize = 512;

/// A growing sample, or the latest `window` numbers of it.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// Rising, none empty.
    blocks: Vec<Vec<f64>>,
    len: usize,
    /// Numbers in order of arrival, where old ones are to be forgotten.
    recent: Option<(usize, VecDeque<f64>)>,
}

impl Sample {
    /// All numbers, or the latest `window` of them.
    pub(super) fn new(window: Option<usize>) -> Self {
        Self {
            blocks: Vec::new(),
            len: 0,
            recent: window.map(|window| (window, VecDeque::new())),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Takes a number in. One that is not finite is left out: it has no place in an order.
    pub(super) fn push(&mut self, value: f64) {
        if !value.is_finite() {
            return;
        }
        self.insert(value);
        let oldest = self.recent.as_mut().and_then(|(window, recent)| {
            recent.push_back(value);
            (recent.len() > *window)
                .then(|| recent.pop_front())
                .flatten()
        });
        if let Some(oldest) = oldest {
            self.remove(oldest);
        }
    }

    /// The first block whose last number is not below `value`.
    fn block_of(&self, value: f64) -> usize {
        self.blocks
            .partition_point(|block| block[block.len() - 1] < value)
    }

    fn insert(&mut self, value: f64) {
        self.len += 1;
        if self.blocks.is_empty() {
            self.blocks.push(vec![value]);
            return;
        }
        let at = self.block_of(value).min(self.blocks.len() - 1);
        let block = &mut self.blocks[at];
        let place = block.partition_point(|&member| member < value);
        block.insert(place, value);
        if block.len() > BLOCK {
            let upper = block.split_off(BLOCK / 2);
            self.blocks.insert(at + 1, upper);
        }
    }

    fn remove(&mut self, value: f64) {
        let at = self.block_of(value);
        let block = &mut self.blocks[at];
        let place = block.partition_point(|&member| member < value);
        block.remove(place);
        self.len -= 1;
        if block.is_empty() {
            self.blocks.remove(at);
        }
    }

    /// Quantiles at rising levels, as [`crate::quantiles::linear`] gives them, to a visitor: `(index of the level, quantile)`.
    ///
    /// # Panics
    /// On an empty sample.
    pub(super) fn quantiles(&self, levels: &[f64], mut visit: impl FnMut(usize, f64)) {
        assert!(self.len > 0, "a quantile needs a value");
        // the block that holds the current rank, and the rank of its first number
        let (mut block, mut before) = (0, 0);
        for (index, &level) in levels.iter().enumerate() {
            let position = level * (self.len - 1) as f64;
            let rank = position.floor() as usize;
            while rank - before >= self.blocks[block].len() {
                before += self.blocks[block].len();
                block += 1;
            }
            let here = &self.blocks[block];
            let low = here[rank - before];
            let high = match here.get(rank - before + 1) {
                Some(&next) => next,
                None => self.blocks.get(block + 1).map_or(low, |next| next[0]),
            };
            let share = position - rank as f64;
            visit(
                index,
                if share < 0.5 {
                    low + (high - low) * share
                } else {
                    high - (high - low) * (1.0 - share)
                },
            );
        }
    }

    /// The median.
    pub(super) fn median(&self) -> f64 {
        let mut median = 0.0;
        self.quantiles(&[0.5], |_, value| median = value);
        median
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quantiles;

    proptest! {
        #[test]
        fn it_agrees_with_sorting(values in prop::collection::vec(-5i32..5000, 1..3000), window in prop::option::of(1usize..900)) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let mut sample = Sample::new(window);
            values.iter().for_each(|&value| sample.push(value));
            let kept = window.unwrap_or(values.len()).min(values.len());
            let mut sorted = values[values.len() - kept..].to_vec();
            quantiles::sort(&mut sorted);
            prop_assert_eq!(sample.len(), kept);
            let levels = [0.0, 0.05, 0.31, 0.5, 0.95, 1.0];
            let mut found = [f64::NAN; 6];
            sample.quantiles(&levels, |index, value| found[index] = value);
            for (found, level) in found.into_iter().zip(levels) {
                prop_assert_eq!(found, quantiles::linear(&sorted, level));
            }
            prop_assert_eq!(sample.median(), quantiles::linear(&sorted, 0.5));
        }
    }
}
