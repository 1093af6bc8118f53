//! The ways in which Redis is reached: TLS, users, databases, sockets. And what is said of each that fails.

use std::path::Path;
use std::time::Duration;

use foodtrack_tenant_log::{
    Answer, LogReader, NodeRegistry, RedisOpenError, RedisOptions, RedisTls, first_look,
};
use test_support::{Certificates, RedisServer, free_port, skipped};

use crate::redis_node::Node;
use crate::support::{KEEPS_ALL, is_redis_here, offset, tenant};

/// A server that speaks TLS on a port of its own.
struct WithTls {
    server: RedisServer,
    port: u16,
    certificates: Certificates,
    _directory: tempfile::TempDir,
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

impl WithTls {
    /// `clients` says whether they must show a certificate: `yes`, `no`, `optional`.
    fn start(clients: &str) -> Option<Self> {
        if !is_redis_here() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let Some(certificates) = Certificates::make(directory.path()) else {
            skipped("openssl is not installed");
            return None;
        };
        let port = free_port();
        let file = |path: std::path::PathBuf| path.to_str().unwrap().to_owned();
        let arguments = [
            ("--tls-port", port.to_string()),
            ("--tls-cert-file", file(certificates.certificate())),
            ("--tls-key-file", file(certificates.key())),
            ("--tls-ca-cert-file", file(certificates.authority())),
            ("--tls-auth-clients", clients.to_owned()),
        ];
        let mut arguments: Vec<&str> =
            arguments.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
        // The second address is in no certificate.
        arguments.extend(["--bind", "127.0.0.1", "127.0.0.2"]);
        let server = RedisServer::start(&arguments).unwrap();
        Some(Self { server, port, certificates, _directory: directory })
    }

    fn trusted(&self) -> RedisTls {
        RedisTls { authorities: Some(read(&self.certificates.authority())), identity: None }
    }

    fn shown(&self) -> RedisTls {
        let identity = (read(&self.certificates.certificate()), read(&self.certificates.key()));
        RedisTls { identity: Some(identity), ..self.trusted() }
    }

    fn options(&self, host: &str, tls: RedisTls) -> RedisOptions {
        at(&format!("rediss://{host}:{}", self.port), tls)
    }
}

fn at(url: &str, tls: RedisTls) -> RedisOptions {
    RedisOptions { url: url.to_owned(), tls, retention: KEEPS_ALL, ..RedisOptions::default() }
}

/// Writes, reads, listens and asks: each on a connection of its own.
fn works(options: &RedisOptions) {
    first_look(options, [7; 32]).map_err(|error| error.to_string()).unwrap();
    let [mut one, follower] = [(); 2].map(|()| Node::with(options));
    follower.log.follow(&tenant("t")).unwrap();
    follower.hears_of(0);
    assert_eq!(one.append(1), Answer::Committed(offset(1)));
    follower.hears_of(1);
    assert_eq!(follower.ids(), [1]);
}

fn fails(options: &RedisOptions) -> RedisOpenError {
    first_look(options, [7; 32]).err().expect("it is let in")
}

#[test]
fn a_server_with_tls_is_spoken_to_where_its_authority_is_trusted_also_by_name() {
    let Some(redis) = WithTls::start("no") else { return };
    works(&redis.options("127.0.0.1", redis.trusted()));
    let by_name = redis.options("localhost", redis.trusted());
    works(&RedisOptions { prefix: "other".into(), ..by_name });
}

#[test]
fn a_certificate_that_is_not_trusted_or_of_another_name_is_said_in_plain_words() {
    let Some(redis) = WithTls::start("no") else { return };
    for options in [
        redis.options("127.0.0.1", RedisTls::default()),
        redis.options("127.0.0.2", redis.trusted()),
    ] {
        let error = fails(&options);
        assert!(matches!(error, RedisOpenError::NotTrusted(_)), "{error}");
        assert!(error.to_string().contains("redis.caFile"), "{error}");
    }
}

#[test]
fn a_server_that_wants_a_certificate_is_shown_one_and_without_it_says_so() {
    let Some(redis) = WithTls::start("yes") else { return };
    works(&redis.options("127.0.0.1", redis.shown()));
    let error = fails(&redis.options("127.0.0.1", redis.trusted()));
    assert!(matches!(error, RedisOpenError::NotAccepted(_)), "{error}");
}

#[test]
fn tls_where_none_is_spoken_and_certificates_that_are_none_are_said() {
    let Some(redis) = WithTls::start("no") else { return };
    let plain = redis.server.url().replace("redis://", "rediss://");
    let error = fails(&at(&plain, redis.trusted()));
    assert!(matches!(error, RedisOpenError::Away(_)), "{error}");
    let error = fails(&at(&redis.server.url(), redis.trusted()));
    assert!(matches!(error, RedisOpenError::Tls(_)), "{error}");
    let nonsense = Some((b"nonsense".to_vec(), b"nonsense".to_vec()));
    for tls in [
        RedisTls { authorities: Some(b"nonsense".to_vec()), identity: None },
        RedisTls { identity: nonsense, ..redis.trusted() },
    ] {
        let error = fails(&redis.options("127.0.0.1", tls));
        assert!(matches!(error, RedisOpenError::Tls(_)), "{error}");
    }
}

/// What the hub's user needs, as docs/operating/cluster.md has it.
const USER: &str = "ACL SETUSER hub on >p@ss/w:rd ~foodtrack:* &foodtrack:* -@all +@read +@write +@connection +@pubsub +@scripting +time";

#[test]
fn a_user_with_the_rights_that_are_documented_and_a_database_are_enough() {
    let Some(server) = is_redis_here().then(|| RedisServer::start(&[]).unwrap()) else { return };
    assert_eq!(server.command(USER), "+OK");
    let address = |user: &str| format!("redis://{user}@127.0.0.1:{}/3", server.port());
    let options = at(&address("hub:p%40ss%2Fw%3Ard"), RedisTls::default());
    works(&options);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut nodes = NodeRegistry::new(&options, [7; 32]).unwrap();
    let census = runtime.block_on(nodes.renew("one", b"{}", Duration::from_secs(9))).unwrap();
    assert_eq!(census.nodes.len(), 1);
    let here = server.command("DBSIZE");
    assert_eq!(here, ":0", "all of it is in the other database");
    for user in ["hub:wrong", "nobody:p%40ss%2Fw%3Ard"] {
        let error = fails(&at(&address(user), RedisTls::default()));
        assert!(matches!(error, RedisOpenError::NotLetIn), "{error}");
    }
}

#[test]
fn a_socket_of_the_same_machine_is_an_address_too() {
    if !is_redis_here() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("redis.sock");
    let socket = socket.to_str().unwrap();
    let _server = RedisServer::start(&["--unixsocket", socket]).unwrap();
    works(&at(&format!("redis+unix://{socket}"), RedisTls::default()));
}
