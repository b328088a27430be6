//! Which column means what, inferred from its name.
//!
//! In come the names of the numeric columns, perhaps a target and roles that were given; out comes one role a column. Names fall
//! into groups by what is left beside the word that names a role: `BTC_Close` and `BTC_High` are of group `btc`, `Open` and `Close`
//! of the empty one. One group is the target's, everything else is a series.

use super::{Dropped, Role};
use crate::error::{Error, Result};

/// Roles inferred for a list of names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assignment {
    /// One entry a name; `None` for columns to leave out.
    pub roles: Vec<Option<Role>>,
    /// The columns left out, and why.
    pub dropped: Vec<Dropped>,
    /// What had to be guessed.
    pub warnings: Vec<String>,
}

/// Words that name a role, in the languages that publishers' files come in.
const WORDS: &[(Role, &[&str])] = &[
    (
        Role::Open,
        &[
            "open",
            "opening",
            "o",
            "eröffn",
            "eröffnung",
            "eröffnungskurs",
            "erster",
            "ouv",
            "ouverture",
            "apertura",
            "abertura",
        ],
    ),
    (
        Role::High,
        &[
            "high", "highest", "h", "max", "hoch", "hochkurs", "haut", "máximo", "maximo",
            "massimo", "máxima",
        ],
    ),
    (
        Role::Low,
        &[
            "low", "lowest", "l", "min", "tief", "tiefkurs", "bas", "mínimo", "minimo", "mínima",
        ],
    ),
    (
        Role::Close,
        &[
            "close",
            "closing",
            "c",
            "last",
            "price",
            "settle",
            "zuletzt",
            "schluss",
            "schlusskurs",
            "kurs",
            "dernier",
            "clôture",
            "cierre",
            "último",
            "ultimo",
            "chiusura",
            "cours",
        ],
    ),
    (
        Role::Volume,
        &[
            "volume",
            "vol",
            "v",
            "volumen",
            "volumefrom",
            "volumeto",
            "umsatz",
            "volumi",
            "tickvol",
            "turnover",
        ],
    ),
];

/// Words that change nothing about what a column means.
const NEUTRAL: &[&str] = &[
    "price", "prices", "value", "trade", "trading", "traded", "total", "usd", "in", "of", "the",
    "24h", "day", "daily", "px", "rate", "plus", "1", "2", "3", "4", "5", "1a", "2a", "3a", "4a",
    "1b", "2b", "3b", "4b", "last", "base", "asset", "coin", "coins", "units",
];

/// Words of the money a price is counted in: a volume named like this is the second one.
const QUOTE: &[&str] = &[
    "usd", "usdt", "usdc", "busd", "tusd", "fdusd", "eur", "gbp", "jpy", "quote", "volumeto",
    "turnover", "umsatz", "currency",
];

/// A name taken apart.
struct Parsed {
    role: Option<Role>,
    /// What is left beside the role and neutral words.
    group: String,
    /// The money it is counted in.
    money: String,
    /// Only words were left behind the role: `Volume BTC`.
    is_suffix: bool,
    is_quote: bool,
    is_adjusted: bool,
}

