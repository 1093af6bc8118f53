//! Which server has the log, and how it is spoken to.

use std::future::pending;
use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, RedisError,
    TlsCertificates,
};

use super::sentinels::{Address, Sentinels};
use super::{RedisOpenError, RedisOptions, RedisSentinels, RedisTls};

/// How a certificate begins in a file of PEM.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The way to the server that has the log: one and the same, or whichever the sentinels name.
#[derive(Clone)]
pub(super) struct Servers {
    client: Client,
    sentinels: Option<Arc<Sentinels>>,
}

/// A server that was found.
pub(super) struct Found {
    pub(super) client: Client,
    /// Where it is, where it could have been another one.
    address: Option<Address>,
}

impl Found {
    /// Whether it must be seen to that it is the master.
    pub(super) fn is_one_of_many(&self) -> bool {
        self.address.is_some()
    }
}

impl Servers {
    pub(super) fn new(options: &RedisOptions) -> Result<Self, RedisOpenError> {
        let client = client(&options.url, &options.tls)?;
        let sentinels = match &options.sentinels {
            Some(sentinels) => Some(Arc::new(to_sentinels(&client, sentinels)?)),
            None => None,
        };
        Ok(Self { client, sentinels })
    }

    /// Finds the server.
    pub(super) async fn find(&self) -> Result<Found, RedisError> {
        let Some(sentinels) = &self.sentinels else {
            return Ok(Found { client: self.client.clone(), address: None });
        };
        let address = sentinels.master().await?;
        let client = Client::open(at(self.client.get_connection_info(), &address))?;
        Ok(Found { client, address: Some(address) })
    }

    /// Whether another server has taken the place of one that was found.
    pub(super) fn is_replaced(&self, found: &Found) -> bool {
        let (Some(sentinels), Some(address)) = (&self.sentinels, &found.address) else {
            return false;
        };
        sentinels.is_replaced(address)
    }

    /// Waits until another server takes the place of one that was found.
    pub(super) async fn replaced(&self, found: &Found) {
        match (&self.sentinels, &found.address) {
            (Some(sentinels), Some(address)) => sentinels.replaced(address).await,
            _ => pending().await,
        }
    }

    /// Goes on looking whether the server is another one.
    pub(super) async fn watch(self) {
        if let Some(sentinels) = self.sentinels {
            sentinels.watch().await;
        }
    }
}

fn to_sentinels(client: &Client, said: &RedisSentinels) -> Result<Sentinels, RedisOpenError> {
    let of_log = client.get_connection_info();
    let clients = said.addresses.iter().map(|(host, port)| {
        let mut settings = redis::RedisConnectionInfo::default();
        if let Some(username) = &said.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &said.password {
            settings = settings.set_password(password);
        }
        let address = Address { host: host.clone(), port: *port };
        Client::open(at(of_log, &address).set_redis_settings(settings))
    });
    let clients: Result<Vec<_>, RedisError> = clients.collect();
    let clients = clients.map_err(|error| RedisOpenError::address(&error))?;
    Ok(Sentinels::new(clients, said.master.clone()))
}

/// Another server that is spoken to in the same way.
fn at(known: &ConnectionInfo, address: &Address) -> ConnectionInfo {
    let Address { host, port } = address.clone();
    let address = match known.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls {
            host,
            port,
            insecure: *insecure,
            tls_params: tls_params.clone(),
        },
        _ => ConnectionAddr::Tcp(host, port),
    };
    known.clone().set_addr(address)
}

/// Makes a client. Connects to nothing.
fn client(url: &str, tls: &RedisTls) -> Result<Client, RedisOpenError> {
    let address = url.into_connection_info().map_err(|error| RedisOpenError::address(&error))?;
    let RedisTls { authorities, identity } = tls;
    if !matches!(address.addr(), ConnectionAddr::TcpTls { .. }) {
        if authorities.is_some() || identity.is_some() {
            return Err(RedisOpenError::Tls(String::from("the address does not say TLS")));
        }
        return Client::open(address).map_err(|error| RedisOpenError::address(&error));
    }
    // A file without any would be taken for one that trusts nobody.
    if authorities
        .as_ref()
        .is_some_and(|pem| !pem.windows(CERTIFICATE.len()).any(|it| it == CERTIFICATE))
    {
        return Err(RedisOpenError::Tls(String::from(
            "no authority is in the file of authorities",
        )));
    }
    // Where a program has chosen another provider already, that one is used.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let identity = identity.clone();
    let certificates = TlsCertificates {
        client_tls: identity
            .map(|(client_cert, client_key)| ClientTlsConfig { client_cert, client_key }),
        root_cert: authorities.clone(),
    };
    Client::build_with_tls(address, certificates)
        .map_err(|error| RedisOpenError::Tls(error.to_string()))
}
