//! Every configuration key, once: its place in the file, its names in the environment, and what it means.
//!
//! The loader refuses what is not in this table, the environment is read by it, and the reference is printed from it.

/// What a key's value is in the environment, where everything is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Text as it stands, also where it looks like a number.
    Text,
    /// Text, separated by commas.
    TextList,
    /// A number, or `true` and `false`.
    Scalar,
    /// A list of tables; only a file can hold it.
    Tables,
}

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The place in the file, such as `heartbeat.intervalMs`.
    pub path: &'static str,
    /// How the environment's text is read.
    pub kind: KeyKind,
    /// Its name in the environment beside `FOODTRACK__SECTION__KEY`, where the platform gave it one.
    pub environment: Option<&'static str>,
    /// What it means, with its unit.
    pub about: &'static str,
}

macro_rules! keys {
    ($( $path:literal $kind:ident $($environment:literal)? : $about:literal; )*) => {
        /// Every key, in the order of the reference.
        pub const KEYS: &[Key] = &[ $( Key {
            path: $path,
            kind: KeyKind::$kind,
            environment: keys!(@environment $($environment)?),
            about: $about,
        }, )* ];
    };
    (@environment) => { None };
    (@environment $environment:literal) => { Some($environment) };
}

keys! {
    "host" Text: "The address to listen on; 0.0.0.0 is every IPv4 interface, :: every interface.";
    "port" Scalar "WEBSOCKET_PORT": "The port to listen on; 0 takes a free one.";
    "path" Text: "Where Socket.IO clients connect.";
    "shards" Scalar: "Threads that own tenants and their connections; 0 is one per core.";
    "ioUring" Scalar: "Whether a turn's sends go to the kernel as one io_uring submission, where it allows that.";
    "dataDir" Text: "A directory for what must survive a restart: every tenant's log, and the event types that tenants declare over HTTP. It is made where it is not there, and one server at a time has it. `serve` takes foodtrack-data where none is named; with --in-memory everything ends with the process.";
    "cors.origin" TextList "ALLOWED_ORIGINS": "The origins whose pages may connect and call, whatever their case and with or without the usual port; * is any but null, without credentials; null, which is what pages of files have, is without them too.";
    "cors.methods" TextList: "The methods that other origins' pages may use on the HTTP API.";
    "cors.credentials" Scalar: "Whether what browsers send along by themselves counts, on both halves of the port: the cookie that may carry the token.";
    "heartbeat.intervalMs" Scalar: "Engine.IO's pingInterval, in milliseconds.";
    "heartbeat.timeoutMs" Scalar: "Engine.IO's pingTimeout, in milliseconds.";
    "heartbeat.maxMissed" Scalar: "Pings without an answer after which a connection is given up.";
    "retry.maxAttempts" Scalar: "How often an event that asks for an acknowledgement is sent in all.";
    "retry.baseDelayMs" Scalar: "Before it is sent the second time, in milliseconds.";
    "retry.maxDelayMs" Scalar: "No longer than this between two, in milliseconds.";
    "retry.backoffMultiplier" Scalar: "How many times longer each wait is than the one before, from 1 to 10.";
    "retry.jitterPercent" Scalar: "Each wait is longer or shorter by up to so much, in per cent.";
    "log.ageHoursMax" Scalar: "Each tenant's log keeps no event older than this, in hours; the newest 65 536 stay whatever their age, within log.bytesMax.";
    "log.eraseAfterHours" Scalar: "No event older than this stays in any tenant's log, whatever is kept otherwise, and its bytes are overwritten; in hours. Without it the newest 65 536 of each tenant stay.";
    "log.entriesMax" Scalar: "Each tenant's log keeps no more events than this.";
    "log.bytesMax" Scalar: "Each tenant's log keeps no more bytes than this, whatever its age and number.";
    "log.diskBytesMax" Scalar: "All tenants' logs together take no more bytes of the disk than this; near it the oldest events of the tenants with the largest logs go, whatever their age, and at it durable events are refused. 0 is no limit.";
    "log.freeBytesMin" Scalar: "So many bytes of the disk of `dataDir` stay free, or a tenth of it where that is less; near it the same happens. 0 is none.";
    "log.offlineHoursMax" Scalar: "Events older than this are not replayed to somebody whose session is gone, in hours.";
    "log.offlineAfterSeconds" Scalar: "Webhooks that name device.offline are told of a device when it has gone and has not come back for so long.";
    "log.closeAfterSeconds" Scalar: "When nobody has been at a tenant for so long, its log is closed and what memory has of the tenant goes; whoever comes next has it opened again. 0 is never.";
    "audit.enabled" Scalar: "Whether this node keeps an audit log in its data directory: who changed what, read what, was refused or sent away.";
    "audit.connections" Scalar: "Whether it has each client that comes and goes, too.";
    "audit.publishes" Scalar: "Whether it has each event that a back end publishes over HTTP, too: in whose name, its type and id.";
    "audit.bytesMax" Scalar: "It has no more bytes than this; the oldest records go.";
    "audit.days" Scalar: "It keeps records for so many days.";
    "audit.recordsPerMinutePerTenant" Scalar: "How many records of one tenant are written in a minute; further ones are counted, and the count is a record.";
    "delivery" Tables: "What is promised of an event type: event, class, timeToLiveSeconds, compact, acknowledge, confirmWithinSeconds, confirmBy.";
    "security.jwtSecret" Text "JWT_SECRET": "The HMAC secret that tokens are signed with, at least 32 bytes.";
    "security.publicKey" Text: "A file with the public key that tokens are signed with, as PEM.";
    "security.jwks" Text: "A file with the public keys that tokens are signed with, as JWKS.";
    "security.jwksUrl" Text: "Where the public keys that tokens are signed with are fetched from, as JWKS; of https.";
    "security.jwksRefreshSeconds" Scalar: "How often keys are fetched anew, in seconds; and at once, within limits, when a token names a key that is not known.";
    "security.issuerNetworks" TextList: "Private and local addresses and networks that keys may be fetched from, such as 10.0.0.0/8, with http too; public addresses need no permission.";
    "security.tokenLifetimeSecondsMax" Scalar: "The longest time from a token's iat to its exp, in seconds; tokens of longer ones are refused.";
    "security.algorithms" TextList: "The algorithms a token may be signed with.";
    "security.issuer" Text: "The iss a token must have.";
    "security.audience" TextList: "The aud values of which a token must have one.";
    "security.leewaySeconds" Scalar: "How far the clocks may differ, in seconds.";
    "security.cookieName" Text: "The cookie that may carry the token, for browsers that cannot set it otherwise.";
    "security.encryptionKey" Text "WEBSOCKET_ENCRYPTION_KEY": "The master key, with which payloads in the log are sealed and tenants' keys are wrapped: 32 random bytes as 64 hexadecimal digits or base64. Without it nothing is sealed.";
    "security.encryptionKeyFile" Text "WEBSOCKET_ENCRYPTION_KEY_FILE": "A file with the master key, instead of the key itself.";
    "security.encryptionKeyCommand" TextList: "A program that prints the master key, and its arguments, such as one that asks a key management service; it has 10 s, and is run at every start.";
    "security.encryptedPayloads" Scalar: "Whether senders may encrypt payloads (`encrypted: true`); without a word, where there is a master key.";
    "security.payloadKeyApplications" TextList: "Which applications may have their tenant's key of payloads, with which each of its encrypted payloads can be read.";
    "security.rateLimiting.handshakesPerMinute" Scalar: "Handshakes per minute and address; 0 lifts the limit.";
    "security.webhookNetworks" TextList: "Private and local addresses and networks that webhooks may go to, such as 10.0.0.0/8; public addresses need no permission.";
    "security.trustedProxies" TextList: "Proxies in front of the server, as addresses or networks such as 10.0.0.0/8. Whom their X-Forwarded-For (or, without one, Forwarded) names counts for limits and logs.";
    "security.proxyProtocol" Scalar: "Whether each connection of security.trustedProxies begins with a header of the PROXY protocol, version 1 or 2: whom it names counts for limits and logs, and what is said behind it is that one's.";
    "limits.payloadBytesMax" Scalar: "The largest message, in bytes.";
    "limits.declaredPayloadBytesMax" Scalar: "The largest payload of an event type that a tenant declared, in bytes; one whose schema is dear to check has less.";
    "limits.connectionsPerTenantMax" Scalar: "Connections of one tenant at once; 0 lifts the limit.";
    "limits.connectionsPerUserMax" Scalar: "Connections of one user at once; 0 lifts the limit.";
    "limits.messagesPerSecondPerConnection" Scalar: "Events a connection may send per second, steadily; 0 lifts the limit.";
    "limits.messagesBurstPerConnection" Scalar: "Events a connection may send at once.";
    "limits.messagesPerSecondPerUser" Scalar: "Events a user may send per second, steadily, over all connections; not less than of one connection, and lifted with that; 0 lifts the limit; back ends have none.";
    "limits.messagesBurstPerUser" Scalar: "Events a user may send at once.";
    "limits.messagesPerSecondPerTenant" Scalar: "Events a tenant may send per second, steadily: its customers seven tenths of it, they and its staff nine; 0 lifts the limit.";
    "limits.messagesBurstPerTenant" Scalar: "Events a tenant may send at once.";
    "limits.sessionsPerSecondPerTenant" Scalar: "Sessions of a tenant that may begin per second, steadily; more wait for their turn, those that come back do not; 0 lifts the limit. Customers have seven tenths of it, customers and staff nine.";
    "limits.sessionsBurstPerTenant" Scalar: "Sessions of a tenant that may begin at once.";
    "limits.sessionsPerSecond" Scalar: "Sessions of all tenants of a shard that may begin per second, steadily; 0 lifts the limit.";
    "limits.sessionsBurst" Scalar: "Sessions of all tenants of a shard that may begin at once.";
    "limits.bytesPerSecondPerConnection" Scalar: "Bytes a connection may send per second, steadily; 0 lifts the limit.";
    "limits.bytesBurstPerConnection" Scalar: "Bytes a connection may send at once.";
    "limits.bytesPerSecondPerUser" Scalar: "Bytes a user may send per second, steadily, over all connections; not less than of one connection, and lifted with that; 0 lifts the limit; back ends have none.";
    "limits.bytesBurstPerUser" Scalar: "Bytes a user may send at once.";
    "limits.packetsPerSecondPerConnection" Scalar: "Packets of any kind that a connection may send per second, and at once; its reading waits then; 0 lifts the limit.";
    "limits.apiRequestsPerSecondPerTenant" Scalar: "Requests of one tenant to the HTTP API per second, steadily, publishing not among them; 0 lifts the limit.";
    "limits.apiRequestsBurstPerTenant" Scalar: "Requests of one tenant to the HTTP API at once.";
    "limits.apiRequestsPerSecondPerToken" Scalar: "The same of one token, by its user and `jti`; 0 lifts the limit.";
    "limits.apiRequestsBurstPerToken" Scalar: "Requests of one token to the HTTP API at once.";
    "limits.strangersPerAddressMax" Scalar: "Connections that have not joined, of one address (IPv6: one /64): beyond it the oldest of them go; 0 lifts the limit, and so does security.rateLimiting.handshakesPerMinute = 0.";
    "limits.tableBytesMax" Scalar: "What all tenants may remember in memory of what their logs know, in bytes: ids seen, whose orders are, what was emitted last. Beyond it the least recently used tenants forget, and their logs are asked instead.";
    "limits.strangersBytesMax" Scalar: "What all connections that have not joined may hold in memory, in bytes: beyond it the oldest of them go.";
    "limits.roomsPerConnectionMax" Scalar: "Rooms a connection may be in.";
    "limits.queueMessagesMax" Scalar: "Messages that wait for a slow reader before it is closed.";
    "limits.queueBytesMax" Scalar: "Bytes that wait for a slow reader before it is closed.";
    "limits.handshakeTimeoutMs" Scalar: "How long a request may take with its body, in milliseconds; the first one of a connection from when it is open. A body with an Authorization, or of a session that has joined, may take longer while 4 KiB a second come.";
    "limits.keepAliveTimeoutMs" Scalar: "How long a connection may stay idle between two requests, in milliseconds; answers say it in Keep-Alive. Balancers in front should close theirs earlier.";
    "limits.writeTimeoutMs" Scalar: "How long what was written to a connection may wait without a byte of it being taken, in milliseconds.";
    "limits.connectTimeoutMs" Scalar: "How long a client may stay without a token, in milliseconds.";
    "profile" Text: "How connections are spoken to whose handshake names no profile: canonical, as the contract has it, or foodtrack, as today's four applications were written; then tokens of today's login are good too.";
    "profileTables" Text: "A TOML file with names, shapes and words of the profile foodtrack, over the built-in ones.";
    "events" Tables: "Event types that tenants declare: tenant, name, schema or schemaFile, deliveryClass, description.";
    "rules" Tables: "Routing rules beside the default ones: id, tenant, events, from, permission, to.";
    "redactions" Tables: "Fields of payloads that some recipients do not get: id, tenant, events, fields, hideFrom.";
    "logging.level" Text: "error, warn, info, debug or trace, or a filter such as info,foodtrack_shard=debug.";
    "logging.format" Text: "human, json, logfmt, or auto: human on a terminal, JSON elsewhere.";
    "metrics.tenantsMax" Scalar: "How many tenants `/metrics` names, those with the most connections; all others are one. Anybody may read the page: 0, which it is where nobody says, names none.";
    "tracing.otlpUrl" Text: "Where a collector takes spans, OTLP over HTTP as JSON, such as http://127.0.0.1:4318/v1/traces. Without it no spans are made; what publishers say of their traces is passed on all the same.";
    "tracing.sampleRatio" Scalar: "Which share of the traces that begin here are sent, 0 to 1; those that a publisher began are as it says.";
    "shutdown.drainDelayMs" Scalar: "How long `/ready` and `/health` say that the node is about to stop before it does, in milliseconds; clients are served meanwhile.";
    "shutdown.spreadMs" Scalar: "How long it then takes to send clients elsewhere, some at a time, in milliseconds; 5000 in a cluster, and 0 elsewhere, where nobody says.";
    "upstream.url" Text "UPSTREAM_URL": "Where clients' requests to the business back end are posted, such as http://127.0.0.1:3000/hub/requests.";
    "upstream.secret" Text "UPSTREAM_SECRET": "What these requests are signed with, at least 32 bytes.";
    "upstream.events" TextList: "Which events are requests: names, or groups such as admin:*.";
    "upstream.timeoutMs" Scalar: "How long the back end's answer may take, in milliseconds.";
    "upstream.concurrentPerTenantMax" Scalar: "Requests of one tenant that are with the back end at once.";
    "upstream.concurrentMax" Scalar: "Requests of all tenants that are with the back end at once.";
    "upstream.hooks.connect" Scalar: "Whether the back end is asked before a client comes in whose token is good.";
    "upstream.hooks.join" Scalar: "Whether the back end is asked before a client joins a room that it may join.";
    "upstream.hooks.cacheMs" Scalar: "How long a permission of the back end is good for whoever asks the same, in milliseconds.";
    "upstream.hooks.refusedCacheMs" Scalar: "How long a refusal of the back end is, in milliseconds.";
    "upstream.hooks.allowWithoutAnswer" Scalar: "Whether a client is let in where the back end gives no answer; else it is told to try again.";
    "dashboard.enabled" Scalar: "Whether the dashboard is served at /dashboard. Its pages hold no data: what they show is asked with the token of who logs in.";
    "dashboard.operatorToken" Text "DASHBOARD_OPERATOR_TOKEN": "The token of who runs the hub, at least 32 visible characters: with it every tenant may be administered over the HTTP API and the dashboard, one at a time, and the configuration be seen. It publishes nothing and opens no socket. Without it nobody sees more than one tenant.";
    "adminUi.enabled" Scalar: "Whether there is the namespace /admin, to which the public page @socket.io/admin-ui connects: with a token that may administer its tenant as the password.";
    "adminUi.readOnly" Scalar: "Whether that page may look alone; or else it may disconnect single connections, too.";
    "emitters" Tables: "Redis servers through which back ends publish as to Socket.IO's own servers: name, kind (pubsub, streams), url, key, namespace, rooms.";
    "issuers" Tables: "Who signs tokens, where there are several: name, issuer, one of jwtSecret, publicKey, jwks, jwksUrl and discovery, algorithms, audience, tenants, leewaySeconds, lifetimeSecondsMax.";
    "webhooks" Tables: "Back ends that are told of events: name, url, secret or secretFile, events, tenants, timeoutMs, batchMax.";
    "tls.certFile" Text "TLS_CERT_FILE": "A file with the hub's certificate as PEM, and behind it those that signed it. With it, and tls.keyFile, the port speaks TLS alone: https:// and wss://.";
    "tls.keyFile" Text "TLS_KEY_FILE": "A file with the key of tls.certFile, as PEM, which nobody but its owner and a group may read.";
    "tls.minVersion" Text: "The oldest version of TLS that is spoken: 1.2 or 1.3.";
    "tls.nodeCaFile" Text "TLS_NODE_CA_FILE": "A file with the authorities that sign the certificates of the cluster's other nodes, as PEM, instead of the system's.";
    "tls.clientCaFile" Text: "A file with the authorities that sign certificates of back ends, as PEM: such a certificate may take the place of a token on the HTTP API, where tls.clientsFile knows it.";
    "tls.clientsFile" Text: "A TOML file that says which certificates are of which back end, for which tenants, and what it may do.";
    "certificates" Tables: "Further certificates, for clients that ask for one of their DNS names (SNI); others are shown that of tls.certFile: certFile, keyFile.";
    "tls.hstsSeconds" Scalar: "For how long browsers that were given a page over TLS are told to ask this host over TLS alone, in seconds; 0 is not at all.";
    "redis.url" Text "REDIS_URL": "The Redis of a cluster, in one line, such as redis://user:password@10.0.0.5:6379/0; rediss:// with TLS, redis+unix:///path for a socket. Without it, redis.host, redis.sentinels and redis.cluster the node is alone.";
    "redis.host" Text "REDIS_HOST": "Its host, where there is no URL.";
    "redis.port" Scalar "REDIS_PORT": "Its port.";
    "redis.username" Text "REDIS_USERNAME": "The ACL user.";
    "redis.password" Text "REDIS_PASSWORD": "The password.";
    "redis.db" Scalar "REDIS_DB": "The database's number.";
    "redis.tls" Scalar "REDIS_TLS": "Whether the host is spoken to with TLS.";
    "redis.caFile" Text "REDIS_CA_FILE": "A file with the certificates of the authorities that are trusted to sign Redis's, as PEM, instead of the system's.";
    "redis.certFile" Text "REDIS_CERT_FILE": "A file with the certificate that Redis is shown where it wants one, as PEM.";
    "redis.keyFile" Text "REDIS_KEY_FILE": "A file with the key of redis.certFile, as PEM.";
    "redis.sentinels" TextList "REDIS_SENTINELS": "Sentinels that say which server is the master, as host:port; instead of redis.url and redis.host.";
    "redis.master" Text "REDIS_MASTER": "What the sentinels call the master.";
    "redis.sentinelUsername" Text: "The user that the sentinels want, if they want one.";
    "redis.sentinelPassword" Text "REDIS_SENTINEL_PASSWORD": "The password that the sentinels want, if they want one.";
    "redis.cluster" TextList "REDIS_CLUSTER": "Nodes of a Redis Cluster, as host:port; instead of redis.url and redis.host.";
    "redis.prefix" Text: "What every key begins with: nodes of one cluster have the same, two clusters never.";
    "redis.timeoutMs" Scalar: "How long an answer of Redis is waited for, and how long what cannot be sent waits before it is refused, in milliseconds.";
    "redis.waitReplicas" Scalar: "How many replicas of Redis must have a durable event before it is answered; where they do not within half of redis.timeoutMs, the answer is `timeout`. 0 waits for none.";
    "redis.leaseMs" Scalar: "How long it takes until others go on with what a node did for tenants that was killed, such as telling webhooks, in milliseconds.";
    "redis.spool" Scalar: "Whether durable events are kept in `dataDir` while Redis is away, and appended when it is back ([the spool](../operating/redis-states.md#the-spool)).";
    "redis.spoolBytesMax" Scalar: "How much of them is kept, of all tenants together, in bytes.";
    "redis.ordersMax" Scalar: "Of how many orders of a tenant it is known whose they are; beyond it customers make no new ones.";
    "redis.advertise" Text: "Where the other nodes reach this one: scheme, host and port, such as http://10.0.0.7:4001. Without it where it listens, unless that is every address.";
    "redis.nodeName" Text: "What this node is called: its id begins with it. Without it its id is random.";
    "redis.nodeLeaseMs" Scalar: "How long the other nodes take one to live that they hear nothing of, in milliseconds; it says that it lives three times as often.";
}

