//! Which server has the log, and how it is spoken to.

use std::future::pending;
use std::sync::Arc;

use redis::{
    Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates,
};

use super::masters::{Address, Masters, Question, slot_of};
use super::{RedisOpenError, RedisOptions, RedisSentinels, RedisTls};

/// How a certificate begins in a file of PEM.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// The way to the server that has the log: one and the same, or whichever sentinels or a cluster's nodes name.
#[derive(Clone)]
pub(super) struct Servers {
    client: Client,
    masters: Option<Arc<Masters>>,
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
        let masters = match (&options.sentinels, &options.cluster) {
            (Some(sentinels), _) => Some(of_sentinels(&client, sentinels)?),
            (None, Some(nodes)) => {
                let clients =
                    clients(&client, nodes, client.get_connection_info().redis_settings())?;
                Some(Masters::new(clients, Question::Slot(slot_of(&options.prefix))))
            }
            (None, None) => None,
        };
        Ok(Self { client, masters: masters.map(Arc::new) })
    }

    /// Finds the server.
    pub(super) async fn find(&self) -> Result<Found, RedisError> {
        let Some(masters) = &self.masters else {
            return Ok(Found { client: self.client.clone(), address: None });
        };
        let address = masters.master().await?;
        let client = Client::open(at(self.client.get_connection_info(), &address))?;
        Ok(Found { client, address: Some(address) })
    }

    /// Whether another server has taken the place of one that was found.
    pub(super) fn is_replaced(&self, found: &Found) -> bool {
        let (Some(masters), Some(address)) = (&self.masters, &found.address) else {
            return false;
        };
        masters.is_replaced(address)
    }

    /// Waits until another server takes the place of one that was found.
    pub(super) async fn replaced(&self, found: &Found) {
        match (&self.masters, &found.address) {
            (Some(masters), Some(address)) => masters.replaced(address).await,
            _ => pending().await,
        }
    }

    /// Goes on looking whether the server is another one.
    pub(super) async fn watch(self) {
        if let Some(masters) = self.masters {
            masters.watch().await;
        }
    }
}

fn of_sentinels(client: &Client, said: &RedisSentinels) -> Result<Masters, RedisOpenError> {
    let mut settings = RedisConnectionInfo::default();
    if let Some(username) = &said.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &said.password {
        settings = settings.set_password(password);
    }
    let clients = clients(client, &said.addresses, &settings)?;
    Ok(Masters::new(clients, Question::Sentinels(said.master.clone())))
}

/// Clients of other servers, which are spoken to as the log's, with settings of their own.
fn clients(
    of_log: &Client,
    addresses: &[(String, u16)],
    settings: &RedisConnectionInfo,
) -> Result<Vec<Client>, RedisOpenError> {
    let clients = addresses.iter().map(|(host, port)| {
        let address = Address { host: host.clone(), port: *port };
        let address = at(of_log.get_connection_info(), &address);
        Client::open(address.set_redis_settings(settings.clone()))
    });
    let clients: Result<Vec<_>, RedisError> = clients.collect();
    clients.map_err(|error| RedisOpenError::address(&error))
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
