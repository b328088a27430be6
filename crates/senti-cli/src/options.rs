//! The table of options: every flag, environment variable and configuration key, once.
//!
//! Nothing comes in; out go [`OPTIONS`] and how a text becomes a value. Arguments, environment, `senti-ai.toml`, `--show_config`, help
//! and `docs/options.md` are all made from this table, so a name cannot differ between them.

use senti::importance::groups::GroupBy;
use senti::models::MODELS;
use senti_io::bigquery;
use senti_io::parties::Series;
use senti_io::sources::SOURCES;
use serde_json::json;

use crate::every::{self, Every};
use crate::memory;

/// The commands that have options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `senti-ai train`
    Train,
    /// `senti-ai predict`
    Predict,
    /// `senti-ai backtest`
    Backtest,
    /// `senti-ai inspect`
    Inspect,
    /// `senti-ai models list`, `senti-ai models show MODEL`
    Models,
    /// `senti-ai models promote MODEL`
    Promote,
    /// `senti-ai models delete MODEL`
    Delete,
    /// `senti-ai models push [MODEL]`
    Push,
    /// `senti-ai models pull MODEL`
    Pull,
    /// `senti-ai models export-mlflow FILE.db`
    ExportMlflow,
    /// `senti-ai verify MODEL`
    Verify,
    /// `senti-ai audit`
    Audit,
    /// `senti-ai importance [MODEL]`
    Importance,
    /// `senti-ai export MODEL`
    Export,
    /// `senti-ai import FILE`
    Import,
    /// `senti-ai fetch SERIES`
    Fetch,
    /// `senti-ai sentiment FILE`
    Sentiment,
}

impl Verb {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Train => "train",
            Verb::Predict => "predict",
            Verb::Backtest => "backtest",
            Verb::Inspect => "inspect",
            Verb::Models => "models",
            Verb::Promote => "models promote",
            Verb::Delete => "models delete",
            Verb::Push => "models push",
            Verb::Pull => "models pull",
            Verb::ExportMlflow => "models export-mlflow",
            Verb::Verify => "verify",
            Verb::Audit => "audit",
            Verb::Importance => "importance",
            Verb::Export => "export",
            Verb::Import => "import",
            Verb::Fetch => "fetch",
            Verb::Sentiment => "sentiment",
        }
    }
}

