//! Certificates of a test's own, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// An authority, and a certificate that it signed for this machine, which is good for servers and for their clients.
#[derive(Clone, Debug)]
pub struct Certificates {
    directory: PathBuf,
}

const OPENSSL: &str = "[req]
distinguished_name = name
prompt = no
[name]
CN = test
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[leaf]
basicConstraints = critical, CA:FALSE
subjectAltName = IP:127.0.0.1, DNS:localhost
";

impl Certificates {
    /// Makes them in a directory. `None` where `openssl` is not installed.
    ///
    /// # Panics
    /// Where it does not make them.
    pub fn make(directory: &Path) -> Option<Self> {
        let is_there = Command::new("openssl").arg("version").stdout(Stdio::null()).status();
        is_there.ok().filter(std::process::ExitStatus::success)?;
        std::fs::write(directory.join("openssl.cnf"), OPENSSL)
            .unwrap_or_else(|error| panic!("no configuration for openssl: {error}"));
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args("req -x509 -config openssl.cnf -newkey ec -nodes -days 2".split(' '));
            command.args("-pkeyopt ec_paramgen_curve:prime256v1".split(' '));
            command.args(arguments.split(' ')).current_dir(directory);
            let made = command.output().unwrap_or_else(|error| panic!("openssl: {error}"));
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        };
        openssl("-extensions authority -subj /CN=authority -keyout ca.key -out ca.pem");
        openssl(
            "-extensions leaf -subj /CN=redis -CA ca.pem -CAkey ca.key -keyout leaf.key -out leaf.pem",
        );
        Some(Self { directory: directory.to_path_buf() })
    }

    /// The authority's certificate.
    pub fn authority(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }

    /// The certificate that it signed.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("leaf.pem")
    }

    /// Its key.
    pub fn key(&self) -> PathBuf {
        self.directory.join("leaf.key")
    }
}
