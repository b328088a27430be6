//! A gathered batch: the inputs of B windows, time-major, and their targets.
//!
//! Made once for the largest batch and refilled; it never allocates afterwards.
//!
//! Inside, the rows lie in blocks, each time-major: a block is the work of one thread. How many rows a block has depends on
//! the number of rows only, never on the number of threads, and so do all sums.

/// The most rows of a block.
pub(crate) const BLOCK_ROWS: usize = 32;

/// Rows of every block but the last, which may have fewer.
pub(crate) fn rows_per_block(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(BLOCK_ROWS).max(1)).max(1)
}

/// Inputs (T, B, F) and targets (B, H) of one batch. Time comes first, so that one step of all rows is contiguous.
///
/// ```
/// let mut batch = senti_engine::Batch::new(32, 30, 16, 5);
/// batch.resize(2); // the last batch of an epoch is shorter
/// batch.input_mut(29, 1).fill(0.5); // step 29 of row 1: 16 features
/// batch.target_mut(1).copy_from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0]);
/// assert_eq!(batch.len(), 2);
/// ```
#[derive(Clone, Debug)]
pub struct Batch {
    inputs: Vec<f32>,
    targets: Vec<f32>,
    max_len: usize,
    len: usize,
    steps: usize,
    features: usize,
    targets_per_row: usize,
}

impl Batch {
    /// A batch of `max_len` rows, all zero.
    pub fn new(max_len: usize, steps: usize, features: usize, targets_per_row: usize) -> Batch {
        Batch {
            inputs: vec![0.0; max_len * steps * features],
            targets: vec![0.0; max_len * targets_per_row],
            max_len,
            len: max_len,
            steps,
            features,
            targets_per_row,
        }
    }

    /// Sets the number of rows. What the rows hold is unspecified until it is written.
    pub fn resize(&mut self, len: usize) {
        assert!(
            len <= self.max_len,
            "a batch of at most {} rows cannot hold {len}",
            self.max_len
        );
        self.len = len;
    }

    /// B, the rows in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most rows it can hold.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// T, the steps of a row.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// F, the features of a step.
    pub fn features(&self) -> usize {
        self.features
    }

    /// H, the targets of a row.
    pub fn targets_per_row(&self) -> usize {
        self.targets_per_row
    }

    /// Where the features of one step of one row lie.
    fn input_range(&self, step: usize, row: usize) -> std::ops::Range<usize> {
        assert!(
            step < self.steps && row < self.len,
            "step {step} of row {row} in a batch of {} rows of {} steps",
            self.len,
            self.steps
        );
        let per_block = rows_per_block(self.len);
        let first = row / per_block * per_block;
        let rows = per_block.min(self.len - first);
        let start = (first * self.steps + step * rows + row - first) * self.features;
        start..start + self.features
    }

    /// The F features of one step of one row.
    pub fn input(&self, step: usize, row: usize) -> &[f32] {
        &self.inputs[self.input_range(step, row)]
    }

    /// The F features of one step of one row, to be written.
    pub fn input_mut(&mut self, step: usize, row: usize) -> &mut [f32] {
        let range = self.input_range(step, row);
        &mut self.inputs[range]
    }

    /// The inputs of the block that begins with row `first` (T, rows, F).
    pub(crate) fn block(&self, first: usize) -> &[f32] {
        let rows = rows_per_block(self.len).min(self.len - first);
        &self.inputs[first * self.steps * self.features..][..rows * self.steps * self.features]
    }

    /// The H targets of one row.
    pub fn target(&self, row: usize) -> &[f32] {
        &self.targets()[row * self.targets_per_row..][..self.targets_per_row]
    }

    /// The H targets of one row, to be written.
    pub fn target_mut(&mut self, row: usize) -> &mut [f32] {
        assert!(row < self.len, "row {row} in a batch of {} rows", self.len);
        &mut self.targets[row * self.targets_per_row..][..self.targets_per_row]
    }

    /// All targets (B, H).
    pub fn targets(&self) -> &[f32] {
        &self.targets[..self.len * self.targets_per_row]
    }
}
