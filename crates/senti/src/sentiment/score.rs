//! The score of a text: VADER's rules over its own words and ours.
//!
//! In comes a text in any language; out goes a number from -1 to 1, 0 for one that says nothing the scorer understands. The same text has the
//! same score on every machine.

use std::collections::HashMap;

use vader_parity::SentimentIntensityAnalyzer;

use super::lexicon::LEXICON;
pub use super::lexicon::Tone;

/// Bytes of a text that are read; a post is shorter, and of an article the beginning tells.
const LONGEST: usize = 4096;

/// Scores texts.
///
/// ```
/// use senti::sentiment::Scorer;
/// let scorer = Scorer::new();
/// assert!(scorer.score("Bitcoin plunges below $20,000 as exchange halts withdrawals") < -0.5);
/// assert!(scorer.score("Bitcoin soars to a record high") > 0.5);
/// assert!(scorer.score("HODL to the moon 🚀🚀") > 0.5);
/// assert_eq!(scorer.score("Der Kurs ist heute unverändert."), 0.0);
/// ```
pub struct Scorer {
    vader: SentimentIntensityAnalyzer,
    /// Phrases by their first word, as the rest of their words and their tone; the longest first.
    phrases: HashMap<&'static str, Vec<(Vec<&'static str>, Tone)>>,
}

impl Default for Scorer {
    fn default() -> Self {
        Self::new()
    }
}

/// A word of a text: where it stands, and in small letters.
struct Word {
    start: usize,
    end: usize,
    small: String,
}

impl Scorer {
    /// Reads the lexicons once.
    pub fn new() -> Self {
        let mut phrases: HashMap<&'static str, Vec<(Vec<&'static str>, Tone)>> = HashMap::new();
        for row in LEXICON {
            for phrase in row.phrases.split(',') {
                let mut words = phrase.split_whitespace();
                if let Some(first) = words.next() {
                    let rest = words.collect();
                    phrases.entry(first).or_default().push((rest, row.tone));
                }
            }
        }
        for row in phrases.values_mut() {
            row.sort_by_key(|(rest, _)| std::cmp::Reverse(rest.len()));
        }
        Self {
            vader: SentimentIntensityAnalyzer::new(),
            phrases,
        }
    }

    /// From -1, as bad as can be, to 1.
    pub fn score(&self, text: &str) -> f64 {
        let text = beginning(text);
        self.vader.polarity_scores(&self.told(text)).compound
    }

    /// The score of VADER alone, to compare with.
    pub fn plain(&self, text: &str) -> f64 {
        self.vader.polarity_scores(beginning(text)).compound
    }

    /// The text with words of VADER's in the place of ours.
    fn told(&self, text: &str) -> String {
        let words = words(text);
        let mut told = String::with_capacity(text.len() + 16);
        let (mut copied, mut at) = (0, 0);
        while let Some(word) = words.get(at) {
            let fitting = self.phrases.get(word.small.as_str()).and_then(|phrases| {
                phrases.iter().find(|(rest, _)| {
                    let following = words.get(at + 1..at + 1 + rest.len());
                    following.is_some_and(|following| {
                        following.iter().map(|word| &word.small).eq(rest.iter())
                    })
                })
            });
            let Some((rest, tone)) = fitting else {
                at += 1;
                continue;
            };
            let end = words[at + rest.len()].end;
            let original = &text[word.start..end];
            told.push_str(&text[copied..word.start]);
            // signs that stand close to each other, such as rockets, are words of their own
            if told
                .chars()
                .last()
                .is_some_and(|letter| !letter.is_whitespace() && !letter.is_ascii_punctuation())
            {
                told.push(' ');
            }
            // capitals are loud, and stay so; one letter says nothing of that
            let letters = original.chars().filter(|letter| letter.is_alphabetic());
            let loud = letters.clone().count() > 1 && letters.clone().all(char::is_uppercase);
            match loud {
                true => told.push_str(&tone.word().to_uppercase()),
                false => told.push_str(tone.word()),
            }
            copied = end;
            at += 1 + rest.len();
        }
        told.push_str(&text[copied..]);
        told
    }
}

