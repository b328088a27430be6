//! Names of tables: `project.dataset.table`, taken apart, checked and quoted.
//!
//! In comes a text; out goes a name of which every part holds only letters that BigQuery allows there, so that it can stand in an
//! address and, quoted, in a query. Rules: <https://cloud.google.com/bigquery/docs/tables#table_naming> and
//! <https://cloud.google.com/bigquery/docs/datasets#dataset-naming>.

use std::fmt;

use senti::{Error, Result};

use crate::http::address::encode;

/// The whole name of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableName {
    /// `my-project`, or `example.com:my-project`.
    pub project: String,
    /// `market`
    pub dataset: String,
    /// `raw`
    pub table: String,
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

impl TableName {
    /// Takes `table`, `dataset.table` or `project.dataset.table`; what is missing is taken from the settings.
    pub fn parse(text: &str, project: Option<&str>, dataset: Option<&str>) -> Result<Self> {
        let bare = text.trim().trim_matches('`');
        // from the right: a project may have a domain with dots
        let mut parts = bare.rsplitn(3, '.').map(|part| part.trim_matches('`'));
        let table = parts.next().unwrap_or_default();
        let missing = |what: &str, option: &str, variable: &str| {
            Error::input(format!("the table `{bare}` is in no {what}")).hint(format!(
                "add `--{option} NAME`, set `{variable}`, or give `--table project.dataset.table`"
            ))
        };
        let dataset = parts.next().or(dataset);
        let dataset = dataset.ok_or_else(|| missing("data set", "bq_dataset", "BQ_DATASET"))?;
        let project = parts.next().or(project);
        let project = project.ok_or_else(|| missing("project", "gcp_project", "GCP_PROJECT"))?;
        check_project(project)?;
        check_dataset(dataset)?;
        check_table(table)?;
        Ok(Self {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            table: table.to_owned(),
        })
    }

    /// As it stands in a query: each part in backticks, which no part can hold.
    pub fn quoted(&self) -> String {
        format!("`{}`.`{}`.`{}`", self.project, self.dataset, self.table)
    }

    /// As it stands in an address, below `projects/`.
    pub(super) fn path(&self) -> String {
        let [project, dataset, table] =
            [&self.project, &self.dataset, &self.table].map(|s| encode(s));
        format!("{project}/datasets/{dataset}/tables/{table}")
    }
}

fn refused(what: &str, name: &str, wanted: &str) -> Error {
    let shown: String = name.escape_debug().take(60).collect();
    Error::input(format!("`{shown}` is no name of a {what}, wanted {wanted}"))
        .hint("write `project.dataset.table`, with dots between the three")
}

/// Refuses what is no project.
pub(super) fn check_project(name: &str) -> Result<()> {
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    let good = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 200
        && name.chars().all(letters);
    match good {
        true => Ok(()),
        false => Err(refused("project", name, "letters, digits and dashes")),
    }
}

fn check_dataset(name: &str) -> Result<()> {
    let good = !name.is_empty()
        && name.len() <= 1024
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match good {
        true => Ok(()),
        false => Err(refused("data set", name, "letters, digits and underscores")),
    }
}

fn check_table(name: &str) -> Result<()> {
    // letters, marks, numbers, connectors, dashes and blanks of Unicode; no quote, point, slash or control character can pass
    let letters = |c: char| {
        c.is_alphanumeric()
            || matches!(c, '_' | '-' | ' ' | '\u{2010}'..='\u{2015}' | '\u{300}'..='\u{36f}')
    };
    let good = !name.is_empty() && name.len() <= 1024 && name.chars().all(letters);
    match good {
        true => Ok(()),
        false => Err(refused(
            "table",
            name,
            "letters, digits, underscores and dashes",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let name = TableName::parse(text, Some("proj-1"), Some("market")).expect(text);
        assert_eq!(name.to_string(), wanted);
    }

    #[test]
    fn what_a_name_leaves_out_is_in_the_settings() {
        check("raw", "proj-1.market.raw");
        check("other.raw", "proj-1.other.raw");
        check("p-2.other.raw", "p-2.other.raw");
        check("`p-2.other.raw`", "p-2.other.raw");
        check("`p-2`.`other`.`raw`", "p-2.other.raw");
        check("example.com:p-2.other.raw", "example.com:p-2.other.raw");
        check("Kurse täglich", "proj-1.market.Kurse täglich");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = TableName::parse("raw", Some("proj-1"), None).expect_err("no data set");
        assert!(error.to_string().contains("data set"), "{error}");
        let error = TableName::parse("ds.raw", None, None).expect_err("no project");
        assert!(error.to_string().contains("project"), "{error}");
    }

    #[test]
    fn nothing_that_could_leave_its_quotes_is_a_name() {
        for text in [
            "",
            "a`b",
            "raw; DROP TABLE x",
            "raw`; --",
            "x/../y",
            "a\nb",
            "ds$.raw",
            "p q.ds.raw",
            "p:ds.raw",
            "raw'",
            "raw\"",
            "raw\\",
            "..raw",
            "p..raw",
            "raw\u{0}",
            "raw$20200101",
            "raw@1",
        ] {
            assert!(
                TableName::parse(text, Some("proj-1"), Some("market")).is_err(),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_name_stands_quoted_in_a_query_and_encoded_in_an_address() {
        let name = TableName::parse("p-1.ds.a b", None, None).expect("a name");
        assert_eq!(name.quoted(), "`p-1`.`ds`.`a b`");
        assert_eq!(name.path(), "p-1/datasets/ds/tables/a%20b");
    }
}
