//! TLS to a server, where its URL asks for it: always with the certificate verified.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio_postgres_rustls::MakeRustlsConnect;
use url::Url;

use super::super::StoreError;

/// What a URL says of TLS. The driver knows fewer words than URLs have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Whether it is wanted.
    pub(super) tls: bool,
    /// The file of the certificates that are trusted; without it, those of the machine.
    pub(super) roots: Option<String>,
}

/// Takes `sslmode` and `sslrootcert` out of a URL.
pub(super) fn wanted(url: &mut Url) -> Result<Wanted, StoreError> {
    let mut wanted = Wanted::default();
    let mut rest = Vec::new();
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("sslmode", "disable" | "allow" | "prefer") => wanted.tls = false,
            ("sslmode", "require" | "verify-ca" | "verify-full") => wanted.tls = true,
            ("sslmode", other) => {
                return Err(StoreError::Unsupported(format!(
                    "`sslmode` is `disable` or `verify-full` (or `require`, which is the same here), not `{other}`"
                )));
            }
            ("sslrootcert", file) => wanted.roots = Some(file.to_owned()),
            _ => rest.push((name.into_owned(), value.into_owned())),
        }
    }
    url.query_pairs_mut().clear().extend_pairs(&rest).append_pair("sslmode", if wanted.tls { "require" } else { "disable" });
    Ok(wanted)
}

/// Connects with TLS, if anybody asks for it.
pub(super) fn connector(wanted: &Wanted) -> Result<MakeRustlsConnect, StoreError> {
    let broken = |e: &dyn std::fmt::Display| StoreError::Unsupported(format!("TLS to the store cannot be set up: {e}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(|e| broken(&e))?;
    let config = match (&wanted.roots, wanted.tls) {
        (Some(file), true) => {
            let mut roots = RootCertStore::empty();
            let unread = |e: &dyn std::fmt::Display| StoreError::Unsupported(format!("the certificates of `{file}` cannot be read: {e}"));
            for certificate in CertificateDer::pem_file_iter(file).map_err(|e| unread(&e))? {
                roots.add(certificate.map_err(|e| unread(&e))?).map_err(|e| unread(&e))?;
            }
            builder.with_root_certificates(roots)
        }
        (None, true) => builder.with_platform_verifier().map_err(|e| broken(&e))?,
        (_, false) => builder.with_root_certificates(RootCertStore::empty()),
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}
