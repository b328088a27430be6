//! Who asks BigQuery: Application Default Credentials, by Google's own crate, or nobody.
//!
//! In comes what is to be done; out go the headers that say who asks. Credentials are found as every Google tool finds them
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>): the file named by `GOOGLE_APPLICATION_CREDENTIALS`
//! (service account, authorised user, impersonation, workload identity federation), then what `gcloud auth application-default login`
//! left, then the metadata server of Google's machines. Nothing secret is shown or kept on disk.

use senti::{Error, Result};

/// What the credentials are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Reading tables.
    Read,
    /// Running jobs: queries, and loading rows.
    Jobs,
}

impl Scope {
    /// The scope by its address.
    pub fn address(self) -> &'static str {
        match self {
            Scope::Read => "https://www.googleapis.com/auth/bigquery.readonly",
            Scope::Jobs => "https://www.googleapis.com/auth/bigquery",
        }
    }
}

/// Who asks.
#[derive(Clone)]
pub enum Credentials {
    /// Nobody: for emulators.
    Nobody,
    /// Whom Google's crate has found.
    #[cfg(feature = "bigquery_auth")]
    Google(std::sync::Arc<google::Google>),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Credentials::Nobody => "Nobody",
            #[cfg(feature = "bigquery_auth")]
            Credentials::Google(_) => "Google",
        })
    }
}

impl Credentials {
    /// Finds the credentials of whoever runs this.
    #[cfg(feature = "bigquery_auth")]
    pub fn find(scope: Scope) -> Result<Self> {
        google::Google::find(scope).map(|google| Self::Google(std::sync::Arc::new(google)))
    }

    /// Finds nothing: this program was built without.
    #[cfg(not(feature = "bigquery_auth"))]
    pub fn find(_: Scope) -> Result<Self> {
        Err(
            Error::unsupported("this program was built without the credentials of Google Cloud")
                .hint("build it with the feature `bigquery_auth`, or export the table to CSV or Parquet and give it with `--data_path`"),
        )
    }

    /// The headers that say who asks: names and values.
    pub fn headers(&self) -> Result<Vec<(String, String)>> {
        match self {
            Credentials::Nobody => Ok(Vec::new()),
            #[cfg(feature = "bigquery_auth")]
            Credentials::Google(google) => google.headers(),
        }
    }
}

/// The one hint about missing or stale credentials.
pub(super) const HINT: &str = "run `gcloud auth application-default login`, or set `GOOGLE_APPLICATION_CREDENTIALS` to a key file; `docs/bigquery.md` names the permissions";

#[cfg(feature = "bigquery_auth")]
mod google {
    use std::time::Duration;

    use google_cloud_auth::credentials::{Builder, CacheableResource, Credentials};

    use super::{Error, HINT, Result, Scope};

    /// Longest wait for a token. Machines outside Google's cloud have no metadata server, and wait for it in vain.
    const LONGEST: Duration = Duration::from_secs(20);

    /// Found credentials, and the runtime that renews them.
    pub struct Google {
        credentials: Credentials,
        runtime: tokio::runtime::Runtime,
    }

    impl Google {
        pub(super) fn find(scope: Scope) -> Result<Self> {
            // Google's crate takes the cryptography of the process; an error says that there is one already, which is as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|cause| {
                    Error::remote("cannot start a thread for credentials").because(cause)
                })?;
            let entered = runtime.enter();
            let built = Builder::default().with_scopes([scope.address()]).build();
            drop(entered);
            let credentials = built.map_err(|cause| refused(&cause))?;
            Ok(Self {
                credentials,
                runtime,
            })
        }

        pub(super) fn headers(&self) -> Result<Vec<(String, String)>> {
            let asked = self.runtime.block_on(async {
                tokio::time::timeout(LONGEST, self.credentials.headers(Default::default())).await
            });
            let headers = match asked {
                Ok(Ok(CacheableResource::New { data, .. })) => data,
                Ok(Ok(CacheableResource::NotModified)) => {
                    return Err(Error::internal("credentials without headers"));
                }
                Ok(Err(cause)) => return Err(refused(&cause)),
                Err(_) => {
                    return Err(
                        Error::input("no credentials for Google Cloud were found in time")
                            .hint(HINT),
                    );
                }
            };
            let pair = |(name, value): (&_, &_)| text(name, value);
            Ok(headers.iter().filter_map(pair).collect())
        }
    }

    /// Google's crate tells a long story; its last line is what happened.
    fn refused(error: &(dyn std::error::Error + 'static)) -> Error {
        let chain: Vec<String> = std::iter::successors(Some(error), |error| error.source())
            .map(ToString::to_string)
            .collect();
        if chain
            .iter()
            .any(|line| line.contains("metadata.google.internal"))
        {
            return Error::input("there are no credentials for Google Cloud: no key file, no login of `gcloud`, no metadata server")
                .hint(HINT);
        }
        let last = chain.last().cloned().unwrap_or_default();
        Error::input("the credentials for Google Cloud cannot be used")
            .because(last)
            .hint(HINT)
    }

    fn text(
        name: &ureq::http::HeaderName,
        value: &ureq::http::HeaderValue,
    ) -> Option<(String, String)> {
        Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
    }
}
