//! Words and numbers of a page, and tables of them.
//!
//! In come texts as users wrote them and numbers that may not exist; out goes HTML. Whatever is not a number is written as a dash.

use std::fmt::Write;

use senti::metrics::Unit;

use crate::plots::axis::grouped;
use crate::plots::escape;

/// Where there is no number.
pub(super) const NOTHING: &str = "–";

/// A number that exists, in this form.
pub(super) fn or_dash(value: Option<f64>, form: impl Fn(f64) -> String) -> String {
    value
        .filter(|value| value.is_finite())
        .map_or(NOTHING.into(), form)
}

/// A price with six digits that count and cents at most: `67,123.46`, `0.000123456`.
pub(super) fn money(value: f64) -> String {
    or_dash(Some(value), |value| {
        let size = value.abs();
        let decimals = match size {
            _ if size >= 100.0 || size == 0.0 => 2,
            _ if size >= 1.0 => 4,
            _ => (5.0 - size.log10().floor()).min(18.0) as usize,
        };
        grouped(value, decimals)
    })
}

/// A share as percent with one decimal.
pub(super) fn percent(share: f64) -> String {
    or_dash(Some(share), |share| {
        format!("{} %", grouped(100.0 * share, 1))
    })
}

/// A share as percent with one decimal and its sign.
pub(super) fn signed_percent(share: f64) -> String {
    or_dash(Some(share), |share| {
        let text = percent(share);
        let zero = !text.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
        if share > 0.0 && !zero {
            format!("+{text}")
        } else {
            text
        }
    })
}

/// A p value with three decimals.
pub(super) fn p_value(p: f64) -> String {
    or_dash(Some(p), |p| {
        if p < 0.0005 {
            "< 0.001".into()
        } else {
            grouped(p, 3)
        }
    })
}

/// A number with three decimals.
pub(super) fn ratio(value: f64) -> String {
    or_dash(Some(value), |value| grouped(value, 3))
}

/// With a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// With a capital letter and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let mut out = capital(text);
    if !out.is_empty() && !out.ends_with(['.', '!', '?', ':']) {
        out.push('.');
    }
    out
}

/// A metric's number with its unit.
pub(super) fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => percent(value),
        Unit::Percent => or_dash(Some(value), |value| format!("{} %", grouped(value, 2))),
        Unit::Ratio => ratio(value),
        Unit::Count => or_dash(Some(value), |value| grouped(value, 0)),
        Unit::Price | Unit::PriceSquared => money(value),
    }
}

/// The beginning of a table up to its first head; it scrolls by itself where it is wider than the page, by key, too.
pub(super) fn table_head(caption: &str) -> String {
    let caption = escape(caption);
    format!(
        "<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\"><table><caption><span>{caption}</span></caption>\n<thead><tr>"
    )
}

/// A table of texts that are not escaped yet; the first cell of a row is its heading.
pub(super) fn table(caption: &str, head: &[String], rows: &[Vec<String>]) -> String {
    let mut out = table_head(caption);
    for text in head {
        let _ = write!(out, "<th scope=\"col\">{}</th>", escape(text));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in rows {
        out.push_str("<tr>");
        for (index, text) in row.iter().enumerate() {
            let _ = match index {
                0 => write!(out, "<th scope=\"row\">{}</th>", escape(text)),
                _ => write!(out, "<td>{}</td>", escape(text)),
            };
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected by hand.
    #[test]
    fn numbers_as_people_write_them() {
        assert_eq!(money(67_123.456), "67,123.46");
        assert_eq!(money(0.000_123_456), "0.000123456");
        assert_eq!(percent(0.943), "94.3 %");
        assert_eq!(signed_percent(0.0174), "+1.7 %");
        assert_eq!(signed_percent(-0.0174), "−1.7 %");
        assert_eq!(signed_percent(0.0001), "0.0 %");
        assert_eq!(p_value(0.0123), "0.012");
        assert_eq!(p_value(1e-9), "< 0.001");
    }

    #[test]
    fn sentences_begin_and_end() {
        assert_eq!(sentence("the model won"), "The model won.");
        assert_eq!(sentence("Was it luck?"), "Was it luck?");
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for told in [money, percent, signed_percent, p_value, ratio] {
                assert_eq!(told(value), NOTHING);
            }
            for unit in [
                Unit::Price,
                Unit::Percent,
                Unit::Share,
                Unit::Count,
                Unit::Ratio,
            ] {
                assert_eq!(figure(value, unit), NOTHING);
            }
            assert_eq!(or_dash(Some(value), |value| value.to_string()), NOTHING);
        }
        assert_eq!(or_dash(None, |value| value.to_string()), NOTHING);
    }
}
