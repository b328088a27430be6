//! Windows: views of the past that a model may see, and of the future that only training and scoring may see.
//!
//! In come a feature matrix, the closes and the segments of a table; out go [`Window`]s. Nothing is copied: a window is two
//! references and a row number, so memory does not grow with the sequence length. Looking ahead has no word on [`Window`]; only
//! [`Windows`], which is made for training and scoring, hands out [`Labelled`] windows.

use std::ops::Range;

use crate::calendar::Calendar;
use crate::features::Inputs;
use crate::matrix::Matrix;
use crate::table::{Role, Table, Time};

/// What windows look at: features and closes of one table, and the shape of a window.
#[derive(Clone, Copy)]
pub struct View<'a> {
    matrix: &'a Matrix,
    candles: Inputs<'a>,
    segments: &'a [Range<usize>],
    calendar: &'a Calendar,
    /// Past rows of a window (T).
    steps: usize,
}

impl<'a> View<'a> {
    fn new(table: &'a Table, matrix: &'a Matrix, steps: usize) -> Self {
        let prices = |role| {
            table
                .role(role)
                .map_or(&[][..], |column| &column.values[..])
        };
        Self {
            matrix,
            candles: Inputs {
                time: table.time(),
                open: prices(Role::Open),
                high: prices(Role::High),
                low: prices(Role::Low),
                close: table.close(),
                volume: prices(Role::Volume),
            },
            segments: table.segments(),
            calendar: table.calendar(),
            steps,
        }
    }
}

/// These rows of candles.
fn cut<'a>(candles: &Inputs<'a>, rows: Range<usize>) -> Inputs<'a> {
    let part = |values: &'a [f64]| {
        if values.is_empty() {
            values
        } else {
            &values[rows.clone()]
        }
    };
    Inputs {
        time: &candles.time[rows.clone()],
        open: part(candles.open),
        high: part(candles.high),
        low: part(candles.low),
        close: part(candles.close),
        volume: part(candles.volume),
    }
}

/// The past of one origin. The origin is the last row that may be seen.
#[derive(Clone, Copy)]
pub struct Window<'a> {
    view: View<'a>,
    origin: usize,
    /// Row of the matrix at which the past ends: the origin, but for a window that never was.
    end: usize,
    /// Row at which the candles end: the origin, but for a window that never was.
    candles_end: usize,
}

impl<'a> Window<'a> {
    fn at(view: View<'a>, origin: usize) -> Self {
        Self {
            view,
            origin,
            end: origin,
            candles_end: origin,
        }
    }

    /// Feature rows up to and including the origin: T rows, oldest first.
    pub fn past(&self) -> impl ExactSizeIterator<Item = &'a [f64]> + use<'a> {
        let matrix = self.view.matrix;
        (self.end + 1 - self.view.steps..self.end + 1).map(move |row| matrix.row(row))
    }

    /// The same origin, closes and times with another past: the rows of `matrix` up to and including row `end`. This asks a model what
    /// it would make of a window that never was.
    #[must_use]
    pub fn with_past<'b>(&self, matrix: &'b Matrix, end: usize) -> Window<'b>
    where
        'a: 'b,
    {
        Window {
            view: View {
                matrix,
                ..self.view
            },
            origin: self.origin,
            end,
            candles_end: self.candles_end,
        }
    }

    /// The same origin, last close and past with the recent candles of another window, earlier or later: another volatility. This asks
    /// a model what it would make of a window that never was.
    #[must_use]
    pub fn with_candles_of(&self, other: &Self) -> Self {
        Self {
            candles_end: other.candles_end,
            ..*self
        }
    }

    /// Closes up to and including the origin.
    pub fn history(&self) -> &'a [f64] {
        &self.view.candles.close[..=self.origin]
    }

    /// The last candles up to and including the origin, at most `rows` of them and none from before a long gap.
    pub fn recent(&self, rows: usize) -> Inputs<'a> {
        let segments = self.view.segments;
        let place = segments.partition_point(|segment| segment.end <= self.candles_end);
        let start = segments.get(place).map_or(0, |segment| segment.start);
        let end = self.candles_end + 1;
        cut(&self.view.candles, start.max(end.saturating_sub(rows))..end)
    }

    /// The calendar of the candles: tells the times ahead.
    pub fn calendar(&self) -> &'a Calendar {
        self.view.calendar
    }

    /// The last known close.
    pub fn last_close(&self) -> f64 {
        self.view.candles.close[self.origin]
    }

    /// Opening time of the last known candle.
    pub fn time(&self) -> Time {
        self.view.candles.time[self.origin]
    }

    /// Row of the origin.
    pub fn origin(&self) -> usize {
        self.origin
    }
}

