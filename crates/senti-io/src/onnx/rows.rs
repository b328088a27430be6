//! The table in the graph: raw rows become rows on every open slot of the calendar, as `senti/src/table/rows.rs` makes them.
//!
//! In comes the window (batch, N, 1 + C); out go time and columns (batch, N, 1) without gaps, times ahead, and whether the window can be
//! used at all. Blanks are filled as there: a blank open, high or low is the close, volume and series carry on. A row has a position: how many open slots lie before it. Of every position up to that of the last row the newest row at
//! or before it is taken; where that is an earlier one, the candle is flat, without volume.

use std::collections::HashMap;

use senti::calendar::Calendar;
use senti::features::Source;
use senti::table::{Role, Time};
use senti::{Error, Result};

use super::graph::{Graph, Value};
use super::proto::Kind;
use super::{Described, Told};

/// Milliseconds of a week.
const WEEK: i64 = 7 * 86_400_000;

/// The open slots of a week as tables, which a graph can look up.
#[derive(Clone, Debug)]
pub struct Week {
    step: i64,
    phase: i64,
    /// Is each slot of the week open? Empty where every slot is.
    open: Vec<bool>,
    /// Open slots before each slot of the week.
    before: Vec<i64>,
    /// The open slots of the week.
    slots: Vec<i64>,
}

impl Week {
    /// Of a calendar with this step, which an artifact may have altered.
    pub fn new(calendar: &Calendar, step: i64) -> Result<Self> {
        let refuse = |what: &str| Err(Error::data(format!("the artifact's calendar {what}")));
        if calendar.step() != step {
            return refuse("has another step than its rows");
        }
        let mut week = Self {
            step,
            phase: calendar.phase(),
            open: Vec::new(),
            before: Vec::new(),
            slots: Vec::new(),
        };
        if calendar.is_continuous() {
            return Ok(week);
        }
        week.open = vec![false; usize::try_from(WEEK / step).unwrap_or(0)];
        for run in calendar.open() {
            match week.open.get_mut(run.start as usize..run.end as usize) {
                Some(slots) => slots.fill(true),
                None => return refuse("has slots beyond the week"),
            }
        }
        for (slot, open) in week.open.iter().enumerate() {
            week.before.push(week.slots.len() as i64);
            if *open {
                week.slots.push(slot as i64);
            }
        }
        match week.slots.is_empty() {
            true => refuse("has no open slot"),
            false => Ok(week),
        }
    }

    /// Milliseconds from one slot to the next.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Time of any slot modulo the step.
    pub fn phase(&self) -> i64 {
        self.phase
    }

    /// Open slots from slot 0 up to the slot of this time.
    pub fn position(&self, time: Time) -> i64 {
        let slot = (time - self.phase).div_euclid(self.step);
        if self.open.is_empty() {
            return slot;
        }
        let week = self.open.len() as i64;
        slot.div_euclid(week) * self.slots.len() as i64
            + self.before[slot.rem_euclid(week) as usize]
    }

    /// Time of the slot at this position.
    pub fn time(&self, position: i64) -> Time {
        let slot = match self.slots.len() as i64 {
            0 => position,
            open => {
                position.div_euclid(open) * self.open.len() as i64
                    + self.slots[position.rem_euclid(open) as usize]
            }
        };
        self.phase + slot * self.step
    }
}

fn wide(numbers: &[i64]) -> Vec<f64> {
    numbers.iter().map(|&number| number as f64).collect()
}

/// Whole numbers: quotient rounded down, and remainder, of a value by a positive number.
pub fn divide(g: &mut Graph, label: &str, value: &Value, by: i64) -> (Value, Value) {
    let by = by as f64;
    let quotient = g.with("Div", &format!("{label}_exact"), value, by);
    let quotient = g.of("Floor", label, &quotient);
    let back = g.with("Mul", &format!("{label}_begin"), &quotient, by);
    let rest = g.both("Sub", &format!("{label}_rest"), value, &back);
    (quotient, rest)
}