/// Infers a role for every name.
///
/// Without a target, the group with the most roles (a close among them) is the target's, the first of several. With a target, its
/// own group is. `given` roles come on top of that.
///
/// ```
/// use senti::table::{Role, infer_roles};
/// let names = ["BTC_Close", "BTC_High", "NASDAQ_Close", "NASDAQ_High"];
/// let roles = |target| infer_roles(&names, target, &[]).map(|found| found.roles);
/// assert_eq!(roles(None)?, [Some(Role::Close), Some(Role::High), Some(Role::Series), Some(Role::Series)]);
/// assert_eq!(roles(Some("NASDAQ_Close"))?, [Some(Role::Series), Some(Role::Series), Some(Role::Close), Some(Role::High)]);
/// # Ok::<(), senti::Error>(())
/// ```
pub fn infer_roles(
    names: &[&str],
    target: Option<&str>,
    given: &[(Role, String)],
) -> Result<Assignment> {
    let parsed: Vec<Parsed> = names.iter().map(|name| parse(name)).collect();
    let mut assignment = Assignment {
        roles: vec![Some(Role::Series); names.len()],
        ..Assignment::default()
    };
    let given_close = given
        .iter()
        .find(|(role, _)| *role == Role::Close)
        .map(|(_, name)| name.as_str());
    if let (Some(a), Some(b)) = (target, given_close)
        && a != b
    {
        return Err(Error::input(format!(
            "`{a}` is the target column, but `{b}` was given as the close"
        ))
        .hint("name one of them"));
    }
    let target = target.or(given_close);
    let close = match target {
        Some(target) => position(names, target)?,
        None => guess_close(names, &parsed, &mut assignment.warnings)?,
    };
    assignment.roles[close] = Some(Role::Close);
    let own = &parsed[close];
    let whole_group = own.role == Some(Role::Close);
    if whole_group {
        for role in [Role::Open, Role::High, Role::Low] {
            let fits = |p: &Parsed| {
                let same_money = p.money == own.money || p.money.is_empty() || own.money.is_empty();
                p.role == Some(role) && p.group == own.group && same_money && !p.is_adjusted
            };
            let of_group = (0..parsed.len()).filter(|&i| fits(&parsed[i]));
            if let Some(i) = of_group.min_by_key(|&i| parsed[i].money != own.money) {
                assignment.roles[i] = Some(role);
            }
        }
        if let Some(i) = guess_volume(&parsed, &own.group) {
            assignment.roles[i] = Some(Role::Volume);
        }
        for (i, p) in parsed.iter().enumerate() {
            if i != close
                && p.is_adjusted
                && p.role == Some(Role::Close)
                && p.group == own.group
                && !own.is_adjusted
            {
                assignment.roles[i] = None;
                assignment.dropped.push(Dropped::new(
                    names[i],
                    format!("`{}` is the closing price", names[close]),
                ));
            }
        }
    }
    for (role, name) in given {
        let i = position(names, name)?;
        if *role != Role::Series {
            for other in assignment
                .roles
                .iter_mut()
                .filter(|other| **other == Some(*role))
            {
                *other = Some(Role::Series);
            }
        }
        if i == close && *role != Role::Close {
            return Err(Error::input(format!(
                "`{name}` is the closing price and cannot be the {}",
                role.name()
            ))
            .hint("name the closing price with `--target_column`"));
        }
        assignment.roles[i] = Some(*role);
        assignment
            .dropped
            .retain(|dropped| dropped.column != names[i]);
    }
    Ok(assignment)
}

/// The role of a column whose name says nothing else: `Close`, `<OPEN>`, `Vol.`, but not `BTC_Close`.
pub fn plain_role(name: &str) -> Option<Role> {
    let parsed = parse(name);
    parsed
        .role
        .filter(|_| parsed.group.is_empty() && !parsed.is_adjusted)
}

/// The position of a name; case does not matter where it decides nothing.
fn position(names: &[&str], wanted: &str) -> Result<usize> {
    if let Some(i) = names.iter().position(|name| *name == wanted) {
        return Ok(i);
    }
    let same: Vec<usize> = (0..names.len())
        .filter(|&i| names[i].eq_ignore_ascii_case(wanted))
        .collect();
    if let [i] = same[..] {
        return Ok(i);
    }
    let error = Error::input(format!(
        "there is no numeric column `{}`",
        wanted.escape_debug()
    ));
    Err(match nearest_name(wanted, names) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("the numeric columns are {}", list(names))),
    })
}

fn guess_close(names: &[&str], parsed: &[Parsed], warnings: &mut Vec<String>) -> Result<usize> {
    let n_roles = |group: &str| {
        let has = |role| {
            parsed
                .iter()
                .any(|p| p.role == Some(role) && p.group == group)
        };
        [Role::Open, Role::High, Role::Low, Role::Volume]
            .into_iter()
            .filter(|role| has(*role))
            .count()
    };
    // Most roles, then the shortest rest of a name (`close` before `weighted close`), then a plain close before an adjusted one.
    let rank = |i: &usize| {
        let p = &parsed[*i];
        let words = p.group.split(' ').filter(|word| !word.is_empty()).count() as i64;
        (
            n_roles(&p.group) as i64,
            -words,
            !p.is_adjusted,
            std::cmp::Reverse(*i),
        )
    };
    if let Some(close) = (0..parsed.len())
        .filter(|&i| parsed[i].role == Some(Role::Close))
        .max_by_key(rank)
    {
        return Ok(close);
    }
    match names {
        [] => Err(Error::data("no column holds numbers")
            .hint("a table needs a column of times and one of prices")),
        [only] => {
            warnings.push(format!(
                "no column is named like a price; `{only}`, the only column of numbers, was taken"
            ));
            Ok(0)
        }
        _ => Err(Error::data(format!(
            "none of the columns {} is named like a closing price",
            list(names)
        ))
        .hint("name it with `--target_column`")),
    }
}

