//! Where an MLflow server is, and who asks: the same variables as MLflow's Python client.
//!
//! In come an address and a way to look variables up; out goes a [`Connection`]. User and password win over a token, variables over
//! the address, the address over `~/.mlflow/credentials`. Nothing secret is ever shown: `Debug` leaves it out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;
use senti::{Error, Result};

use crate::http::address::without_secrets;
use crate::http::{Address, Http, Limits, Trust};

/// The variables that are read here, in the order of documentation. Those that name an experiment or a run belong to tracking.
///
/// | name | purpose |
/// | --- | --- |
/// | `MLFLOW_TRACKING_USERNAME`, `MLFLOW_TRACKING_PASSWORD` | basic authentication |
/// | `MLFLOW_TRACKING_TOKEN` | bearer token |
/// | `MLFLOW_TRACKING_INSECURE_TLS` | `true`: believe any certificate |
/// | `MLFLOW_TRACKING_SERVER_CERT_PATH` | certificates to believe (PEM) |
/// | `MLFLOW_TRACKING_CLIENT_CERT_PATH` | own certificate with its key (PEM) |
/// | `MLFLOW_WORKSPACE` | workspace of MLflow 3 |
/// | `MLFLOW_HTTP_REQUEST_TIMEOUT` | seconds for one try (120) |
/// | `MLFLOW_HTTP_REQUEST_MAX_RETRIES` | tries after the first (4 here, 7 in Python) |
/// | `MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR` | seconds before the second try (0.5 here, 2 in Python) |
/// | `MLFLOW_HTTP_REQUEST_BACKOFF_JITTER` | seconds of which a random share is added (0.5 here, 1 in Python) |
pub const VARIABLES: &[&str] = &[
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_WORKSPACE",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER",
];

/// What an address of MLflow may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A server that can be asked.
    Server(String),
    /// A store that only MLflow's own server may open.
    Store(String),
    /// Databricks.
    Databricks,
}

impl Place {
    /// Reads an address as MLflow does: anything without a known scheme is a folder.
    pub fn of(uri: &str) -> Self {
        let uri = uri.trim();
        let lower = uri.to_lowercase();
        if lower.starts_with("http://") || lower.starts_with("https://") {
            Self::Server(uri.to_owned())
        } else if lower == "databricks"
            || lower.starts_with("databricks:")
            || lower.starts_with("databricks-uc")
            || lower.starts_with("uc:")
        {
            Self::Databricks
        } else {
            Self::Store(uri.to_owned())
        }
    }
}

