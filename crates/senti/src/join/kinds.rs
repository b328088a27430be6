//! Kinds of series that people join, and when their values are usually known: a table, a row each.
//!
//! In come the names of a file and a column; out goes the [`Kind`], if it is one of the table. Lags count from the date that a row carries,
//! which for a month, a quarter or a year is the first of it, as FRED has it. Each is long enough for the usual calendar of its
//! publisher; for a late release give the dates themselves with `known=COLUMN`.

/// A row of [`KINDS`].
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Name, as in reports.
    pub name: &'static str,
    /// What it is, and whose calendar the lag follows.
    pub help: &'static str,
    /// Words of a name that tell it, in small letters; one that ends with `*` is a beginning.
    pub words: &'static [&'static str],
    /// Zone of its dates.
    pub zone: &'static str,
    /// From its date to its publication, on the clock of the zone.
    pub lag: &'static str,
}

const NEW_YORK: &str = "America/New_York";

macro_rules! kinds {
    ($($name:literal $zone:expr, $lag:literal, $words:expr, $help:literal;)*) => {
        &[$(Kind {
            name: $name,
            help: $help,
            words: $words,
            zone: $zone,
            lag: $lag,
        }),*]
    };
}

/// Every kind. The first that fits counts: moods come before the markets that they are about.
pub const KINDS: &[Kind] = kinds! {
    "cnn_fear_greed" NEW_YORK, "1d", &["cnn"], "CNN's Fear & Greed index: the value of a day is that of its end";
    "fear_greed" "UTC", "1h", &["fear", "greed", "fng", "feargreed"], "the crypto Fear & Greed index: published at the beginning of its day (alternative.me, 00:00 UTC)";
    "sentiment" "UTC", "day_end", &["sentiment", "mood", "news", "posts", "tone"], "sentiment of news or posts: a day is known at its end";
    "volatility_index" NEW_YORK, "16h15m", &["vix", "vixcls", "vvix", "vxn"], "VIX and its like: the session closes at 16:15 New York";
    "us_stocks" NEW_YORK, "16h15m", &["nasdaq", "ixic", "ndx", "spx", "sp500", "gspc", "dow", "dji", "djia", "russell", "rut", "qqq", "spy"], "stocks and their indices in New York: the session closes at 16:00, the index is final a quarter of an hour later";
    "dollar_index" NEW_YORK, "1d", &["dxy", "usdx"], "ICE's dollar index: known at the end of its day in New York";
    "broad_dollar" NEW_YORK, "7d16h15m", &["dtwexbgs", "twexb*"], "the Federal Reserve's dollar indices (H.10): a week is published on the next Monday, 16:15";
    "treasury_yield" NEW_YORK, "1d", &["dgs*", "dfii*", "treasury", "yield", "t10y2y", "t10y3m", "t10yie"], "yields of Treasury securities: published in the evening of their day";
    "overnight_rate" NEW_YORK, "4d9h", &["dff", "effr", "sofr", "obfr"], "overnight rates: published at 9:00 of the next business day, which is four days off before a long weekend";
    "policy_rate" NEW_YORK, "1mo4d", &["fedfunds"], "the federal funds rate of a month: its mean, known when the month is over";
    "consumer_prices" NEW_YORK, "1mo18d", &["cpi*", "cpilfesl", "inflation"], "consumer prices of a month: released by the Bureau of Labor Statistics from the 10th to the 18th of the next one";
    "consumer_spending" NEW_YORK, "2mo5d", &["pce", "pcepi*", "pcec*", "personal"], "consumer spending of a month and its prices: released by the Bureau of Economic Analysis at the end of the next one";
    "employment" NEW_YORK, "1mo11d", &["unrate", "payems", "payroll*", "nfp", "unemployment"], "the employment situation of a month: released on the first or second Friday of the next one";
    "jobless_claims" NEW_YORK, "6d", &["icsa", "ccsa", "claims"], "jobless claims of a week, dated its Saturday: released on the Thursday after it (continued ones a week later)";
    "money" NEW_YORK, "2mo", &["m1", "m1sl", "m2", "m2sl", "boggmbase"], "the money stock of a month (H.6): released on the fourth Tuesday of the next one";
    "national_product" NEW_YORK, "4mo1d", &["gdp*"], "gross domestic product of a quarter: its first estimate comes at the end of the month after it";
};

/// The kind of a column, by its own name or else by that of its file.
pub fn find(file: &str, column: &str) -> Option<&'static Kind> {
    let by = |name: &str| {
        let words = words(name);
        KINDS.iter().find(|kind| {
            let fits = |word: &String, wanted: &str| match wanted.strip_suffix('*') {
                Some(start) => word.starts_with(start),
                None => word == wanted,
            };
            let told = |wanted: &&str| words.iter().any(|word| fits(word, wanted));
            kind.words.iter().any(told)
        })
    };
    by(column).or_else(|| by(file))
}

/// The words of a name: cut where a sign stands, or a capital behind a small letter; and all of it as one word, for `FedFunds`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for letter in name.chars() {
        let cut = !letter.is_alphanumeric() || (letter.is_uppercase() && was_small);
        if cut {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        was_small = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words.push(words.concat());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, column: &str, wanted: Option<&str>) {
        assert_eq!(
            find(file, column).map(|kind| kind.name),
            wanted,
            "{file} {column}"
        );
    }

    #[test]
    fn names_tell_kinds_and_a_column_wins_over_its_file() {
        check("nasdaq_composite_daily", "close", Some("us_stocks"));
        check("crypto_fear_greed_daily", "value", Some("fear_greed"));
        check("cnn_fear_greed_daily", "value", Some("cnn_fear_greed"));
        check("CPIAUCSL", "CPIAUCSL", Some("consumer_prices"));
        check("macro", "DGS10", Some("treasury_yield"));
        check("macro", "FedFunds", Some("policy_rate"));
        check("table", "NASDAQ_sentiment_score", Some("sentiment"));
        check("table", "NASDAQ_Close", Some("us_stocks"));
        check("eth", "close", None);
        check("recipient", "mint", None);
    }

    #[test]
    fn every_row_can_be_used() {
        for kind in KINDS {
            super::super::rule::zone(kind.zone).unwrap_or_else(|error| panic!("{error}"));
            let lag = super::super::rule::Lag::parse(kind.lag).unwrap();
            assert_eq!(lag.to_string(), kind.lag, "{}", kind.name);
        }
    }
}