/// The row of a table (K) at each whole number of double precision, wherever it stands.
pub fn look_up(g: &mut Graph, label: &str, table: &[f64], at: &Value) -> Value {
    let table = g.doubles(&format!("{label}_table"), &[table.len()], table);
    let at = g.cast(&format!("{label}_at"), at, Kind::Whole);
    g.gather(label, &table, 0, &at)
}

/// Rows of a window without gaps.
pub struct Rows {
    /// Rows (N).
    pub n: usize,
    /// Past steps of a window (T).
    pub past: usize,
    /// Steps ahead (H).
    pub horizon: usize,
    week: Week,
    columns: Vec<(String, Role)>,
    window: Value,
    /// Raw row behind each position: (batch, N, 1).
    source: Value,
    /// Is the position without a row of its own? (batch, N, 1)
    filled: Value,
    /// Times of all positions and of those ahead: (batch, N + H, 1).
    times: Value,
    made: HashMap<usize, Value>,
    last_close: Option<Value>,
    /// Conditions that all rows must meet: (batch, any, 1).
    sound: Vec<Value>,
}

impl Rows {
    /// Puts raw rows in their places.
    pub fn new(g: &mut Graph, described: &Described, window: &Value) -> Self {
        let (n, horizon) = (described.rows, described.horizon);
        let week = described.week.clone();
        let time = g.slice("raw_time", window, 2, 0, 1);
        let (phase, step) = (week.phase as f64, week.step as f64);
        let since = g.with("Sub", "since_phase", &time, phase);
        let (slot, late) = divide(g, "slot", &since, week.step);
        let mut sound = vec![g.compare_with("Equal", "is_on_the_grid", &late, 0.0)];
        let position = match week.open.len() as i64 {
            0 => slot,
            slots => {
                let (whole, rest) = divide(g, "week", &slot, slots);
                let open: Vec<f64> = week.open.iter().map(|&o| f64::from(u8::from(o))).collect();
                let open = look_up(g, "open", &open, &rest);
                sound.push(g.compare_with("Equal", "is_open", &open, 1.0));
                let before = look_up(g, "before", &wide(&week.before), &rest);
                let weeks = g.with("Mul", "before_the_week", &whole, week.slots.len() as f64);
                g.both("Add", "position", &weeks, &before)
            }
        };
        let earlier = g.slice("earlier", &position, 1, 0, n - 1);
        let later = g.slice("later", &position, 1, 1, n);
        let rise = g.both("Sub", "rise", &later, &earlier);
        sound.push(g.compare_with("GreaterOrEqual", "rises", &rise, 1.0));
        let longest = 1.0 + described.max_fill as f64;
        sound.push(g.compare_with("LessOrEqual", "has_no_long_gap", &rise, longest));

        // place of each row: N - 1 is the last; what lies before the first place is counted there
        let last = g.slice("last_position", &position, 1, n - 1, n);
        let ago = g.both("Sub", "since_last", &position, &last);
        let place = g.with("Add", "place_of_row", &ago, (n - 1) as f64);
        let place = g.clip("place_within", &place, 0.0, (n - 1) as f64);
        let place = g.cast("place", &place, Kind::Whole);
        let none = g.both("Sub", "none", &place, &place);
        let one = g.whole(1);
        let ones = g.both("Add", "one_each", &none, &one);
        let counts = g.scatter_add("rows_at_place", &none, 1, &place, &ones);
        let up_to = g.running_sum("rows_up_to_place", &counts, 1, false);
        let source = g.both("Sub", "source", &up_to, &one);

        let places: Vec<f64> = (0..n + horizon)
            .map(|row| row as f64 - (n - 1) as f64)
            .collect();
        let places = g.doubles("places", &[n + horizon, 1], &places);
        let positions = g.both("Add", "positions", &last, &places);
        let of_row = g.gather_elements("position_of_source", &position, 1, &source);
        let past = g.slice("past_positions", &positions, 1, 0, n);
        let filled = g.compare("Less", "is_filled", &of_row, &past);
        let slots = match week.slots.len() as i64 {
            0 => positions,
            open => {
                let (whole, rest) = divide(g, "week_at", &positions, open);
                let slot = look_up(g, "slot_of", &wide(&week.slots), &rest);
                let weeks = g.with("Mul", "weeks_before", &whole, week.open.len() as f64);
                g.both("Add", "slots", &weeks, &slot)
            }
        };
        let times = g.with("Mul", "steps", &slots, step);
        let times = g.with("Add", "times", &times, phase);
        let columns = described.columns.iter();
        Self {
            n,
            past: described.past,
            horizon,
            week,
            columns: columns.map(|c| (c.name.clone(), c.role)).collect(),
            window: window.clone(),
            source,
            filled,
            times,
            made: HashMap::new(),
            last_close: None,
            sound,
        }
    }

