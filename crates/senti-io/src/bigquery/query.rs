//! A query: what it reads, its job, its pages.
//!
//! In comes a text in GoogleSQL; out go its rows. A dry run comes first: it is free, finds mistakes, says how many bytes are read and
//! whether anything but a SELECT was written, which is refused. The job has a name of ours, so that a lost answer is no second job, and
//! a limit on what it may bill; it is cancelled when nobody waits for it any more. Rows are read from the local copy instead while no
//! table that the query reads has changed.

use std::time::Duration;

use senti::{Error, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::{Client, Refusal, failure, whole};
use super::copies::Meta;
use super::rows::{FORM, Reading, from_copy, version};
use super::types::Field;
use super::{Fetched, MOST_BILLED, Place, Scope, TableName, rows};
use crate::http::address::encode;
use crate::watch::Watch;

/// Jobs that fail for a reason that passes are sent again so often.
const JOBS: u32 = 3;

/// Longest run of a job, in BigQuery.
const LONGEST: Duration = Duration::from_secs(3600);

/// What copies of a query are kept under.
pub(super) fn key(project: &str, text: &str, location: Option<&str>) -> String {
    format!("query\n{project}\n{}\n{text}", location.unwrap_or_default())
}

/// A query in words.
pub(super) fn origin(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let start: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("BigQuery query {start}")
}

/// Reads what a query selects; `view` is what it was made for, where the user named a table.
pub(super) fn read(
    place: &Place,
    text: &str,
    view: Option<&TableName>,
    watch: &Watch,
    room: &dyn Fn(usize, usize) -> Result<()>,
) -> Result<Fetched> {
    let project = match view {
        Some(name) => place.project.as_deref().unwrap_or(&name.project),
        None => place.project()?,
    };
    let client = Client::open(project, place.emulator.as_deref(), Scope::Jobs, watch)?;
    let what = match view {
        Some(name) => format!("read `{name}`"),
        None => "run the query".to_owned(),
    };
    let most = place.max_bytes_billed.unwrap_or(MOST_BILLED);
    let job = Job {
        client: &client,
        what: &what,
        text,
        dataset: place.dataset.as_deref(),
        location: place.location.as_deref(),
        most,
    };
    let plan = job.dry_run()?;
    watch.tell(&format!(
        "a dry run says that the query reads {}; at most {} may be billed",
        senti::memory::size(plan.bytes),
        senti::memory::size(most),
    ));
    if plan.bytes > most {
        let (bytes, most) = (senti::memory::size(plan.bytes), senti::memory::size(most));
        return Err(Error::plan(format!(
            "cannot {what}: it reads {bytes}, and at most {most} may be billed"
        ))
        .hint("read fewer columns or days, or raise `--max_bytes_billed`"));
    }
    let key = key(project, text, place.location.as_deref());
    let origin = match view {
        Some(name) => rows::origin(name),
        None => origin(text),
    };
    let version = versions(&client, text, &plan.tables);
    if let Some(frame) = from_copy(place, &key, version.as_deref(), watch) {
        return Ok(Fetched { frame, origin });
    }
    let mut running = job.start(plan.location)?;
    let page_rows = place.page_rows().to_string();
    let first = running.wait(&page_rows)?;
    let fields = Field::read_all(&first["schema"], "the result")?;
    let meta = Meta::new(&key, version.as_deref(), &fields);
    let reading = Reading {
        client: &client,
        what: &what,
        place,
        room,
    };
    let fetch = |token: Option<&str>| running.results(&page_rows, token);
    let still = || versions(&client, text, &plan.tables);
    let frame = reading.all(fields, Some(first), fetch, meta, &still)?;
    Ok(Fetched { frame, origin })
}

struct Job<'a> {
    client: &'a Client,
    what: &'a str,
    text: &'a str,
    dataset: Option<&'a str>,
    location: Option<&'a str>,
    most: u64,
}

/// What a dry run says.
struct DryRun {
    bytes: u64,
    location: Option<String>,
    tables: Vec<TableName>,
}

