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
[named]
basicConstraints = critical, CA:FALSE
[ca]
default_ca = register
[register]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
";

impl Certificates {
    /// Those that were made in a directory before.
    pub fn made(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf() }
    }

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
            let made = "req -x509 -config openssl.cnf -newkey ec -nodes -days 2 -pkeyopt ec_paramgen_curve:prime256v1";
            run(directory, &format!("{made} {arguments}"));
        };
        openssl("-extensions authority -subj /CN=authority -keyout ca.key -out ca.pem");
        openssl(
            "-extensions leaf -subj /CN=redis -CA ca.pem -CAkey ca.key -keyout leaf.key -out leaf.pem",
        );
        Some(Self { directory: directory.to_path_buf() })
    }

    /// Another certificate of the same key, called `name` and good between these times (`20200101000000Z`).
    ///
    /// # Panics
    /// Where `openssl` does not make it.
    pub fn make_between(&self, name: &str, from: &str, until: &str) -> PathBuf {
        let write = |file: &str| {
            std::fs::write(self.directory.join(file), "")
                .unwrap_or_else(|error| panic!("{file}: {error}"));
        };
        write("index.txt");
        let openssl = |arguments: &str| run(&self.directory, arguments);
        openssl(&format!(
            "req -new -config openssl.cnf -key leaf.key -subj /CN={name} -out {name}.csr"
        ));
        openssl(&format!(
            "ca -batch -notext -config openssl.cnf -cert ca.pem -keyfile ca.key -extensions leaf \
             -startdate {from} -enddate {until} -in {name}.csr -out {name}.pem"
        ));
        self.directory.join(format!("{name}.pem"))
    }

    /// A certificate of its own key, which the authority signed for these DNS names. Returns it and its key.
    ///
    /// # Panics
    /// Where `openssl` does not make it.
    pub fn make_for(&self, file: &str, names: &[&str]) -> (PathBuf, PathBuf) {
        let names: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let asked = if names.is_empty() {
            String::new()
        } else {
            format!("-addext subjectAltName={}", names.join(","))
        };
        run(
            &self.directory,
            &format!(
                "req -x509 -config openssl.cnf -newkey ec -nodes -days 2 -pkeyopt ec_paramgen_curve:prime256v1 \
                 -extensions named {asked} -subj /CN={file} -CA ca.pem -CAkey ca.key -keyout {file}.key -out {file}.pem"
            ),
        );
        (self.directory.join(format!("{file}.pem")), self.directory.join(format!("{file}.key")))
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

fn run(directory: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let made = command.args(arguments.split_whitespace()).current_dir(directory).output();
    let made = made.unwrap_or_else(|error| panic!("openssl: {error}"));
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