/// What a text may say.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Present or absent; `true` or `false` outside the command line.
    Switch,
    /// A whole number of this range.
    Whole(u64, u64),
    /// A number that fits, and what fits.
    Number(fn(f64) -> bool, &'static str),
    /// Comma-separated whole numbers: range, and the most of them.
    Wholes(u64, u64, usize),
    /// One of these names.
    Choice(fn() -> Vec<&'static str>),
    /// One of these names, or a series of a party on the network.
    Source(fn() -> Vec<&'static str>),
    /// A file or folder.
    Path,
    /// Any text; the word stands for it in help.
    Text(&'static str),
    /// Texts, each given with a flag of its own, or separated by `;`; the word stands for one in help.
    Several(&'static str),
    /// A text that fits: word for help, what fits, and that in words.
    Fitting(&'static str, fn(&str) -> bool, &'static str),
}

/// A value of the right kind and range.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// [`Kind::Switch`]
    Switch(bool),
    /// [`Kind::Whole`]
    Whole(u64),
    /// [`Kind::Number`]
    Number(f64),
    /// [`Kind::Wholes`]
    Wholes(Vec<u64>),
    /// [`Kind::Choice`], [`Kind::Source`], [`Kind::Path`], [`Kind::Text`], [`Kind::Several`], [`Kind::Fitting`]
    Text(String),
}

/// A row of the table.
pub struct Opt {
    /// Flag (with `--`) and configuration key.
    pub name: &'static str,
    /// Heading in help.
    pub group: &'static str,
    /// Environment variables, the first set one wins.
    pub env: &'static [&'static str],
    /// Text of the default, read like a user's.
    pub default: Option<&'static str>,
    /// What happens without a default, for help: "the model's", "all cores".
    pub unset: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is.
    pub purpose: &'static str,
    /// Commands that have it.
    pub verbs: &'static [Verb],
}

use Kind::{Choice, Fitting, Number, Path, Several, Source, Switch, Text, Whole, Wholes};
use Verb::{
    Audit, Backtest, Delete, Export, ExportMlflow, Fetch, Import, Importance, Inspect, Models,
    Predict, Promote, Pull, Push, Sentiment, Train, Verify,
};

/// Heading of the options that say what is read; a model keeps what they said.
pub const DATA: &str = "Data";
const WINDOW: &str = "Window";
const WALK: &str = "Walk";
const MODEL: &str = "Model";
const TRAINING: &str = "Training";
const IMPORTANCE: &str = "Importance";
const SENTIMENT: &str = "Sentiment";
const BIGQUERY: &str = "BigQuery";
const MACHINE: &str = "Machine";
const OUTPUT: &str = "Output";
const MLFLOW: &str = "MLflow";
const NAMES: &str = "Names";
const SETTINGS: &str = "Settings";

const READERS: &[Verb] = &[
    Train, Predict, Backtest, Inspect, Verify, Audit, Importance, Import,
];
const SOURCED: &[Verb] = &[Train, Predict, Backtest, Verify, Audit, Importance, Import];
/// Every command; the last one's format is that of a file.
const EVERY: &[Verb] = &[
    Train,
    Predict,
    Backtest,
    Inspect,
    Models,
    Promote,
    Delete,
    Push,
    Pull,
    ExportMlflow,
    Verify,
    Audit,
    Importance,
    Import,
    Fetch,
    Sentiment,
    Export,
];
/// Those whose format is that of stdout.
const ALL: &[Verb] = EVERY.split_at(EVERY.len() - 1).0;
/// What may bring rows from the network.
const BRINGS: &[Verb] = &[
    Train, Predict, Backtest, Inspect, Verify, Audit, Importance, Import, Fetch,
];
const BOTH: &[Verb] = &[Train, Predict, Backtest];
const TRAINS: &[Verb] = &[Train, Backtest];
const ONLY_TRAIN: &[Verb] = &[Train];
const WALKS: &[Verb] = &[Backtest];
/// What says which windows there are, and what is learned of them.
const PLANS: &[Verb] = &[Train, Backtest, Audit, Import];
const SHAPED: &[Verb] = &[Train, Predict, Backtest, Audit, Import];
const SHOWN: &[Verb] = &[Train, Predict, Backtest, Audit];
const RUNS: &[Verb] = &[
    Train, Predict, Backtest, Audit, Importance, Import, Fetch, Sentiment,
];
const FETCHES: &[Verb] = &[Fetch];
const DRAWS: &[Verb] = &[Train, Predict, Backtest, Importance, Import];
const SEEDED: &[Verb] = &[Train, Backtest, Audit, Importance];
/// What can be told to a tracking server while it happens.
const TRACKED: &[Verb] = &[Train, Backtest, Import];
/// What makes runs: `push` makes one for a model whose training was not tracked.
const RECORDED: &[Verb] = &[Train, Backtest, Push, Import];
/// What has to do with saved models, in the folder or on a server.
const SHELVED: &[Verb] = &[
    Train, Predict, Models, Promote, Delete, Push, Pull, Verify, Importance, Import, Export,
];

const ROW: Opt = Opt {
    name: "",
    group: DATA,
    env: &[],
    default: None,
    unset: "",
    kind: Switch,
    purpose: "",
    verbs: BOTH,
};

const fn column(name: &'static str, env: &'static [&'static str], purpose: &'static str) -> Opt {
    let unset = "recognised";
    Opt {
        name,
        env,
        unset,
        kind: Text("NAME"),
        purpose,
        verbs: READERS,
        ..ROW
    }
}

const fn share(
    name: &'static str,
    env: &'static [&'static str],
    default: &'static str,
    purpose: &'static str,
) -> Opt {
    let kind = Number(|x| x > 0.0 && x < 0.9, "more than 0 and less than 0.9");
    Opt {
        name,
        group: WINDOW,
        env,
        default: Some(default),
        kind,
        purpose,
        verbs: PLANS,
        ..ROW
    }
}

fn is_date(text: &str) -> bool {
    senti::calendar::parse_time(text).is_ok()
}

/// May it stand behind `--write`?
fn writes(text: &str) -> bool {
    let target = text.strip_prefix("bigquery:");
    target.is_some_and(|target| bigquery::TableName::parse(target, Some("p"), Some("d")).is_ok())
}

/// Every option, in the order of help.
#[rustfmt::skip]
pub const OPTIONS: &[Opt] = &[
    Opt { name: "data_source", env: &["DATA_SOURCE"], unset: "what is given", kind: Source(|| SOURCES.iter().map(|source| source.name).collect()), purpose: "Where the rows come from, also a series as binance:BTCUSDT:1d (docs/fetch.md); when left out: local with a data path, bigquery with a project and a data set, else sample; in verify and importance: the model's", verbs: SOURCED, ..ROW },
    Opt { name: "data_path", env: &["DATA_PATH"], unset: "none", kind: Path, purpose: "File to read: CSV in any dialect, gzip, zstd or Parquet", verbs: SOURCED, ..ROW },
    column("target_column", &["SENTI_TARGET_COLUMN"], "Column to forecast: the closing price"),
    column("open_column", &["SENTI_OPEN_COLUMN"], "Column with the opening price"),
    column("high_column", &["SENTI_HIGH_COLUMN"], "Column with the highest price"),
    column("low_column", &["SENTI_LOW_COLUMN"], "Column with the lowest price"),
    column("close_column", &["SENTI_CLOSE_COLUMN"], "Column with the closing price; the same as --target_column"),
    column("volume_column", &["SENTI_VOLUME_COLUMN"], "Column with the traded volume"),
    Opt { name: "max_fill", env: &["SENTI_MAX_FILL"], unset: "3, or an hour's worth", kind: Whole(0, 100_000), purpose: "Longest gap to fill forward, in rows; a longer one splits the series", verbs: READERS, ..ROW },
    Opt { name: "join", env: &["SENTI_JOIN"], unset: "none", kind: Several("FILE[,KEY=VALUE]"), purpose: "File whose series are joined to the candles as of the time they became known, as `nasdaq.csv,lag=16h15m,zone=America/New_York`; may be given several times. Keys: name, columns, lag, zone, frequency, time, known, age (docs/joins.md); in predict, verify and importance: the model's", verbs: READERS, ..ROW },
    Opt { name: "gcp_project", env: &["GCP_PROJECT", "GOOGLE_CLOUD_PROJECT"], unset: "none", kind: Text("NAME"), purpose: "Google Cloud project for bigquery", verbs: SOURCED, ..ROW },
    Opt { name: "bq_dataset", env: &["BQ_DATASET"], unset: "none", kind: Text("NAME"), purpose: "Data set for bigquery", verbs: SOURCED, ..ROW },
    Opt { name: "table", env: &["BQ_TABLE"], default: Some("raw"), kind: Text("NAME"), purpose: "Table for bigquery: table, dataset.table or project.dataset.table", verbs: SOURCED, ..ROW },
    Opt { name: "query", env: &["BQ_QUERY"], unset: "the whole table", kind: Text("SQL"), purpose: "Query for bigquery, a SELECT in GoogleSQL, instead of a table", verbs: SOURCED, ..ROW },
    Opt { name: "bq_location", env: &["BQ_LOCATION"], unset: "found out", kind: Text("PLACE"), purpose: "Where the data of bigquery are: US, EU, europe-west3", verbs: SOURCED, ..ROW },

    Opt { name: "max_bytes_billed", group: BIGQUERY, env: &["BQ_MAX_BYTES_BILLED"], default: Some("10GiB"), kind: Fitting("SIZE", |text| memory::parse(text).is_some(), memory::WANTED), purpose: "Most that a query may bill; one that would read more is not run", verbs: SOURCED, ..ROW },
    Opt { name: "bq_cache", group: BIGQUERY, env: &["BQ_CACHE"], default: Some("auto"), kind: Choice(|| bigquery::Mode::ALL.map(bigquery::Mode::name).to_vec()), purpose: "Local copies of what was read: auto reads one while it is as new as the table, renew writes it anew, only asks nobody, off keeps none", verbs: SOURCED, ..ROW },
    Opt { name: "bq_page_rows", group: BIGQUERY, env: &["BQ_PAGE_ROWS"], default: Some("50000"), kind: Whole(1, 10_000_000), purpose: "Rows to ask for at once", verbs: SOURCED, ..ROW },
    Opt { name: "bq_emulator", group: BIGQUERY, env: &["BIGQUERY_EMULATOR_HOST"], unset: "none", kind: Text("HOST:PORT"), purpose: "Emulator to ask instead of Google, without credentials", verbs: SOURCED, ..ROW },
    Opt { name: "write", group: BIGQUERY, env: &["SENTI_WRITE"], unset: "nowhere", kind: Fitting("bigquery:TABLE", writes, "bigquery: and dataset.table or project.dataset.table"), purpose: "Table to write the forecast into; made where it is missing", verbs: &[Predict], ..ROW },
    Opt { name: "write_mode", group: BIGQUERY, env: &["SENTI_WRITE_MODE"], default: Some("append"), kind: Choice(|| bigquery::WriteMode::ALL.map(bigquery::WriteMode::name).to_vec()), purpose: "With --write: keep the rows that are there, or replace them all", verbs: &[Predict], ..ROW },

    Opt { name: "from", env: &["SENTI_FROM"], unset: "all there is", kind: Fitting("DATE", is_date, "a date as 2023-07-01"), purpose: "First row of a series from the network", verbs: BRINGS, ..ROW },
    Opt { name: "until", env: &["SENTI_UNTIL"], unset: "now", kind: Fitting("DATE", is_date, "a date as 2023-07-01"), purpose: "First date or time that is no longer fetched", verbs: FETCHES, ..ROW },
    Opt { name: "check", env: &["SENTI_CHECK"], unset: "none", kind: Text("SERIES"), purpose: "Second series to compare the closes with, as coinbase:BTC-USD:1d", verbs: FETCHES, ..ROW },

    Opt { name: "input_seq_length", group: WINDOW, env: &["LSTM_INPUT_SEQ_LENGTH"], default: Some("30"), unset: "the model's", kind: Whole(1, 10_000), purpose: "Past steps that a forecast looks at", verbs: SHAPED },
    Opt { name: "forecast_horizon", group: WINDOW, env: &["LSTM_FORECAST_HORIZON"], default: Some("30"), unset: "the model's", kind: Whole(1, 10_000), purpose: "Steps ahead to forecast", verbs: SHAPED },
    share("valid_share", &["SENTI_VALID_SHARE"], "0.1", "Share of the windows for early stopping"),
    share("calibration_share", &["SENTI_CALIBRATION_SHARE"], "0.1", "Share of the windows for the intervals"),
    Opt { verbs: &[Train, Audit, Import], ..share("test_share", &["SENTI_TEST_SHARE"], "0.15", "Share of the windows for the test, touched once") },

    Opt { name: "models", group: WALK, env: &["SENTI_MODELS"], default: Some("lstm,basic"), kind: Text("NAMES"), purpose: "Models to walk with over the same origins, separated by commas, or all: lstm, basic, trees; naive, naive_365, naive_730, ewma, har, har_730, garch, drift, seasonal_naive, moving_average, ets, theta, ar. naive and har_730 come by themselves, to measure against", verbs: WALKS, ..ROW },
    Opt { name: "start", group: WALK, env: &["SENTI_START"], unset: "the last origins", kind: Fitting("DATE", is_date, "a date as 2023-07-01"), purpose: "First origin: the last known candle of the first forecast", verbs: WALKS, ..ROW },
    Opt { name: "origins", group: WALK, env: &["SENTI_ORIGINS"], default: Some("365"), kind: Whole(1, 10_000_000), purpose: "Origins to forecast from, the newest ones; where no start is given. In audit: sampled ones behind which rows are altered, 8 by default; in importance: held-out windows to measure on at most, evenly spread, 300 by default", verbs: &[Backtest, Audit, Importance], ..ROW },
    Opt { name: "step", group: WALK, env: &["SENTI_STEP"], default: Some("1"), kind: Whole(1, 100_000), purpose: "Rows from one origin to the next", verbs: WALKS, ..ROW },
    Opt { name: "refit_every", group: WALK, env: &["SENTI_REFIT_EVERY"], default: Some("91"), kind: Whole(1, 10_000_000), purpose: "Rows until everything is learned anew", verbs: WALKS, ..ROW },
    Opt { name: "train_window", group: WALK, env: &["SENTI_TRAIN_WINDOW"], unset: "all rows before", kind: Whole(1, 10_000_000), purpose: "Newest rows to learn from", verbs: WALKS, ..ROW },
    Opt { name: "embargo", group: WALK, env: &["SENTI_EMBARGO"], default: Some("1"), kind: Whole(0, 100_000), purpose: "Newest rows before a fold that nothing is learned from; labels that reach further are left out in any case", verbs: WALKS, ..ROW },
    Opt { name: "warm", group: WALK, env: &["SENTI_WARM"], kind: Switch, purpose: "Start each training from the weights of the one before; folds then follow one another", verbs: WALKS, ..ROW },
    Opt { name: "tried", group: WALK, env: &["SENTI_TRIED"], default: Some("1"), kind: Whole(1, 1_000_000_000), purpose: "Configurations that were tried on these data before this one; the report card takes account of it", verbs: WALKS, ..ROW },
    Opt { name: "trade", group: WALK, env: &["SENTI_TRADE"], kind: Switch, purpose: "Also tell what trading on the forecasts would have brought: the next candle, after costs, beside buy-and-hold and random entries", verbs: WALKS, ..ROW },
    Opt { name: "fee", group: WALK, env: &["SENTI_FEE"], default: Some("0.001"), kind: Number(|x| (0.0..0.5).contains(&x), "from 0 to below 0.5"), purpose: "With --trade: fee of a change of position, as a share", verbs: WALKS, ..ROW },
    Opt { name: "slippage", group: WALK, env: &["SENTI_SLIPPAGE"], default: Some("0.0005"), kind: Number(|x| (0.0..0.5).contains(&x), "from 0 to below 0.5"), purpose: "With --trade: what a change of position loses to the price moving away, as a share", verbs: WALKS, ..ROW },
    Opt { name: "short", group: WALK, env: &["SENTI_SHORT"], kind: Switch, purpose: "With --trade: sell short where the forecast is down, instead of staying out", verbs: WALKS, ..ROW },

    Opt { name: "model_type", group: MODEL, env: &["MODEL_TYPE"], default: Some("lstm"), kind: Choice(|| MODELS.iter().filter(|model| model.trains).map(|model| model.name).collect()), purpose: "Model: lstm is the bidirectional LSTM, basic a ridge regression, trees are boosted quantile trees", verbs: &[Train, Predict, Audit], ..ROW },
    Opt { name: "model", group: MODEL, env: &["SENTI_MODEL"], unset: "the newest of the model type", kind: Fitting("MODEL", |text| senti_io::registry::Reference::parse(text).is_ok(), "lstm, lstm/3, lstm@champion, lstm/Production or models:/sentiai_model_lstm@champion"), purpose: "Model to forecast with: lstm/3, lstm@champion, lstm/Production; models:/sentiai_model_lstm@champion is in the MLflow registry", verbs: &[Predict], ..ROW },
    Opt { name: "version", group: MODEL, env: &["SENTI_VERSION"], unset: "the newest", kind: Whole(1, 4_294_967_295), purpose: "Version of the model in the registry", verbs: &[Predict], ..ROW },
    Opt { name: "units", group: MODEL, env: &["SENTI_UNITS"], default: Some("32"), kind: Wholes(1, 4096, 8), purpose: "Units of each bidirectional layer (the original's were 128,64)", verbs: TRAINS, ..ROW },
    Opt { name: "dropout", group: MODEL, env: &["SENTI_DROPOUT"], default: Some("0.2"), kind: Number(|x| (0.0..=0.99).contains(&x), "from 0 to 0.99"), purpose: "Share of values dropped behind each layer", verbs: TRAINS, ..ROW },
    Opt { name: "target", group: MODEL, env: &["SENTI_TARGET"], default: Some("log_return"), kind: Choice(|| vec!["log_return", "price"]), purpose: "What is learned: the move from the last close, or the price itself (the original's recipe)", verbs: PLANS, ..ROW },
    Opt { name: "loss", group: MODEL, env: &["SENTI_LOSS"], default: Some("pinball"), kind: Choice(|| vec!["pinball", "mse", "mae", "huber"]), purpose: "What training minimises; pinball learns 19 quantiles", verbs: PLANS, ..ROW },

    Opt { name: "epochs", group: TRAINING, env: &["LSTM_MAX_EPOCHS"], default: Some("100"), kind: Whole(1, 1_000_000), purpose: "Passes over the training windows, at most", verbs: TRAINS, ..ROW },
    Opt { name: "batch_size", group: TRAINING, env: &["LSTM_BATCH_SIZE"], default: Some("32"), kind: Whole(1, 65_536), purpose: "Windows in a batch", verbs: TRAINS, ..ROW },
    Opt { name: "learning_rate", group: TRAINING, env: &["LSTM_LEARNING_RATE"], default: Some("0.001"), kind: Number(|x| x > 0.0 && x <= 1.0, "more than 0 and at most 1"), purpose: "Learning rate of Adam", verbs: TRAINS, ..ROW },
    Opt { name: "patience", group: TRAINING, env: &["LSTM_EARLY_STOPPING_PATIENCE"], default: Some("15"), kind: Whole(1, 1_000_000), purpose: "Epochs without improvement before stopping", verbs: TRAINS, ..ROW },
    Opt { name: "seed", group: TRAINING, env: &["RANDOM_SEED"], default: Some("42"), kind: Whole(0, u64::MAX), purpose: "Seed of every random stream", verbs: SEEDED, ..ROW },
    Opt { name: "weights", group: TRAINING, env: &["SENTI_WEIGHTS"], unset: "fresh ones", kind: Path, purpose: "File of weights to start the lstm from: Keras (.keras, .h5), a PyTorch state dict, or safetensors; docs/weights.md tells what they must be", verbs: ONLY_TRAIN, ..ROW },
    Opt { name: "memory", group: TRAINING, env: &["SENTI_MEMORY"], unset: "no limit", kind: Fitting("SIZE", |text| memory::parse(text).is_some(), memory::WANTED), purpose: "Most memory to use, as 2GiB or 500MB; what would take more is refused before training starts", verbs: &[Train, Import], ..ROW },
    Opt { name: "checkpoint_every", group: TRAINING, env: &["SENTI_CHECKPOINT_EVERY"], default: Some("10s"), kind: Fitting("TIME", |text| Every::parse(text).is_some(), every::WANTED), purpose: "How often a training is kept for --resume: 30s, 5min, 5epochs or never; changes no result", verbs: ONLY_TRAIN, ..ROW },
    Opt { name: "resume", group: TRAINING, kind: Switch, purpose: "Continue from the checkpoint in the output folder", verbs: ONLY_TRAIN, ..ROW },

    Opt { name: "repeats", group: IMPORTANCE, env: &["SENTI_REPEATS"], default: Some("10"), kind: Whole(1, 10_000), purpose: "Shuffles of every group of columns", verbs: &[Importance], ..ROW },
    Opt { name: "group_by", group: IMPORTANCE, env: &["SENTI_GROUP_BY"], default: Some("correlation"), kind: Choice(|| GroupBy::ALL.map(GroupBy::name).to_vec()), purpose: "Columns to shuffle together: those that are alike (|Spearman's rho| above 0.7), of one kind, or none", verbs: &[Importance], ..ROW },

    Opt { name: "time_column", group: SENTIMENT, env: &["SENTI_TIME_COLUMN"], unset: "recognised", kind: Text("NAME"), purpose: "Column with the time of publication", verbs: &[Sentiment], ..ROW },
    Opt { name: "text_column", group: SENTIMENT, env: &["SENTI_TEXT_COLUMN"], unset: "title, headline, description, text and the like", kind: Text("NAMES"), purpose: "Columns with titles and texts, separated by commas", verbs: &[Sentiment], ..ROW },
    Opt { name: "author_column", group: SENTIMENT, env: &["SENTI_AUTHOR_COLUMN"], unset: "recognised, or none", kind: Text("NAME"), purpose: "Column with the author", verbs: &[Sentiment], ..ROW },
    Opt { name: "author_cap", group: SENTIMENT, env: &["SENTI_AUTHOR_CAP"], default: Some("10"), kind: Whole(1, 1_000_000), purpose: "Posts of one author that count in a day, the first ones", verbs: &[Sentiment], ..ROW },

    Opt { name: "threads", group: MACHINE, env: &["SENTI_THREADS"], unset: "all cores", kind: Whole(1, 1024), purpose: "Threads to compute with; changes no result", verbs: &[Train, Backtest, Verify, Audit, Importance, Import], ..ROW },
    Opt { name: "simd", group: MACHINE, env: &["SENTI_SIMD"], default: Some("auto"), kind: Choice(crate::machine::names), purpose: "Instruction set to compute with; auto takes the widest (verify: the model's)", verbs: SOURCED, ..ROW },

    Opt { name: "offline", group: MACHINE, env: &["SENTI_OFFLINE"], kind: Switch, purpose: "Ask nobody on the network: take a series as it was fetched last, models:/… from the cache, and an alias as it was last known", verbs: &[Train, Predict, Backtest, Inspect, Models, Pull, Verify, Audit, Importance, Import, Export], ..ROW },

    Opt { name: "output", group: OUTPUT, env: &["SENTI_OUTPUT"], default: Some("senti-output"), unset: "write nothing", kind: Path, purpose: "Folder for scores, forecasts and plots; in fetch: the file, FILE.csv or FILE.parquet, or a folder for it", verbs: RUNS },
    Opt { name: "registry", group: OUTPUT, env: &["SENTI_REGISTRY"], default: Some("senti-models"), kind: Path, purpose: "Folder of the saved models, and of runs that wait for MLflow", verbs: &[Train, Predict, Backtest, Models, Promote, Delete, Push, Pull, ExportMlflow, Verify, Importance, Import, Export], ..ROW },
    Opt { name: "no_plot", group: OUTPUT, env: &["SENTI_NO_PLOT"], kind: Switch, purpose: "Draw no plots", verbs: DRAWS, ..ROW },
    Opt { name: "format", group: OUTPUT, env: &["SENTI_FORMAT"], default: Some("text"), kind: Choice(|| vec!["text", "json"]), purpose: "Form of the result on stdout", verbs: ALL, ..ROW },
    Opt { name: "quiet", group: OUTPUT, env: &["SENTI_QUIET"], kind: Switch, purpose: "Say nothing on stderr but errors", verbs: EVERY, ..ROW },

    Opt { name: "tracking_uri", group: MLFLOW, env: &["MLFLOW_TRACKING_URI"], unset: "none: nothing is logged", kind: Text("URI"), purpose: "Address of an MLflow server: train and backtest log runs there while they happen, and its registry is meant unless --registry_uri names another; user, password and token come from MLFLOW_TRACKING_USERNAME, _PASSWORD and _TOKEN or ~/.mlflow/credentials", verbs: &[Train, Backtest, Predict, Models, Promote, Delete, Push, Pull, Verify, Importance, Export, Import], ..ROW },
    Opt { name: "experiment_name", group: MLFLOW, env: &["MLFLOW_EXPERIMENT_NAME"], unset: "Default", kind: Fitting("NAME", |text| (1..=500).contains(&text.chars().count()), "a text of 1 to 500 characters"), purpose: "Experiment that runs belong to; made where it is missing", verbs: &[Train, Backtest, Push, ExportMlflow, Import], ..ROW },
    Opt { name: "experiment_id", group: MLFLOW, env: &["MLFLOW_EXPERIMENT_ID"], unset: "that of the name", kind: Text("ID"), purpose: "Number of the experiment; wins over its name", verbs: RECORDED, ..ROW },
    Opt { name: "run_id", group: MLFLOW, env: &["MLFLOW_RUN_ID"], unset: "a new run", kind: Text("ID"), purpose: "Run of MLflow to log into, instead of making one", verbs: TRACKED, ..ROW },
    Opt { name: "run_name", group: MLFLOW, env: &["MLFLOW_RUN_NAME"], unset: "model, horizon and a number", kind: Fitting("NAME", |text| (1..=250).contains(&text.chars().count()), "a text of 1 to 250 characters"), purpose: "Name of the run", verbs: TRACKED, ..ROW },
    Opt { name: "log_system_metrics", group: MLFLOW, env: &["MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"], kind: Switch, purpose: "Also log processor, memory and network every 10 seconds (Linux)", verbs: TRACKED, ..ROW },
    Opt { name: "tracking_wait", group: MLFLOW, env: &["SENTI_TRACKING_WAIT"], default: Some("10"), kind: Number(|x| (0.0..=86_400.0).contains(&x), "from 0 to 86400"), purpose: "Seconds to wait at the end for what the server does not have yet; the rest is kept for `senti-ai models push`", verbs: TRACKED, ..ROW },
    Opt { name: "registry_uri", group: MLFLOW, env: &["MLFLOW_REGISTRY_URI"], unset: "that of --tracking_uri", kind: Text("URI"), purpose: "Address of the MLflow server whose registry is meant by models:/…, --register, --remote, push and pull", verbs: SHELVED, ..ROW },
    Opt { name: "model_name", group: MLFLOW, env: &["MLFLOW_MODEL_NAME"], default: Some("sentiai_model"), kind: Fitting("NAME", |text| senti_io::registry::Registry::named("", text).is_ok(), "up to 100 letters, digits, `_`, `-` or `.`"), purpose: "Start of the names in the MLflow registry: basic is called so, lstm NAME_lstm, and so on", verbs: &[Train, Predict, Models, Promote, Delete, Push, Pull, ExportMlflow, Verify, Importance, Export, Import], ..ROW },
    Opt { name: "register", group: MLFLOW, env: &["SENTI_REGISTER"], kind: Switch, purpose: "Also register the model in the MLflow registry; where that fails, it is saved all the same and `senti-ai models push` does it later", verbs: &[Train, Import], ..ROW },
    Opt { name: "remote", group: MLFLOW, kind: Switch, purpose: "Look into the MLflow registry; a model that is called models:/… is there in any case", verbs: &[Models, Promote, Delete], ..ROW },

    Opt { name: "alias", group: NAMES, unset: "champion, where no stage is given", kind: Fitting("NAME", |text| senti_io::registry::check_alias(text).is_ok(), "up to 255 letters, digits, `_` or `-`, neither `latest` nor `v` and a number"), purpose: "Alias that points at this version from now on", verbs: &[Promote], ..ROW },
    Opt { name: "stage", group: NAMES, unset: "none", kind: Fitting("None|Staging|Production|Archived", |text| senti_io::registry::Stage::parse(text).is_some(), "None, Staging, Production or Archived"), purpose: "Stage that this version is in from now on", verbs: &[Promote], ..ROW },
    Opt { name: "archive_existing_versions", group: NAMES, kind: Switch, purpose: "With --stage: archive the versions that were in that stage", verbs: &[Promote], ..ROW },
    Opt { name: "force", group: NAMES, kind: Switch, purpose: "Delete even what an alias points at", verbs: &[Delete], ..ROW },

    Opt { name: "config", group: SETTINGS, env: &["SENTI_CONFIG"], unset: "senti-ai.toml, where there is one", kind: Path, purpose: "TOML file with any of these names as keys", verbs: EVERY, ..ROW },
    Opt { name: "show_config", group: SETTINGS, kind: Switch, purpose: "Print each value and where it came from, and stop", verbs: SHOWN, ..ROW },
];

/// Options that ask for one run and are no setting: they have no key in a file.
pub const FLAGS_ONLY: &[&str] = &[
    "resume",
    "config",
    "show_config",
    "remote",
    "alias",
    "stage",
    "archive_existing_versions",
    "force",
];

/// The row of this name.
pub fn find(name: &str) -> Option<&'static Opt> {
    OPTIONS.iter().find(|option| option.name == name)
}

impl Opt {
    /// Does this command have it?
    pub fn serves(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }

    /// The default for this command. A forecast takes its lengths from the model, an import its horizon; forecast, audit and scoring write only where they
    /// are told to.
    pub fn default_for(&self, verb: Verb) -> Option<&'static str> {
        let from_model = ["input_seq_length", "forecast_horizon", "output"].contains(&self.name);
        match (verb, self.name) {
            (Predict, _) if from_model => None,
            (Audit | Sentiment, "output") => None,
            // of a file that does not say how its network was trained: as the original's
            (Import, "loss") => Some("mse"),
            (Import, "target") => Some("price"),
            (Import, "forecast_horizon") => None,
            (Fetch, "output") => Some("."),
            (Audit, "origins") => Some("8"),
            (Importance, "origins") => Some("300"),
            _ => self.default,
        }
    }

    /// What help calls the value.
    pub fn value_name(&self) -> String {
        match self.kind {
            Switch => String::new(),
            Whole(..) => "N".into(),
            Number(..) => "X".into(),
            Wholes(..) => "N,N".into(),
            Choice(names) => names().join("|"),
            Source(names) => format!("{}|PARTY:SYMBOL:INTERVAL", names().join("|")),
            Path if ["output", "registry"].contains(&self.name) => "DIR".into(),
            Path => "FILE".into(),
            Text(word) | Several(word) | Fitting(word, ..) => word.into(),
        }
    }

    /// What is wanted of it, for errors and documentation.
    pub fn wanted(&self) -> String {
        match self.kind {
            Switch => "true or false".into(),
            Whole(low, u64::MAX) => format!("a whole number from {low}"),
            Whole(low, high) => format!("a whole number from {low} to {high}"),
            Number(_, wanted) => format!("a number {wanted}"),
            Wholes(low, high, most) => {
                format!("1 to {most} whole numbers from {low} to {high}, separated by commas")
            }
            Choice(names) => names().join(" or "),
            Source(names) => format!("{} or a series as binance:BTCUSDT:1d", names().join(" or ")),
            Path => "a path".into(),
            Text(_) => "a text".into(),
            Several(word) => format!("{word}, several separated by `;`"),
            Fitting(_, _, wanted) => wanted.into(),
        }
    }

    /// Reads a text; `None` where it is of another kind or out of range.
    pub fn parse(&self, text: &str) -> Option<Value> {
        let text = text.trim();
        let whole = |text: &str, low, high| {
            let value = text.trim().parse::<u64>().ok();
            value.filter(|value| (low..=high).contains(value))
        };
        match self.kind {
            Switch => match text.to_ascii_lowercase().as_str() {
                "true" | "1" | "yes" | "on" => Some(Value::Switch(true)),
                "false" | "0" | "no" | "off" => Some(Value::Switch(false)),
                _ => None,
            },
            Whole(low, high) => whole(text, low, high).map(Value::Whole),
            Number(fits, _) => text
                .parse::<f64>()
                .ok()
                .filter(|&x| fits(x))
                .map(Value::Number),
            Wholes(low, high, most) => {
                let values: Option<Vec<u64>> =
                    text.split(',').map(|part| whole(part, low, high)).collect();
                values
                    .filter(|values| values.len() <= most)
                    .map(Value::Wholes)
            }
            Choice(names) => names()
                .contains(&text)
                .then(|| Value::Text(text.to_owned())),
            // what is wrong in the name of a series is said where it is read
            Source(names) => {
                (names().contains(&text) || Series::is_meant(text) || text.contains(':'))
                    .then(|| Value::Text(text.to_owned()))
            }
            Fitting(_, fits, _) => fits(text).then(|| Value::Text(text.to_owned())),
            Path | Text(_) | Several(_) => (!text.is_empty()).then(|| Value::Text(text.to_owned())),
        }
    }
}