/// A window with the closes that came after it.
#[derive(Clone, Copy)]
pub struct Labelled<'a> {
    window: Window<'a>,
    horizon: usize,
}

impl<'a> Labelled<'a> {
    /// What a model may see of it.
    pub fn window(&self) -> Window<'a> {
        self.window
    }

    /// Closes that came true: (H).
    pub fn future(&self) -> &'a [f64] {
        &self.window.view.candles.close[self.window.origin + 1..][..self.horizon]
    }

    /// Opening times of those candles: (H).
    pub fn future_times(&self) -> &'a [Time] {
        &self.window.view.candles.time[self.window.origin + 1..][..self.horizon]
    }
}

/// Rows at which a window may end, in order: a few runs, not a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origins {
    runs: Vec<Range<usize>>,
    /// Number of origins before each run.
    before: Vec<usize>,
    len: usize,
}

impl Origins {
    /// From runs of rows in rising order.
    pub fn new(runs: impl IntoIterator<Item = Range<usize>>) -> Self {
        let mut origins = Self::default();
        for run in runs {
            if run.is_empty() {
                continue;
            }
            debug_assert!(
                origins.runs.last().is_none_or(|last| last.end <= run.start),
                "runs rise"
            );
            origins.before.push(origins.len);
            origins.len += run.len();
            origins.runs.push(run);
        }
        origins
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Row of the origin at this position.
    ///
    /// # Panics
    /// When the position is not below [`Origins::len`].
    pub fn row(&self, position: usize) -> usize {
        assert!(
            position < self.len,
            "position {position} of {} origins",
            self.len
        );
        let run = self.before.partition_point(|&before| before <= position) - 1;
        self.runs[run].start + position - self.before[run]
    }

    /// The first row.
    pub fn first(&self) -> Option<usize> {
        self.runs.first().map(|run| run.start)
    }

    /// The last row.
    pub fn last(&self) -> Option<usize> {
        self.runs.last().map(|run| run.end - 1)
    }

    /// The runs of rows.
    pub fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    /// Those with rows in this range.
    #[must_use]
    pub fn within(&self, rows: Range<usize>) -> Self {
        Self::new(self.runs.iter().map(|run| {
            run.start.max(rows.start)..run.end.min(rows.end).max(run.start.max(rows.start))
        }))
    }

    /// Rows that the windows of these origins look at (the past `steps` of each), merged into runs.
    pub fn past_rows(&self, steps: usize) -> Vec<Range<usize>> {
        let mut rows: Vec<Range<usize>> = Vec::new();
        for run in &self.runs {
            let start = run.start + 1 - steps;
            match rows.last_mut() {
                Some(last) if start <= last.end => last.end = run.end,
                _ => rows.push(start..run.end),
            }
        }
        rows
    }
}

/// Runs of at least `steps` rows with complete features, cut at the segments.
fn complete_runs(table: &Table, matrix: &Matrix) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    for segment in table.segments() {
        let mut start = None;
        for row in segment.clone() {
            let complete = matrix.row(row).iter().all(|value| value.is_finite());
            match (complete, start) {
                (true, None) => start = Some(row),
                (false, Some(first)) => {
                    runs.push(first..row);
                    start = None;
                }
                _ => {}
            }
        }
        if let Some(first) = start {
            runs.push(first..segment.end);
        }
    }
    runs
}

/// Windows with their futures, for training and scoring.
#[derive(Clone)]
pub struct Windows<'a> {
    view: View<'a>,
    horizon: usize,
    origins: Origins,
}

