//! Near names for a mistyped one.
//!
//! In come the typed word and the names that exist; out goes the nearest, if any is near enough to be meant.

use senti::Error;

/// Adds "did you mean" where a name is near, the list of names otherwise.
pub fn hint<'a>(error: Error, typed: &str, names: impl IntoIterator<Item = &'a str>) -> Error {
    let names: Vec<&str> = names.into_iter().collect();
    match nearest(typed, names.iter().copied()) {
        Some(name) => error.hint(format!("did you mean `{name}`?")),
        None if names.len() <= 8 => error.hint(format!("there are: {}", names.join(", "))),
        None => error.hint("`senti-ai train --help` lists them all"),
    }
}

/// The nearest name, if it is near. Dashes and capitals make no difference.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let fold = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let typed = fold(typed);
    let scored = names.map(|name| {
        let other = fold(name);
        // A word that was cut short (`--horizon`) is as near as one with a slip.
        let inside = typed.len() > 3 && (other.contains(&typed) || typed.contains(&other));
        let near = strsim::jaro_winkler(&typed, &other);
        (name, if inside { near.max(0.9) } else { near })
    });
    scored
        .filter(|(_, near)| *near > 0.8)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(typed: &str, wanted: Option<&str>) {
        let names = ["epochs", "forecast_horizon", "batch_size", "data_path"];
        assert_eq!(nearest(typed, names.into_iter()), wanted, "{typed}");
    }

    #[test]
    fn slips_and_halves_are_near_and_strangers_are_not() {
        check("epoch", Some("epochs"));
        check("epcohs", Some("epochs"));
        check("horizon", Some("forecast_horizon"));
        check("Batch-Size", Some("batch_size"));
        check("frequency", None);
        check("x", None);
    }
}