impl Value {
    /// For JSON.
    pub fn json(&self) -> serde_json::Value {
        match self {
            Value::Switch(on) => json!(on),
            Value::Whole(value) => json!(value),
            Value::Number(value) => json!(value),
            Value::Wholes(values) => json!(values),
            Value::Text(text) => json!(text),
        }
    }

    /// The same without user and password, where it is an address.
    pub fn shown(&self) -> Self {
        match self {
            Value::Text(text) if text.contains("://") => {
                Value::Text(senti_io::http::address::without_secrets(text))
            }
            other => other.clone(),
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Switch(on) => write!(f, "{on}"),
            Value::Whole(value) => write!(f, "{value}"),
            Value::Number(value) => write!(f, "{value}"),
            Value::Wholes(values) => {
                let texts: Vec<String> = values.iter().map(u64::to_string).collect();
                write!(f, "{}", texts.join(","))
            }
            Value::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use senti::plan::Draft;

    #[test]
    fn the_help_names_every_model_that_can_walk() {
        let row = find("models").unwrap_or_else(|| panic!("a row"));
        for name in senti::backtest::walk::names() {
            let words = row
                .purpose
                .split(|c: char| !c.is_alphanumeric() && c != '_');
            assert!(words.into_iter().any(|word| word == name), "{name}");
        }
    }

    /// The page of documentation that this table makes.
    fn page() -> String {
        let mut page = String::from(
            "# Options\n\nMade from `crates/senti-cli/src/options.rs`; a test compares the two (`SENTI_BLESS=1 cargo test -p senti-cli` rewrites this page).\n\n\
             A flag wins over the environment, the environment over a `.env` file, that over `senti-ai.toml` (or `--config FILE`), and that over the default.\n\
             Flags may be spelled with `-` for `_`. Keys of the file are the flags without the leading dashes. `senti-ai train --show_config` prints each value and where it came from.\n",
        );
        let mut group = "";
        for option in OPTIONS {
            if option.group != group {
                group = option.group;
                page += &format!(
                    "\n## {group}\n\n| flag | environment | default | what it is | wanted | commands |\n| --- | --- | --- | --- | --- | --- |\n"
                );
            }
            let env: Vec<String> = option.env.iter().map(|name| format!("`{name}`")).collect();
            let default = match option.default {
                Some(text) if option.unset.is_empty() => format!("`{text}`"),
                Some(text) => format!("`{text}`; in predict: {}", option.unset),
                None => option.unset.to_owned(),
            };
            let import = option.default_for(Import);
            let default = match (option.serves(Import) && import != option.default, import) {
                (true, Some(text)) => {
                    format!("{default}; in import: `{text}`, unless the file says")
                }
                (true, None) => format!("{default}; in import: the file's"),
                (false, _) => default,
            };
            let verbs: Vec<&str> = option.verbs.iter().map(|verb| verb.name()).collect();
            page += &format!(
                "| `--{}` | {} | {default} | {} | {} | {} |\n",
                option.name,
                env.join(", "),
                option.purpose,
                option.wanted(),
                verbs.join(", ")
            );
        }
        page
    }

    #[test]
    fn the_documentation_is_made_from_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
        if std::env::var_os("SENTI_BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), page());
    }

    #[test]
    fn names_and_variables_are_unique_and_defaults_parse() {
        let mut seen = std::collections::BTreeSet::new();
        for option in OPTIONS {
            assert!(seen.insert(option.name), "{} twice", option.name);
            for env in option.env {
                assert!(seen.insert(env), "{env} twice");
            }
            if let Some(text) = option.default {
                assert!(option.parse(text).is_some(), "{}: {text}", option.name);
            }
        }
    }

    /// The original's documented defaults are the path's defaults.
    #[test]
    fn defaults_are_those_of_the_plan() {
        let draft = serde_json::to_value(Draft::default()).unwrap();
        for (name, value) in draft.as_object().unwrap() {
            let option = find(name).unwrap_or_else(|| panic!("no option for `{name}`"));
            let default = option.parse(option.default.unwrap()).unwrap();
            assert_eq!(&default.json(), value, "{name}");
        }
    }

    #[track_caller]
    fn check(name: &str, text: &str, wanted: Option<Value>) {
        assert_eq!(find(name).unwrap().parse(text), wanted, "{name} {text}");
    }

    #[test]
    fn texts_become_values_of_the_right_kind_and_range() {
        check("epochs", "7", Some(Value::Whole(7)));
        check("epochs", "0", None);
        check("epochs", "-3", None);
        check("epochs", "1e3", None);
        check("epochs", "99999999999999999999999", None);
        check("seed", "18446744073709551615", Some(Value::Whole(u64::MAX)));
        check("units", "8, 4", Some(Value::Wholes(vec![8, 4])));
        check("units", "8,,4", None);
        check("units", "1,1,1,1,1,1,1,1,1", None);
        check("dropout", "0", Some(Value::Number(0.0)));
        check("dropout", "1", None);
        check("dropout", "0.999999999", None);
        check("dropout", "0.99", Some(Value::Number(0.99)));
        check("threads", "1025", None);
        check("dropout", "NaN", None);
        check("learning_rate", "inf", None);
        check("loss", "mse", Some(Value::Text("mse".into())));
        check("loss", "mes", None);
        check("no_plot", "yes", Some(Value::Switch(true)));
        check("data_path", " ", None);
        check(
            "checkpoint_every",
            "5 epochs",
            Some(Value::Text("5 epochs".into())),
        );
        check("checkpoint_every", "30", None);
        for (text, fits) in [
            ("fear_greed", true),
            ("binance:BTCUSDT", true),
            ("binance", false),
        ] {
            let wanted = fits.then(|| Value::Text(text.into()));
            check("data_source", text, wanted);
        }
    }
}