impl<'a> Windows<'a> {
    /// Every window of `steps` complete rows with `horizon` closes after it, none across a long gap.
    pub fn new(table: &'a Table, matrix: &'a Matrix, steps: usize, horizon: usize) -> Self {
        let segment_end = |row: usize| {
            let position = table
                .segments()
                .partition_point(|segment| segment.end <= row);
            table.segments()[position].end
        };
        let origins = Origins::new(complete_runs(table, matrix).into_iter().filter_map(|run| {
            let first = run.start + steps - 1;
            // the future must exist in the same segment, though its features need not be complete
            let end = run
                .end
                .min((segment_end(run.start) + 1).saturating_sub(horizon + 1));
            (first < end).then_some(first..end)
        }));
        Self {
            view: View::new(table, matrix, steps),
            horizon,
            origins,
        }
    }

    /// The same windows, of these origins only.
    #[must_use]
    pub fn part(&self, origins: Origins) -> Self {
        Self {
            origins,
            ..self.clone()
        }
    }

    /// Their origins.
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Candles up to and including the last label: all that is known where these windows are.
    pub fn candles(&self) -> Inputs<'a> {
        let end = self.origins.last().map_or(0, |row| row + 1 + self.horizon);
        cut(&self.view.candles, 0..end)
    }

    /// Candles of each run without a long gap up to and including the last label, with the row that each begins at.
    pub fn runs(&self) -> Vec<(usize, Inputs<'a>)> {
        let end = self.candles().close.len();
        let segments = self.view.segments.iter();
        segments
            .map(|segment| segment.start..segment.end.min(end))
            .filter(|rows| rows.start < rows.end)
            .map(|rows| (rows.start, cut(&self.view.candles, rows)))
            .collect()
    }

    /// Their calendar.
    pub fn calendar(&self) -> &'a Calendar {
        self.view.calendar
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.origins.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.origins.is_empty()
    }

    /// Steps ahead (H).
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Past rows of a window (T).
    pub fn steps(&self) -> usize {
        self.view.steps
    }

    /// Features of a row (F).
    pub fn n_features(&self) -> usize {
        self.view.matrix.n_columns()
    }

    /// The window at this position.
    pub fn get(&self, position: usize) -> Labelled<'a> {
        Labelled {
            window: Window::at(self.view, self.origins.row(position)),
            horizon: self.horizon,
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = Labelled<'a>> + '_ {
        let (view, horizon) = (self.view, self.horizon);
        let rows = self.origins.runs().iter().flat_map(Clone::clone);
        rows.map(move |origin| Labelled {
            window: Window::at(view, origin),
            horizon,
        })
    }
}

/// The window that ends at the last row of a table, if its rows are complete.
pub fn last<'a>(table: &'a Table, matrix: &'a Matrix, steps: usize) -> Option<Window<'a>> {
    let end = table.n_rows();
    let run = complete_runs(table, matrix).pop()?;
    let view = View::new(table, matrix, steps);
    (run.end == end && run.len() >= steps).then(|| Window::at(view, end - 1))
}

/// The window that ends at this row, whatever follows it; none where its rows are not complete or not in one segment.
pub fn ending_at<'a>(
    table: &'a Table,
    matrix: &'a Matrix,
    steps: usize,
    row: usize,
) -> Option<Window<'a>> {
    let segments = table.segments();
    let segment = segments.get(segments.partition_point(|segment| segment.end <= row))?;
    let start = (row + 1).checked_sub(steps)?;
    let complete = |row: usize| matrix.row(row).iter().all(|value| value.is_finite());
    (start >= segment.start && (start..=row).all(complete))
        .then(|| Window::at(View::new(table, matrix, steps), row))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a single run is a run")]
mod tests {
    use super::*;

    #[test]
    fn origins_are_found_by_position() {
        let origins = Origins::new([3..5, 5..5, 9..12]);
        let rows: Vec<usize> = (0..origins.len())
            .map(|position| origins.row(position))
            .collect();
        assert_eq!(rows, [3, 4, 9, 10, 11]);
        assert_eq!(origins.within(4..10), Origins::new([4..5, 9..10]));
        assert_eq!(origins.within(6..8), Origins::default());
        assert_eq!((origins.first(), origins.last()), (Some(3), Some(11)));
    }

    #[test]
    fn rows_of_the_past_are_merged() {
        assert_eq!(Origins::new([3..5, 9..12]).past_rows(3), [1..5, 7..12]);
        assert_eq!(Origins::new([3..5, 6..12]).past_rows(3), [1..12]);
    }
}