    /// The calendar.
    pub fn week(&self) -> &Week {
        &self.week
    }

    /// Is there a column with this role?
    pub fn has(&self, role: Role) -> bool {
        self.columns.iter().any(|(_, other)| *other == role)
    }

    /// The column with this role: (batch, N, 1).
    pub fn role(&mut self, g: &mut Graph, role: Role) -> Result<Value> {
        self.column(g, &Source::Role(role))
    }

    /// A column without gaps: (batch, N, 1). What `senti-ai predict` would refuse is remembered.
    pub fn column(&mut self, g: &mut Graph, source: &Source) -> Result<Value> {
        let found = self.columns.iter().position(|(name, role)| match source {
            Source::Role(wanted) => role == wanted,
            Source::Name(wanted) => name == wanted,
        });
        let at = found.ok_or_else(|| {
            Error::data("the artifact has a feature of a column that it does not record")
        })?;
        if let Some(made) = self.made.get(&at) {
            return Ok(made.clone());
        }
        let (name, role) = self.columns[at].clone();
        let close = match role {
            Role::Open | Role::High | Role::Low => Some(self.role(g, Role::Close)?),
            _ => None,
        };
        // names of constants begin where the root is, so that a column is called the same whoever asks first
        let made = g.at_root(|g| {
            g.within("rows", |g| {
                g.within(&name, |g| self.fill(g, at, role, close))
            })
        });
        self.made.insert(at, made.clone());
        Ok(made)
    }

    fn fill(&mut self, g: &mut Graph, at: usize, role: Role, close: Option<Value>) -> Value {
        let raw = g.slice("raw", &self.window, 2, at + 1, at + 2);
        let known = match role {
            Role::Close => raw,
            Role::Open | Role::High | Role::Low => {
                let at = self.columns.iter().position(|c| c.1 == Role::Close);
                let at = at.unwrap_or_default();
                let close = g.slice("raw_close", &self.window, 2, at + 1, at + 2);
                let is_known = g.compare("Equal", "is_a_number", &raw, &raw);
                g.choose("raw_or_close", &is_known, &raw, &close)
            }
            Role::Volume | Role::Series => self.carried(g, &raw),
        };
        // what lies further back reaches no window: a column may have started late
        let needed = match role {
            Role::Series => self.past + 1,
            Role::Volume => self.past + 30,
            _ => self.n,
        };
        let judged = match needed < self.n {
            true => g.slice("needed", &known, 1, self.n - needed, self.n),
            false => known.clone(),
        };
        // an infinite number and none at all are not equal to nothing when they are taken from themselves
        let nothing = g.both("Sub", "nothing", &judged, &judged);
        self.sound
            .push(g.compare_with("Equal", "is_known", &nothing, 0.0));
        match role {
            Role::Series => {}
            Role::Volume => {
                self.sound
                    .push(g.compare_with("GreaterOrEqual", "is_not_negative", &judged, 0.0))
            }
            _ => self
                .sound
                .push(g.compare_with("Greater", "is_positive", &judged, 0.0)),
        }
        let newest = g.gather_elements("newest", &known, 1, &self.source);
        match (role, close) {
            (Role::Volume, _) => {
                let none = g.number(0.0);
                g.choose("filled", &self.filled, &none, &newest)
            }
            (_, Some(close)) => g.choose("filled", &self.filled, &close, &newest),
            _ => newest,
        }
    }

