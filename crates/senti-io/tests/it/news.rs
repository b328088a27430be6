//! News and posts: the forms they come in, and what is left out of them.

use std::path::PathBuf;

use proptest::prelude::*;
use senti::Result;
use senti_io::sources::{News, NewsRequest, read_news};

fn read(text: &str, change: impl FnOnce(&mut NewsRequest)) -> Result<News> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("news.txt");
    std::fs::write(&path, text).unwrap();
    let mut request = NewsRequest {
        path,
        ..NewsRequest::default()
    };
    change(&mut request);
    read_news(&request)
}

#[track_caller]
fn check(text: &str, format: &str, wanted: &[(&str, &str, &str)]) {
    let news = read(text, |_| {}).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(news.format, format);
    let found: Vec<(String, &str, &str)> = (news.items.iter())
        .map(|item| {
            (
                senti::calendar::format_time(item.time, 1),
                item.author.as_str(),
                item.text.as_str(),
            )
        })
        .collect();
    let found: Vec<(&str, &str, &str)> = found
        .iter()
        .map(|(time, author, text)| (time.as_str(), *author, *text))
        .collect();
    assert_eq!(found, wanted);
}

#[test]
fn tables_with_titles_and_texts() {
    check(
        "Date,Title,Text,Author\n2024-01-04 12:30:00,\"Bitcoin, again\",It rises.,ann\n2024-01-05,Ether,Ether falls.,\n",
        "CSV",
        &[
            ("2024-01-04T12:30:00Z", "ann", "Bitcoin, again. It rises."),
            // feeds repeat the title
            ("2024-01-05T00:00:00Z", "", "Ether falls."),
        ],
    );
    check(
        "created_utc;tweet\n1704371400;Курс биткоина растёт 🚀\n1704371401;\"zwei\nZeilen\"\n",
        "CSV",
        &[
            ("2024-01-04T12:30:00Z", "", "Курс биткоина растёт 🚀"),
            ("2024-01-04T12:30:01Z", "", "zwei\nZeilen"),
        ],
    );
}

#[test]
fn lines_and_arrays_of_json() {
    let items = [
        r#"{"published_at": "2024-01-04T12:30:00+02:00", "title": "A", "author": {"name": "ann"}}"#,
        r#"{"title": "日本語", "published_at": "2024-01-05T00:00:00+02:00", "body": null}"#,
    ];
    let wanted = [
        ("2024-01-04T10:30:00Z", "ann", "A"),
        ("2024-01-04T22:00:00Z", "", "日本語"),
    ];
    check(&items.join("\n\n"), "JSON lines", &wanted);
    check(&format!("[{}]", items.join(",")), "JSON", &wanted);
}

#[test]
fn what_has_no_text_or_time_is_counted_and_left_out() {
    let news = read(
        "date,title\n2024-01-04,\n,a\n2024-01-05,b\n2024-01-05,c\n",
        |_| {},
    )
    .unwrap();
    assert_eq!(
        (news.items.len(), news.without_text, news.without_time),
        (2, 1, 1)
    );
    let lines =
        "{\"date\":\"2024-01-04\",\"title\":\"a\"}\n{\"date\":\"2024-01-04\"}\n{\"title\":\"b\"}\n";
    let news = read(lines, |_| {}).unwrap();
    assert_eq!(
        (news.items.len(), news.without_text, news.without_time),
        (1, 1, 1)
    );
}

#[test]
fn columns_can_be_named() {
    let text = "id,when,lead,who\n1,2024-01-04,a,x\n2,2024-01-05,b,y\n";
    assert!(
        read(text, |_| {})
            .unwrap_err()
            .hint_text()
            .unwrap()
            .contains("--time_column")
    );
    let news = read(text, |request| {
        request.time_column = Some("When".into());
        request.text_columns = vec!["lead".into()];
        request.author_column = Some("who".into());
    });
    assert_eq!(news.unwrap().items[1].author, "y");
}

#[test]
fn what_cannot_be_read_is_refused_with_its_line() {
    for (text, wanted) in [
        (
            "date,title\n2024-01-04,a\nsoon,b\n",
            "line 3, column `date`: `soon` is",
        ),
        (
            "{\"date\":\"2024-01-04\",\"title\":\"a\"}\n{\"date\"\n",
            "line 2 is no JSON",
        ),
        ("[1, 2]", "item 1 is no JSON object"),
        ("[{]", "the file is no JSON array"),
        ("date,title\n2024-01-04,\n2024-01-05,\n", "no item has both"),
        ("", "empty"),
    ] {
        let error = read(text, |_| {}).unwrap_err();
        assert!(error.to_string().contains(wanted), "{text:?}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Damaged files are refused, never a panic.
    #[test]
    fn any_text_is_read_or_refused(
        start in prop::sample::select(vec!["", "{", "[{\"date\":", "date,title\n", "title;text;date\n"]),
        rest in "([0-9:,;\"\\\\{}\\[\\]\n é-]|date|title|2024-01-04){0,40}",
    ) {
        let text = format!("{start}{rest}");
        if let Ok(news) = read(&text, |_| {}) {
            prop_assert!(!news.items.is_empty());
            prop_assert!(news.items.iter().all(|item| !item.text.is_empty()));
        }
    }
}
