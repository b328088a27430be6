//! `sentiment` from the outside: a file of posts becomes days, and the days can be joined.

use serde_json::Value;

use crate::run::{Desk, check_golden, prices};

const POSTS: &str = "date,title,author\n\
    2020-03-12 10:00:00,Bitcoin crashes below support as markets plunge,ann\n\
    2020-03-12 11:00:00,BITCOIN CRASHES BELOW SUPPORT as markets plunge!,bob\n\
    2020-03-12 12:00:00,Exchange hacked,ann\n\
    2020-03-14 09:00:00,Bitcoin recovers; bulls are back,ann\n\
    2020-03-14 09:30:00,Nichts Neues heute,eva\n";

#[test]
fn days_go_to_stdout_and_what_was_recognised_to_stderr() {
    let desk = Desk::new();
    desk.file("posts.csv", POSTS);
    let line = ["sentiment", "posts.csv"];
    let done = desk.run(&line);
    check_golden("sentiment", &line, &desk, &done);
    let rows: Vec<&str> = done.out.lines().collect();
    assert_eq!(rows.len(), 1 + 3, "a day without posts is a day");
    let cells: Vec<Vec<&str>> = rows.iter().map(|row| row.split(',').collect()).collect();
    // the second post repeats the first
    assert_eq!((cells[1][0], cells[1][3]), ("2020-03-12", "2"));
    assert!(cells[1][1].parse::<f64>().unwrap() < -0.5);
    assert_eq!(cells[2][1], "", "no posts, no mean");
    assert!(cells[3][1].parse::<f64>().unwrap() > 0.0);
    let capped = desk.run(&[
        "sentiment",
        "posts.csv",
        "--author_cap",
        "1",
        "--format",
        "json",
    ]);
    let document: Value = serde_json::from_str(&capped.out).unwrap();
    assert_eq!(document["posts"]["flood"], 1);
    assert_eq!(document["days"][0]["count"], 1);
}

#[test]
fn the_days_can_be_joined() {
    let desk = Desk::new();
    desk.file("posts.csv", POSTS)
        .file("prices.csv", &prices(100));
    let done = desk.run(&["sentiment", "posts.csv", "--output", "out"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let posts = std::fs::read_to_string(desk.path("out/posts.csv")).unwrap();
    let fates: Vec<&str> = posts
        .lines()
        .map(|line| line.rsplit(',').next().unwrap())
        .collect();
    assert_eq!(fates, ["counts", "yes", "repeated", "yes", "yes", "yes"]);
    let done = desk.run(&[
        "inspect",
        "prices.csv",
        "--join",
        "out/sentiment.csv",
        "--format",
        "json",
    ]);
    let document: Value =
        serde_json::from_str(&done.out).unwrap_or_else(|_| panic!("{}", done.err));
    let joined = &document["joined"][0];
    assert_eq!(
        (joined["kind"].as_str(), joined["lag"].as_str()),
        (Some("sentiment"), Some("day_end"))
    );
    assert_eq!(joined["columns"][0], "sentiment_mean");
    assert_eq!(joined["first_known"], "2020-03-13T00:00:00Z");
}

#[test]
fn files_that_hold_no_posts_are_refused() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(10));
    desk.file(
        "future.csv",
        "date,title\n2999-01-01,Bitcoin rises\n2999-01-02,It falls\n",
    );
    for (name, line) in [
        ("sentiment_no_text", ["sentiment", "prices.csv"]),
        ("sentiment_missing", ["sentiment", "none.csv"]),
        ("sentiment_future", ["sentiment", "future.csv"]),
    ] {
        check_golden(name, &line, &desk, &desk.run(&line));
    }
}