/// The key whose place in the file is `path`.
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The keys of a section, such as `security.rateLimiting`.
pub(crate) fn in_section(path: &str) -> impl Iterator<Item = &'static Key> {
    let is_in =
        move |key: &&Key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
    KEYS.iter().filter(is_in)
}

/// Whether `path` is a section.
pub(crate) fn is_section(path: &str) -> bool {
    in_section(path).next().is_some()
}

/// The name of a key in the environment: `heartbeat.intervalMs` is `FOODTRACK__HEARTBEAT__INTERVAL_MS`.
pub(crate) fn environment_name(path: &str) -> String {
    let mut name = String::from("FOODTRACK__");
    for c in path.chars() {
        match c {
            '.' => name.push_str("__"),
            _ => {
                if c.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(c.to_ascii_uppercase());
            }
        }
    }
    name
}

/// The key that `FOODTRACK__` and `name` mean, whatever the case: `HEARTBEAT__INTERVAL_MS` is `heartbeat.intervalMs`.
pub(crate) fn find_in_environment(name: &str) -> Option<&'static Key> {
    let plain = |text: &str| text.replace('_', "").to_ascii_lowercase();
    let wanted = name.split("__").map(plain).collect::<Vec<_>>().join(".");
    KEYS.iter().find(|key| key.path.to_ascii_lowercase() == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_a_key_in_any_case_with_or_without_inner_underscores() {
        for name in ["HEARTBEAT__INTERVAL_MS", "heartbeat__intervalms", "Heartbeat__IntervalMs"] {
            assert_eq!(find_in_environment(name).map(|key| key.path), Some("heartbeat.intervalMs"));
        }
        assert!(find_in_environment("HEARTBEAT__INTERVAL__MS").is_none());
    }

    #[test]
    fn every_key_is_found_by_the_name_in_the_environment_that_is_told() {
        for key in KEYS {
            let name = environment_name(key.path);
            let found = find_in_environment(name.strip_prefix("FOODTRACK__").unwrap());
            assert_eq!(found.map(|key| key.path), Some(key.path), "{name}");
        }
    }
}