/// A server and who asks it.
#[derive(Clone)]
pub struct Connection {
    address: Address,
    authorization: Option<String>,
    secrets: Vec<String>,
    workspace: Option<String>,
    trust: Trust,
    limits: Limits,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address.base())
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// To the server at `uri`. `named` is what the address was given as, for errors: `--tracking_uri`. `home` is the folder that may
    /// hold `.mlflow/credentials`.
    pub fn open(
        uri: &str,
        named: &str,
        variable: &dyn Fn(&str) -> Option<String>,
        home: Option<&Path>,
    ) -> Result<Self> {
        let shown = without_secrets(uri.trim());
        let address = match Place::of(uri) {
            Place::Server(server) => Address::parse(&server)
                .map_err(|error| error.within(format!("`{named}` cannot be used")))?,
            Place::Databricks => {
                return Err(Error::unsupported(format!(
                    "`{named}` is `{shown}`, and Databricks is not spoken here"
                ))
                .hint("give the http address of an MLflow server"));
            }
            Place::Store(_) => {
                let scheme = uri.split(':').next().unwrap_or_default().to_lowercase();
                let databases = ["sqlite", "mysql", "postgresql", "mssql"];
                let is_database = databases
                    .iter()
                    .any(|known| scheme == *known || scheme.starts_with(&format!("{known}+")));
                let what = if is_database {
                    "a database"
                } else {
                    "a folder"
                };
                // a database's address may hold a password: it is shown without
                let store = if scheme == "sqlite" || !is_database {
                    shown.clone()
                } else {
                    format!("{scheme}://…")
                };
                return Err(Error::input(format!(
                    "`{named}` is `{shown}`, {what}, wanted the address of a server"
                ))
                .hint(format!(
                    "run `mlflow server --backend-store-uri {store}` and give `http://127.0.0.1:5000`; without a server, `senti-ai models export-mlflow FILE.db` writes a store that `mlflow ui` opens"
                )));
            }
        };
        let variable = |name: &str| {
            variable(name)
                .map(|text| text.trim().to_owned())
                .filter(|text| !text.is_empty())
        };
        let kept = home.map(credentials).unwrap_or_default();
        let said = |name: &str, in_file: &str| {
            variable(name).or_else(|| {
                let found = kept.iter().find(|(key, _)| key == in_file);
                found.map(|(_, value)| value.clone())
            })
        };
        let in_address = address.user().cloned();
        let user = variable("MLFLOW_TRACKING_USERNAME")
            .or_else(|| in_address.as_ref().map(|(user, _)| user.clone()))
            .or_else(|| said("MLFLOW_TRACKING_USERNAME", "mlflow_tracking_username"));
        let password = variable("MLFLOW_TRACKING_PASSWORD")
            .or_else(|| {
                in_address
                    .map(|(_, password)| password)
                    .filter(|password| !password.is_empty())
            })
            .or_else(|| said("MLFLOW_TRACKING_PASSWORD", "mlflow_tracking_password"));
        let token = variable("MLFLOW_TRACKING_TOKEN");
        let mut secrets = Vec::new();
        let authorization = match (user, password, token) {
            (Some(user), Some(password), _) => {
                let encoded = STANDARD.encode(format!("{user}:{password}"));
                secrets.extend([password, encoded.clone()]);
                Some(format!("Basic {encoded}"))
            }
            (_, _, Some(token)) => {
                if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(Error::input(
                        "`MLFLOW_TRACKING_TOKEN` holds blanks or letters that no token has",
                    ));
                }
                secrets.push(token.clone());
                Some(format!("Bearer {token}"))
            }
            _ => None,
        };
        let mut limits = Limits::default();
        let number = |name: &str, most: f64| -> Result<Option<f64>> {
            let Some(text) = variable(name) else {
                return Ok(None);
            };
            let number = text
                .parse::<f64>()
                .ok()
                .filter(|n| (0.0..=most).contains(n));
            number.map(Some).ok_or_else(|| {
                Error::input(format!(
                    "`{name}` is `{text}`, wanted a number from 0 to {most}"
                ))
            })
        };
        if let Some(seconds) = number("MLFLOW_HTTP_REQUEST_TIMEOUT", 86_400.0)? {
            limits.answer = Duration::from_secs_f64(seconds.max(0.001));
        }
        if let Some(retries) = number("MLFLOW_HTTP_REQUEST_MAX_RETRIES", 1_000.0)? {
            limits.tries = retries as u32 + 1;
        }
        if let Some(seconds) = number("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", 3_600.0)? {
            limits.backoff = seconds;
        }
        if let Some(seconds) = number("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", 3_600.0)? {
            limits.jitter = seconds;
        }
        let anybody = match variable("MLFLOW_TRACKING_INSECURE_TLS")
            .map(|text| text.to_lowercase())
            .as_deref()
        {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(text) => {
                return Err(Error::input(format!(
                    "`MLFLOW_TRACKING_INSECURE_TLS` is `{text}`, wanted `true` or `false`"
                )));
            }
        };
        Ok(Self {
            address,
            authorization,
            secrets,
            workspace: variable("MLFLOW_WORKSPACE"),
            trust: Trust {
                roots: variable("MLFLOW_TRACKING_SERVER_CERT_PATH").map(PathBuf::from),
                identity: variable("MLFLOW_TRACKING_CLIENT_CERT_PATH").map(PathBuf::from),
                anybody,
            },
            limits,
        })
    }

    /// The server's address, without a slash at its end and without secrets: fit to be shown and kept.
    pub fn base(&self) -> &str {
        self.address.base()
    }

    /// A client that knows the secrets of this connection, so as never to show them.
    pub(super) fn http(&self) -> Result<Http> {
        Http::new(self.limits.clone(), &self.trust, self.secrets.clone())
    }

    /// Headers of every call.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let authorization = self
            .authorization
            .iter()
            .map(|value| ("authorization", value.clone()));
        let workspace = self
            .workspace
            .iter()
            .map(|value| ("x-mlflow-workspace", value.clone()));
        authorization.chain(workspace)
    }
}

