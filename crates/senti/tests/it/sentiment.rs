//! Days of posts: sums by hand, what is counted once, and what later posts may not move.

use proptest::prelude::*;
use senti::Time;
use senti::sentiment::{Counted, Day, Options, Post, daily};

const HOUR: Time = 3_600_000;
const DAY: Time = 24 * HOUR;

fn post(time: Time, author: &str, text: &str, score: f64) -> Post {
    Post {
        time,
        author: author.into(),
        text: text.into(),
        score,
    }
}

fn days(posts: &[Post]) -> Vec<Day> {
    daily(posts, &Options::default()).0
}

#[track_caller]
fn check_near(found: f64, wanted: f64) {
    // sums of a handful of numbers below 10
    assert!((found - wanted).abs() < 1e-12, "{found}, wanted {wanted}");
}

#[test]
fn a_day_is_what_its_posts_make_it() {
    let posts = [
        post(DAY + 5 * HOUR, "", "a", 0.5),
        post(DAY - 1, "", "b", -0.75),
        post(DAY, "", "c", -0.25),
        post(3 * DAY, "", "d", 0.8),
    ];
    let days = days(&posts);
    let times: Vec<Time> = days.iter().map(|day| day.time).collect();
    assert_eq!(
        times,
        [0, DAY, 2 * DAY, 3 * DAY],
        "a day without posts is a day"
    );
    assert_eq!(
        days.iter().map(|day| day.count).collect::<Vec<_>>(),
        [1, 2, 0, 1]
    );
    check_near(days[0].mean, -0.75);
    assert!(days[0].spread.is_nan() && days[0].surprise.is_nan());
    check_near(days[0].extremes, 1.0);
    check_near(days[1].mean, 0.125);
    // both are 0.375 from their mean, divided by one less than two
    check_near(days[1].spread, (2.0 * 0.375_f64.powi(2)).sqrt());
    check_near(days[1].extremes, 0.0);
    check_near(days[1].surprise, 0.125 + 0.75);
    assert!(days[2].mean.is_nan() && days[2].extremes.is_nan() && days[2].surprise.is_nan());
    // -0.75, then 0.25 a day later, nothing, 0.8: halved every three days
    let half = |days: f64| 0.5_f64.powf(days / 3.0);
    check_near(
        days[3].decayed[0],
        -0.75 * half(3.0) + 0.25 * half(2.0) + 0.8,
    );
    let half = |days: f64| 0.5_f64.powf(days / 14.0);
    check_near(days[2].decayed[1], -0.75 * half(2.0) + 0.25 * half(1.0));
    // the mean of the three posts before
    check_near(days[3].surprise, 0.8 + 0.5 / 3.0);
}

#[test]
fn the_trailing_mean_forgets_after_thirty_days() {
    let posts = [
        post(0, "", "a", 1.0),
        post(30 * DAY, "", "b", 0.0),
        post(61 * DAY, "", "c", 0.5),
    ];
    let days = days(&posts);
    check_near(days[30].surprise, -1.0);
    assert!(
        days[61].surprise.is_nan(),
        "nothing in the thirty days before"
    );
}

#[test]
fn the_same_text_counts_once_a_week() {
    let posts = [
        post(0, "", "Bitcoin falls!", -0.5),
        post(HOUR, "x", "BITCOIN  falls https://t.co/abc", -0.5),
        post(6 * DAY, "", "bitcoin falls", -0.5),
        post(8 * DAY, "", "Bitcoin falls", -0.5),
        post(8 * DAY, "", "Bitcoin falls further", -0.5),
    ];
    let (_, counted) = daily(&posts, &Options::default());
    use Counted::{Repeated, Yes};
    assert_eq!(counted, [Yes, Repeated, Repeated, Yes, Yes]);
}

#[test]
fn one_author_cannot_flood_a_day() {
    let mut posts: Vec<Post> = (0..20)
        .map(|n| post(n * HOUR, "loud", &format!("buy {n}"), 1.0))
        .collect();
    posts.push(post(2 * HOUR, "calm", "no", -0.5));
    posts.extend((0..20).map(|n| post(n, "", &format!("nobody {n}"), 0.0)));
    posts.push(post(DAY, "loud", "buy tomorrow", 1.0));
    let (days, counted) = daily(&posts, &Options { author_cap: 3 });
    assert_eq!(
        days[0].count,
        3 + 1 + 20,
        "who is not named is not one author"
    );
    assert_eq!(days[1].count, 1);
    assert!(counted[..3].iter().all(|fate| *fate == Counted::Yes));
    assert!(counted[3..20].iter().all(|fate| *fate == Counted::Flood));
}

#[test]
fn no_posts_make_no_days() {
    assert!(days(&[]).is_empty());
}

fn bits(day: &Day) -> Vec<u64> {
    let Day {
        mean,
        spread,
        extremes,
        decayed: [fast, slow],
        surprise,
        ..
    } = *day;
    [
        mean,
        spread,
        extremes,
        fast,
        slow,
        surprise,
        day.count as f64,
    ]
    .map(f64::to_bits)
    .into()
}

proptest! {
    /// Posts of later days change nothing of a day, whatever they say and whoever says it, and the order of a file does not count.
    #[test]
    fn later_posts_move_no_earlier_day(
        given in prop::collection::vec((0_i64..40 * 24, 0_u8..3, 0_u8..30, -10_i8..=10), 1..60),
        cut in 0_i64..40,
        change in -10_i8..=10,
    ) {
        let made = |(n, (hour, author, text, score)): (usize, &(i64, u8, u8, i8))| {
            let author = ["", "a", "b"][*author as usize];
            post(hour * HOUR + n as i64, author, &format!("text {text}"), f64::from(*score) / 10.0)
        };
        let posts: Vec<Post> = given.iter().enumerate().map(made).collect();
        let options = Options { author_cap: 2 };
        let before = daily(&posts, &options).0;
        let mut other = posts.clone();
        for post in other.iter_mut().filter(|post| post.time >= (cut + 1) * DAY) {
            post.score = f64::from(change) / 10.0;
            post.text.push('!');
            post.author.clear();
        }
        other.reverse();
        let after = daily(&other, &options).0;
        for (day, same) in before.iter().zip(&after).filter(|(day, _)| day.time <= cut * DAY) {
            prop_assert_eq!(day.time, same.time);
            prop_assert_eq!(bits(day), bits(same));
        }
    }
}
