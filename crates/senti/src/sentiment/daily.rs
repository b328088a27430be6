//! Days: what the posts of a day sound like together.
//!
//! In come posts in any order; out goes a [`Day`] for each UTC day from the first to the last, made of nothing later than its own end. A post
//! counts for the day in which it was published, and the day is known when it is over: joined to candles, it enters the one that closes
//! then and serves the forecast of the next.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Time;

const DAY: Time = 86_400_000;

/// A post, scored.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    /// When it was published.
    pub time: Time,
    /// Who wrote it; empty where nobody says.
    pub author: String,
    /// What it says, for finding the same again.
    pub text: String,
    /// How it sounds, from -1 to 1.
    pub score: f64,
}

/// What may be chosen.
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `author_cap` | 10 | posts of one author a day that count, the first ones |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Posts of one author a day that count.
    pub author_cap: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { author_cap: 10 }
    }
}

/// From this score on, in either direction, a post is an extreme one.
pub const EXTREME: f64 = 0.6;
/// Days in which the same text is the same news.
pub const REPEATED: i64 = 7;
/// Half-lives of the decayed sums, in days.
pub const HALF_LIVES: [f64; 2] = [3.0, 14.0];
/// Days that make up the trailing mean.
pub const TRAILING: usize = 30;

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// It counts.
    Yes,
    /// The same text came before, within [`REPEATED`] days.
    Repeated,
    /// Its author had said enough on that day.
    Flood,
}

impl Counted {
    /// As in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::Repeated => "repeated",
            Self::Flood => "flood",
        }
    }
}

/// A day of posts. Fields that need posts are NaN on a day without any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Day {
    /// Its beginning, UTC.
    pub time: Time,
    /// Mean score.
    pub mean: f64,
    /// Standard deviation of the scores (n - 1); needs two posts.
    pub spread: f64,
    /// Posts that count.
    pub count: usize,
    /// Share of posts of at least [`EXTREME`] in either direction.
    pub extremes: f64,
    /// Sums of the scores of this day and all before, each day weighted by half after [`HALF_LIVES`] days.
    pub decayed: [f64; 2],
    /// Mean less the mean of all posts of the [`TRAILING`] days before; needs posts in both.
    pub surprise: f64,
}

/// The days of these posts, and what became of each post, in the order in which they were given.
pub fn daily(posts: &[Post], options: &Options) -> (Vec<Day>, Vec<Counted>) {
    let mut order: Vec<usize> = (0..posts.len()).collect();
    order.sort_by_key(|&post| posts[post].time);
    let counted = count(posts, &order, options);
    let day = |post: usize| posts[post].time.div_euclid(DAY);
    let (Some(&first), Some(&last)) = (order.first(), order.last()) else {
        return (Vec::new(), counted);
    };
    let mut days = Vec::new();
    let mut decayed = [0.0; 2];
    let mut trailing: VecDeque<(f64, usize)> = VecDeque::new();
    let mut next = 0;
    for now in day(first)..=day(last) {
        let mut scores = Vec::new();
        while let Some(&post) = order.get(next).filter(|&&post| day(post) == now) {
            if counted[post] == Counted::Yes {
                scores.push(posts[post].score);
            }
            next += 1;
        }
        let n = scores.len() as f64;
        let sum: f64 = scores.iter().sum();
        // 0 / 0 is NaN: a day without posts has no mean
        let mean = sum / n;
        let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
        for (sums, half_life) in decayed.iter_mut().zip(HALF_LIVES) {
            *sums = *sums * 0.5_f64.powf(1.0 / half_life) + sum;
        }
        let past: f64 = trailing.iter().map(|(sum, _)| sum).sum();
        let n_past: usize = trailing.iter().map(|(_, n)| n).sum();
        let extremes = scores.iter().filter(|score| score.abs() >= EXTREME).count();
        days.push(Day {
            time: now * DAY,
            mean,
            spread: match scores.len() {
                0 | 1 => f64::NAN,
                _ => (squares / (n - 1.0)).sqrt(),
            },
            count: scores.len(),
            extremes: extremes as f64 / n,
            decayed,
            surprise: mean - past / n_past as f64,
        });
        trailing.push_back((sum, scores.len()));
        if trailing.len() > TRAILING {
            trailing.pop_front();
        }
    }
    (days, counted)
}

/// Which posts count. Only earlier posts decide on one.
fn count(posts: &[Post], order: &[usize], options: &Options) -> Vec<Counted> {
    let mut counted = vec![Counted::Yes; posts.len()];
    // when a text that counted was first said
    let mut said: HashMap<u64, Time> = HashMap::new();
    let mut by: HashMap<(&str, i64), usize> = HashMap::new();
    for &place in order {
        let post = &posts[place];
        let first = said.entry(fingerprint(&post.text)).or_insert(Time::MIN);
        if *first != Time::MIN && post.time - *first < REPEATED * DAY {
            counted[place] = Counted::Repeated;
            continue;
        }
        if !post.author.is_empty() {
            let n = by
                .entry((&post.author, post.time.div_euclid(DAY)))
                .or_default();
            if *n >= options.author_cap {
                counted[place] = Counted::Flood;
                continue;
            }
            *n += 1;
        }
        *first = post.time;
    }
    counted
}

/// The same for texts that differ in nothing but case, spaces, punctuation and links.
fn fingerprint(text: &str) -> u64 {
    let mut digest = DefaultHasher::new();
    let is_link = |word: &&str| !(word.starts_with("http://") || word.starts_with("https://"));
    for word in text.split_whitespace().filter(is_link) {
        for letter in word.chars().filter(|letter| letter.is_alphanumeric()) {
            letter
                .to_lowercase()
                .for_each(|letter| letter.hash(&mut digest));
        }
    }
    digest.finish()
}
