//! Whose certificates are believed, and which one is shown.

use std::path::{Path, PathBuf};

use senti::{Error, Result};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Certificates.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// A file (PEM) of certificates to believe instead of the built-in ones.
    pub roots: Option<PathBuf>,
    /// A file (PEM) with our own certificate and its key, for servers that ask who we are.
    pub identity: Option<PathBuf>,
    /// Believe anybody. For servers of one's own with a certificate made at home.
    pub anybody: bool,
}

impl Trust {
    pub(super) fn config(&self) -> Result<TlsConfig> {
        let mut config = TlsConfig::builder().disable_verification(self.anybody);
        if let Some(path) = &self.roots {
            let (certificates, _) = read(path)?;
            if certificates.is_empty() {
                return Err(nothing(path, "certificate"));
            }
            config = config.root_certs(RootCerts::from(certificates.into_iter()));
        }
        if let Some(path) = &self.identity {
            let (certificates, key) = read(path)?;
            if certificates.is_empty() {
                return Err(nothing(path, "certificate"));
            }
            let key = key.ok_or_else(|| nothing(path, "private key"))?;
            config = config.client_cert(Some(ClientCert::new_with_certs(&certificates, key)));
        }
        Ok(config.build())
    }
}

fn nothing(path: &Path, what: &str) -> Error {
    Error::input(format!("`{}` holds no {what}", path.display())).hint("give a file in PEM form")
}

fn read(path: &Path) -> Result<(Vec<Certificate<'static>>, Option<PrivateKey<'static>>)> {
    let bytes = std::fs::read(path).map_err(|cause| {
        Error::input(format!("cannot read the certificate `{}`", path.display())).because(cause)
    })?;
    let (mut certificates, mut key) = (Vec::new(), None);
    for item in parse_pem(&bytes) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(PemItem::PrivateKey(found)) => key = Some(found),
            Ok(_) => {}
            Err(_) => {
                return Err(Error::input(format!("`{}` is no PEM file", path.display())));
            }
        }
    }
    Ok((certificates, key))
}