impl Job<'_> {
    fn document(&self, id: &str, location: Option<&str>, dry: bool) -> Value {
        let mut reference = json!({"projectId": self.client.project, "jobId": id});
        if let Some(location) = location {
            reference["location"] = json!(location);
        }
        let mut query = json!({
            "query": self.text,
            "useLegacySql": false,
            "useQueryCache": true,
            "maximumBytesBilled": self.most.to_string(),
        });
        if let Some(dataset) = self.dataset {
            // tables without a data set are looked for here
            query["defaultDataset"] =
                json!({"projectId": self.client.project, "datasetId": dataset});
        }
        json!({
            "jobReference": reference,
            "configuration": {
                "dryRun": dry,
                "jobTimeoutMs": LONGEST.as_millis().to_string(),
                "labels": {"tool": "senti-ai"},
                "query": query,
            },
        })
    }

    fn explain(&self, refusal: Refusal) -> Error {
        self.client.explain(refusal, self.what)
    }

    fn path(&self) -> String {
        format!("{}/jobs", encode(&self.client.project))
    }

    fn dry_run(&self) -> Result<DryRun> {
        let document = self.document(&self.client.new_job(), self.location, true);
        let answer = self.client.post(&self.path(), &[], &document);
        let answer = answer.map_err(|refusal| self.explain(refusal))?;
        if let Some(refusal) = failure(&answer) {
            return Err(self.explain(refusal));
        }
        let statistics = &answer["statistics"];
        let query = &statistics["query"];
        if let Some(kind) = query["statementType"]
            .as_str()
            .filter(|kind| *kind != "SELECT")
        {
            return Err(
                Error::input(format!("the query is a {kind}, wanted a SELECT"))
                    .hint("only reading is done here; nothing was run"),
            );
        }
        let bytes =
            whole(&query["totalBytesProcessed"]).or(whole(&statistics["totalBytesProcessed"]));
        let name = |table: &Value| {
            let text = |key: &str| table[key].as_str().map(str::to_owned);
            Some(TableName {
                project: text("projectId")?,
                dataset: text("datasetId")?,
                table: text("tableId")?,
            })
        };
        let tables = query["referencedTables"].as_array();
        Ok(DryRun {
            bytes: bytes.unwrap_or(0),
            location: answer["jobReference"]["location"]
                .as_str()
                .map(str::to_owned),
            tables: tables
                .map(|tables| tables.iter().filter_map(name).collect())
                .unwrap_or_default(),
        })
    }

    /// Starts the job, again where it fails for a reason that passes.
    fn start(&self, location: Option<String>) -> Result<Running<'_>> {
        let location = self.location.map(str::to_owned).or(location);
        let mut tried = 0;
        loop {
            tried += 1;
            let id = self.client.new_job();
            let document = self.document(&id, location.as_deref(), false);
            let answer = match self.client.post(&self.path(), &[], &document) {
                // an earlier try has arrived, its answer has not
                Err(refusal) if refusal.is_there_already() => Ok(Value::Null),
                answer => answer,
            };
            let answer = answer.map_err(|refusal| self.explain(refusal))?;
            match failure(&answer) {
                Some(refusal) if refusal.passes() && tried < JOBS => {
                    self.client.sleep(Duration::from_secs(u64::from(tried)));
                }
                Some(refusal) => return Err(self.explain(refusal)),
                None => {
                    let reference = &answer["jobReference"];
                    return Ok(Running {
                        job: self,
                        id: reference["jobId"].as_str().map_or(id, str::to_owned),
                        location: reference["location"]
                            .as_str()
                            .map(str::to_owned)
                            .or(location),
                        done: false,
                    });
                }
            }
        }
    }
}

/// A job on its way. Dropped before its end, it is cancelled.
struct Running<'a> {
    job: &'a Job<'a>,
    id: String,
    location: Option<String>,
    done: bool,
}

impl Running<'_> {
    fn results(&self, page_rows: &str, token: Option<&str>) -> std::result::Result<Value, Refusal> {
        let path = format!(
            "{}/queries/{}",
            encode(&self.job.client.project),
            encode(&self.id)
        );
        // a short wait each, so that a wish to stop is heard
        let mut pairs = vec![("maxResults", page_rows), ("timeoutMs", "2000"), FORM];
        pairs.extend(
            self.location
                .as_deref()
                .map(|location| ("location", location)),
        );
        pairs.extend(token.map(|token| ("pageToken", token)));
        self.job.client.get(&path, &pairs)
    }

    /// Waits for the end of the job; its first page.
    fn wait(&mut self, page_rows: &str) -> Result<Value> {
        loop {
            let page = self.results(page_rows, None);
            let page = page.map_err(|refusal| self.job.explain(refusal))?;
            if page["jobComplete"].as_bool() == Some(true) {
                self.done = true;
                return match failure(&page) {
                    Some(refusal) => Err(self.job.explain(refusal)),
                    None => Ok(page),
                };
            }
            // one that answers at once without being ready is not asked in a hurry
            self.job.client.sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let client = self.job.client;
        let path = format!(
            "{}/jobs/{}/cancel",
            encode(&client.project),
            encode(&self.id)
        );
        let location = self
            .location
            .as_deref()
            .map(|location| ("location", location));
        let pairs: Vec<_> = location.into_iter().collect();
        let told = match client.farewell().post(&path, &pairs, &json!({})) {
            Ok(_) => "the query was cancelled in BigQuery",
            Err(_) => "the query could not be cancelled in BigQuery: it may run to its end",
        };
        client.watch.tell(told);
    }
}

/// The versions of all tables that a query reads; `None` where one cannot be told, or where the same tables may give other rows.
fn versions(client: &Client, text: &str, tables: &[TableName]) -> Option<String> {
    const CHANGING: &[&str] = &[
        "current_",
        "rand(",
        "rand (",
        "generate_uuid",
        "session_user",
        "tablesample",
        "system_time",
        "information_schema",
        "external_query",
    ];
    let lower = text.to_lowercase();
    if tables.is_empty() || CHANGING.iter().any(|word| lower.contains(word)) {
        return None;
    }
    let mut versions = Vec::new();
    for name in tables {
        let about = client.get(&name.path(), &[]).ok()?;
        versions.push(format!("{name} {}", version(&about)?));
    }
    versions.sort();
    Some(versions.join("\n"))
}