/// The words of a text: runs of letters, digits and apostrophes; a sign that is neither white space nor punctuation is one by itself.
fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut is_open = false;
    for (start, letter) in text.char_indices() {
        let end = start + letter.len_utf8();
        let is_letter = letter.is_alphanumeric() || (is_open && matches!(letter, '\'' | '’'));
        match words.last_mut().filter(|_| is_open && is_letter) {
            Some(word) => {
                word.end = end;
                word.small.extend(letter.to_lowercase());
            }
            None if is_letter
                || letter == '&'
                || !(letter.is_whitespace() || letter.is_ascii()) =>
            {
                words.push(Word {
                    start,
                    end,
                    small: letter.to_lowercase().collect(),
                });
            }
            None => {}
        }
        is_open = is_letter;
    }
    words
}

/// The beginning of a long text, cut where a letter ends.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tone_has_the_sign_that_its_name_says() {
        let scorer = Scorer::new();
        let scores = [
            Tone::Great,
            Tone::Good,
            Tone::Fine,
            Tone::Nothing,
            Tone::Uncertain,
            Tone::Weak,
            Tone::Disaster,
        ]
        .map(|tone| scorer.plain(tone.word()));
        assert!(
            scores.windows(2).all(|pair| pair[0] > pair[1]),
            "{scores:?}"
        );
        assert_eq!(scores[3], 0.0);
    }

    #[test]
    fn no_phrase_stands_in_two_rows() {
        let mut seen = HashMap::new();
        for row in LEXICON {
            for phrase in row.phrases.split(',').map(str::trim) {
                assert_eq!(phrase, phrase.to_lowercase());
                assert!(!phrase.is_empty() && !phrase.contains('-'), "{phrase}");
                if let Some(before) = seen.insert(phrase, row.about) {
                    panic!("`{phrase}` in `{before}` and in `{}`", row.about);
                }
            }
        }
    }

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        assert_eq!(Scorer::new().told(text), wanted);
    }

    #[test]
    fn phrases_are_found_whatever_stands_between_their_words_and_the_longest_counts() {
        check("A Sell-Off, then a rally", "A weak, then a good");
        check("BITCOIN CRASHES!", "BITCOIN DISASTER!");
        check("fear & greed index at 12", "thing at 12");
        check("fear of missing out", "fear of missing out");
        check("🚀🚀🚀", "good good good");
        check("moon🚀", "good good");
        check("не бойся, it's bullish", "не бойся, it's good");
    }

    #[test]
    fn negation_and_but_apply_to_our_words() {
        let scorer = Scorer::new();
        assert!(scorer.score("Analysts are not bullish") < 0.0);
        assert!(scorer.score("Bitcoin rallied, but then crashed") < 0.0);
        assert!(scorer.score("BITCOIN SURGES today!!!") > scorer.score("Bitcoin surges today"));
    }

    #[test]
    fn what_holds_no_phrase_has_exactly_the_score_of_vader() {
        let scorer = Scorer::new();
        // from the documentation of vaderSentiment 3.3.2
        for (text, wanted) in [
            ("VADER is smart, handsome, and funny.", 0.8316),
            ("The book was good.", 0.4404),
            ("At least it isn't a horrible book.", 0.431),
        ] {
            assert_eq!(scorer.plain(text), wanted, "{text}");
        }
        for text in [
            "The book was good.",
            "At least it isn't a horrible book.",
            "",
            "🙂",
            "日本語",
        ] {
            assert_eq!(scorer.score(text), scorer.plain(text), "{text}");
        }
        let long = "é".repeat(10_000);
        assert_eq!(scorer.score(&long), 0.0);
    }
}
