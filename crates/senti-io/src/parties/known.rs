//! When a value became known: what a join must ask before it lets a value in.
//!
//! In come the time of a row and the end of its candle; out goes the moment from which on somebody could have known the value. The
//! defaults that the parties state are cautious: a value that enters too late costs a little, one that enters too early is a leak.

use senti::Time;

use super::interval::DAY;

/// How long after its row a value is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// When its candle is over.
    AtClose,
    /// So many milliseconds after the time of the row.
    After(i64),
    /// At the end (UTC) of so many working days after the date of the row; Saturdays and Sundays are none. Holidays are not known here,
    /// so the defaults have a day to spare.
    WorkingDays(u32),
}

impl Known {
    /// The moment from which on the value of the row at `time`, whose candle ends at `close`, is known.
    ///
    /// ```
    /// use senti::calendar::parse_time;
    /// use senti_io::parties::Known;
    /// // The yield of Friday, 2024-03-01, is in the tables of Monday; with a day to spare: at the end of Tuesday.
    /// let friday = parse_time("2024-03-01")?;
    /// assert_eq!(Known::WorkingDays(2).at(friday, friday), parse_time("2024-03-06")?);
    /// # Ok::<(), senti::Error>(())
    /// ```
    pub fn at(self, time: Time, close: Time) -> Time {
        match self {
            Self::AtClose => close,
            Self::After(wait) => time.saturating_add(wait),
            Self::WorkingDays(n) => {
                let mut day = time.div_euclid(DAY);
                for _ in 0..n {
                    day += 1;
                    // 1970-01-01 was a Thursday: day 2 was a Saturday
                    while matches!(day.rem_euclid(7), 2 | 3) {
                        day += 1;
                    }
                }
                (day + 1).saturating_mul(DAY)
            }
        }
    }
}

impl std::fmt::Display for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtClose => f.write_str("when its candle is over"),
            Self::After(wait) if wait % DAY == 0 => write!(f, "{} days after its date", wait / DAY),
            Self::After(wait) => write!(f, "{} hours after its time", wait / (DAY / 24)),
            Self::WorkingDays(n) => write!(f, "at the end of {n} working days after its date"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use senti::calendar::parse_time;

    #[test]
    fn weekends_are_no_working_days() {
        let time = |text| parse_time(text).expect(text);
        for (date, n, wanted) in [
            // Monday to Wednesday's end; Thursday over the weekend; Saturday
            ("2024-03-04", 2, "2024-03-07"),
            ("2024-03-07", 2, "2024-03-12"),
            ("2024-03-02", 1, "2024-03-05"),
            ("2024-03-01", 0, "2024-03-02"),
        ] {
            assert_eq!(
                Known::WorkingDays(n).at(time(date), time(date)),
                time(wanted),
                "{date} {n}"
            );
        }
        let (open, close) = (time("2024-03-01"), time("2024-03-02"));
        assert_eq!(Known::AtClose.at(open, close), close);
        assert_eq!(Known::After(DAY).at(open, close), close);
    }
}