    /// Raw values with the last known one in place of a blank; blank where there is none yet.
    fn carried(&self, g: &mut Graph, raw: &Value) -> Value {
        let known = g.compare("Equal", "is_a_number", raw, raw);
        let known = g.cast("known", &known, Kind::Whole);
        let count = g.running_sum("known_so_far", &known, 1, false);
        // the row of the first known value, of the second, …
        let numbers: Vec<i64> = (0..self.n as i64).collect();
        let numbers = g.wholes("row_numbers", &[self.n, 1], &numbers);
        let marked = g.both("Mul", "rows_of_known", &known, &numbers);
        let (none, one) = (g.whole(0), g.whole(1));
        let place = g.both("Sub", "place_in_list", &count, &one);
        let place = g.both("Max", "place", &place, &none);
        let empty = g.both("Sub", "empty_list", &known, &known);
        let list = g.scatter_add("list", &empty, 1, &place, &marked);
        let source = g.gather_elements("row_of_last_known", &list, 1, &place);
        let carried = g.gather_elements("last_known", raw, 1, &source);
        let begun = g.compare("Greater", "has_begun", &count, &none);
        let blank = g.number(f64::NAN);
        g.choose("carried", &begun, &carried, &blank)
    }

    /// Opening time of every row: (batch, N, 1).
    pub fn times(&self, g: &mut Graph) -> Value {
        g.slice("times_of_rows", &self.times, 1, 0, self.n)
    }

    /// Opening time of every candle ahead: (batch, H, 1).
    pub fn times_ahead(&self, g: &mut Graph) -> Value {
        let (start, end) = (self.n, self.n + self.horizon);
        g.slice("times_of_steps", &self.times, 1, start, end)
    }

    /// The last close: (batch, 1, 1).
    pub fn last_close(&mut self, g: &mut Graph) -> Result<Value> {
        if let Some(made) = &self.last_close {
            return Ok(made.clone());
        }
        let close = self.role(g, Role::Close)?;
        let made = g.at_root(|g| self.last(g, "rows/last_close", &close, 1, 0));
        self.last_close = Some(made.clone());
        Ok(made)
    }

    /// `rows` rows of a column, those that end `before` rows before its end.
    pub fn last(
        &self,
        g: &mut Graph,
        label: &str,
        column: &Value,
        rows: usize,
        before: usize,
    ) -> Value {
        let end = self.n - before;
        g.slice(label, column, 1, end - rows, end)
    }

    /// NaN in place of prices where a condition is not met.
    pub fn hide_unsound(&self, g: &mut Graph, told: Told) -> Told {
        g.within("soundness", |g| {
            let each = self.sound.iter().map(|condition| {
                let truths = g.cast("truths", condition, Kind::Double);
                g.reduce("ReduceMin", "all_rows", &truths, 1)
            });
            let each: Vec<Value> = each.collect();
            let each = g.concat("conditions", &each.iter().collect::<Vec<_>>(), 1);
            let all = g.reduce("ReduceMin", "all_conditions", &each, 1);
            let all = g.unsqueeze("all", &all, 1);
            let sound = g.compare_with("Greater", "is_sound", &all, 0.5);
            let unknown = g.number(f64::NAN);
            let point = g.choose("point", &sound, &told.point, &unknown);
            let sound = g.unsqueeze("is_sound_by_step", &sound, 2);
            Told {
                quantiles: g.choose("quantiles", &sound, &told.quantiles, &unknown),
                point,
            }
        })
    }
}
