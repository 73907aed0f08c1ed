//! A service behind TLS, with an authority of its own: refused until the machine trusts it, whatever it answers.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

/// What a server for `localhost` needs, and the certificate of the authority that vouches for it.
pub fn certified() -> (Arc<ServerConfig>, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name").signed_by(&key, &authority).expect("signed");
    let secret = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], secret)
        .expect("a certificate with its key");
    (Arc::new(config), authority.pem())
}

/// A server on loopback; the authority's certificate, and how many requests came through.
#[expect(clippy::disallowed_methods, reason = "a test's server")]
fn server() -> (String, String, Arc<AtomicUsize>) {
    let ((config, authority), served) = (certified(), Arc::new(AtomicUsize::new(0)));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let counted = served.clone();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            let mut tls = ServerConnection::new(config.clone()).expect("a server");
            let mut stream = Stream::new(&mut tls, &mut socket);
            let mut head = [0; 4096];
            // A client that does not trust the certificate ends the handshake: there is no request then.
            let Ok(1..) = stream.read(&mut head) else { continue };
            counted.fetch_add(1, Ordering::SeqCst);
            let body = r#"{"id": "P1234", "status": "in_transit", "street": "1 High Street"}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    (url, authority, served)
}

#[test]
fn a_certificate_counts_if_the_machine_trusts_its_authority() {
    let (url, authority, served) = server();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("parcels");
    let file = dir.path().join("authority.pem");
    std::fs::write(&file, authority).expect("written");
    let program = || Command::new(env!("CARGO_BIN_EXE_waypost"));
    assert!(program().arg("new").arg(&path).output().expect("it starts").status.success());
    let ask = |trusts: bool| {
        let mut command = program();
        command.args(["chat", "--trace"]).arg(&path).env("PARCELS_URL", &url).env_remove("SSL_CERT_DIR").env_remove("SSL_CERT_FILE");
        if trusts {
            command.env("SSL_CERT_FILE", &file);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(b"where is my parcel P1234?\n").expect("it reads");
        let out = child.wait_with_output().expect("it ends");
        format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
    };
    let said = ask(false);
    assert!(said.contains("its certificate or protocol was refused"), "{said}");
    assert_eq!(served.load(Ordering::SeqCst), 0, "a request went to a service that nobody vouches for");
    let said = ask(true);
    assert!(said.contains("on its way to 1 High Street"), "{said}");
    assert_eq!(served.load(Ordering::SeqCst), 1);
}