/// Keys and values of `[mlflow]` in `~/.mlflow/credentials`; none where there is no such file.
fn credentials(home: &Path) -> Vec<(String, String)> {
    let Ok(text) = std::fs::read_to_string(home.join(".mlflow").join("credentials")) else {
        return Vec::new();
    };
    let (mut inside, mut found) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line.eq_ignore_ascii_case("[mlflow]");
        } else if let (true, Some((key, value))) = (
            inside && !line.starts_with(['#', ';']),
            line.split_once('='),
        ) {
            found.push((key.trim().to_lowercase(), value.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(uri: &str, variables: &[(&str, &str)], home: Option<&Path>) -> Result<Connection> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Connection::open(uri, "--tracking_uri", &variable, home)
    }

    fn authorization(uri: &str, variables: &[(&str, &str)], home: Option<&Path>) -> Option<String> {
        open(uri, variables, home)
            .expect("a connection")
            .authorization
    }

    #[test]
    fn who_asks_is_found_as_python_finds_it() {
        let server = "http://host:5000";
        let basic = [
            ("MLFLOW_TRACKING_USERNAME", "Aladdin"),
            ("MLFLOW_TRACKING_PASSWORD", "open sesame"),
        ];
        // RFC 7617, section 2
        let wanted = Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==".to_owned());
        assert_eq!(authorization(server, &basic, None), wanted);
        let both = [basic[0], basic[1], ("MLFLOW_TRACKING_TOKEN", "abc")];
        assert_eq!(authorization(server, &both, None), wanted);
        assert_eq!(
            authorization(server, &both[2..], None),
            Some("Bearer abc".to_owned())
        );
        assert_eq!(
            authorization("http://Aladdin:open%20sesame@host", &[], None),
            wanted
        );
        assert_eq!(authorization(server, &[], None), None);

        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join(".mlflow")).expect("a folder");
        let text = "[other]\nmlflow_tracking_username = x\n[mlflow]\n# note\nmlflow_tracking_username = Aladdin\nmlflow_tracking_password=open sesame\n";
        std::fs::write(home.path().join(".mlflow/credentials"), text).expect("written");
        assert_eq!(authorization(server, &[], Some(home.path())), wanted);
    }

    #[test]
    fn stores_are_answered_with_what_to_do() {
        for uri in [
            "./mlruns",
            "mlruns",
            "file:///x/mlruns",
            "sqlite:///mlflow.db",
            "postgresql://me:s3cret@db/x",
            "C:\\mlruns",
        ] {
            let error = open(uri, &[], None).expect_err(uri);
            let text = format!("{error} {}", error.hint_text().unwrap_or_default());
            assert!(text.contains("mlflow server --backend-store-uri"), "{text}");
            assert!(!text.contains("s3cret"), "{text}");
        }
        open("databricks://profile", &[], None).expect_err("databricks");
    }

    #[test]
    fn nothing_secret_is_shown() {
        let connection = open(
            "https://me:s3cret@host",
            &[("MLFLOW_TRACKING_TOKEN", "t0ken")],
            None,
        )
        .expect("a connection");
        let shown = format!("{connection:?} {}", connection.base());
        assert!(
            !shown.contains("s3cret") && !shown.contains("t0ken") && !shown.contains("me:"),
            "{shown}"
        );
    }

    #[test]
    fn patience_may_be_set() {
        let set = [
            ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0"),
            ("MLFLOW_HTTP_REQUEST_TIMEOUT", "2.5"),
        ];
        let connection = open("http://host", &set, None).expect("a connection");
        assert_eq!(connection.limits.tries, 1);
        assert_eq!(connection.limits.answer, Duration::from_millis(2500));
        let error = open(
            "http://host",
            &[("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon")],
            None,
        )
        .expect_err("no number");
        assert!(error.to_string().contains("`soon`"), "{error}");
    }
}