/// The volume of a group: named like it, else without a name, else of the coin, else in money.
fn guess_volume(parsed: &[Parsed], group: &str) -> Option<usize> {
    let rank = |p: &Parsed| match () {
        () if p.role != Some(Role::Volume) => None,
        () if p.group == group && !p.is_quote => Some(0),
        () if p.group == group => Some(3),
        () if p.group.is_empty() && !p.is_quote => Some(1),
        () if p.group.is_empty() => Some(4),
        // `Volume BTC` belongs to a file without groups, `NASDAQ_Volume` does not.
        () if p.is_suffix && (group.is_empty() || !p.group.contains(' ')) => Some(2),
        () => None,
    };
    (0..parsed.len())
        .filter_map(|i| rank(&parsed[i]).map(|rank| (rank, i)))
        .min()
        .map(|(_, i)| i)
}

fn parse(name: &str) -> Parsed {
    let words = words(name);
    let role_of = |word: &str| {
        WORDS
            .iter()
            .find(|(_, list)| list.contains(&word))
            .map(|(role, _)| *role)
    };
    // One letter is a role only on its own; `price` and `last` only where no better word stands.
    let is_weak = |word: &str| {
        matches!(
            word,
            "price" | "last" | "rate" | "max" | "min" | "kurs" | "cours"
        )
    };
    let strong = words.iter().position(|word| {
        role_of(word).is_some() && !is_weak(word) && (words.len() == 1 || word.chars().count() > 1)
    });
    let at = strong.or_else(|| {
        words
            .iter()
            .position(|word| role_of(word).is_some() && is_weak(word))
    });
    let Some(at) = at else {
        return Parsed {
            role: None,
            group: String::new(),
            money: String::new(),
            is_suffix: false,
            is_quote: false,
            is_adjusted: false,
        };
    };
    let is_adjusted = words
        .iter()
        .any(|word| matches!(word.as_str(), "adj" | "adjusted" | "adjclose"));
    let rest: Vec<(usize, &String)> = words
        .iter()
        .enumerate()
        .filter(|(i, word)| {
            *i != at
                && !NEUTRAL.contains(&word.as_str())
                && !matches!(word.as_str(), "adj" | "adjusted")
        })
        .collect();
    let money: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| QUOTE.contains(word))
        .collect();
    // The quote currency says how a volume is counted, not whose it is.
    let rest: Vec<(usize, &String)> = rest
        .into_iter()
        .filter(|(_, word)| !QUOTE.contains(&word.as_str()))
        .collect();
    Parsed {
        role: role_of(&words[at]),
        group: rest
            .iter()
            .map(|(_, word)| word.as_str())
            .collect::<Vec<_>>()
            .join(" "),
        is_suffix: !rest.is_empty() && rest.iter().all(|(i, _)| *i > at),
        is_quote: !money.is_empty(),
        money: money.join(" "),
        is_adjusted,
    }
}

/// Lower-case words of a name, split at punctuation and where a capital follows a small letter.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for letter in name.chars() {
        if !letter.is_alphanumeric() || (letter.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if letter.is_alphanumeric() {
            words
                .last_mut()
                .expect("starts with one word")
                .extend(letter.to_lowercase());
        }
        before = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<String> = names
        .iter()
        .take(20)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = if names.len() > 20 {
        format!(" and {} more", names.len() - 20)
    } else {
        String::new()
    };
    format!("{}{more}", quoted.join(", "))
}

/// The candidate that is a slip of the finger away from `wanted`, for hints.
pub fn nearest_name<'a>(wanted: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let distance = |candidate: &str| {
        let (a, b): (Vec<char>, Vec<char>) = (
            wanted.to_lowercase().chars().collect(),
            candidate.to_lowercase().chars().collect(),
        );
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for i in 1..=a.len() {
            let mut corner = row[0];
            row[0] = i;
            for j in 1..=b.len() {
                let change = corner + usize::from(a[i - 1] != b[j - 1]);
                corner = row[j];
                row[j] = change.min(row[j] + 1).min(row[j - 1] + 1);
            }
        }
        row[b.len()]
    };
    let best = candidates
        .iter()
        .map(|candidate| (distance(candidate), *candidate))
        .min()?;
    (best.0 <= 1 + wanted.chars().count() / 4).then_some(best.1)
}
