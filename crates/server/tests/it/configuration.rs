//! What a configuration must be before a server starts with it.

use foodtrack_server::WebSocketConfig;

fn problems(config: WebSocketConfig) -> Vec<String> {
    config.check().unwrap_err().problems().iter().map(ToString::to_string).collect()
}

fn from_toml(text: &str) -> WebSocketConfig {
    toml::from_str(text).unwrap()
}

#[test]
fn there_is_no_server_without_a_key_to_verify_tokens_with() {
    let problems = problems(WebSocketConfig::default());
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].contains("JWT_SECRET"), "{problems:?}");
}

#[test]
fn all_problems_are_told_at_once() {
    let config = from_toml(
        r#"
        host = "everywhere"
        path = "socket.io"
        [cors]
        origin = ["*", "http://localhost:3000/path"]
        [heartbeat]
        intervalMs = 0
        [limits]
        queueBytesMax = 10
        roomsPerConnectionMax = 0
        [security]
        jwtSecret = "short"
        encryptionKey = "0123"
        [redis]
        url = "localhost"
        [retry]
        maxAttempts = 0
        [log]
        offlineHoursMax = 1000
        [[delivery]]
        event = "delivery:location_updated"
        acknowledge = true
        [logging]
        level = "loud"
        [[events]]
        tenant = "t1"
        name = "order:created"
        schema = {}
        [[rules]]
        id = "r1"
        events = "system:error"
        from = ["system"]
        to = ["client_app"]
        "#,
    );
    let problems = problems(config);
    let keys = [
        "host:",
        "path:",
        "cors.origin: * with",
        "cors.origin: \"http://localhost:3000/path\"",
        "heartbeat.intervalMs:",
        "limits.queueBytesMax:",
        "limits.roomsPerConnectionMax:",
        "security.jwtSecret:",
        "security.encryptionKey: a key of 2 bytes",
        "redis.url: no address",
        "retry.maxAttempts:",
        "log.offlineHoursMax:",
        "delivery.0 (delivery:location_updated): a volatile event",
        "logging.level:",
        "events.0 (order:created):",
        "rules.0 (r1):",
    ];
    for key in keys {
        assert!(problems.iter().any(|problem| problem.starts_with(key)), "{key} in {problems:#?}");
    }
    assert_eq!(problems.len(), keys.len(), "{problems:#?}");
}

#[test]
fn a_queue_and_a_burst_must_hold_the_largest_message() {
    let base =
        || WebSocketConfig::default().jwt_secret("no secret at all: for examples and tests alone");
    assert!(base().payload_bytes_max(4_000_000).check().is_ok());
    let told = problems(base().payload_bytes_max(5_000_000));
    for key in ["limits.queueBytesMax:", "limits.bytesBurstPerConnection:"] {
        assert!(told.iter().any(|problem| problem.starts_with(key)), "{key} in {told:?}");
    }
}

#[test]
fn an_event_type_is_declared_once_and_by_one_schema() {
    let secret = "[security]\njwtSecret = \"no secret at all: for examples and tests alone\"\n";
    let event = |more: &str| format!("[[events]]\ntenant = \"t1\"\nname = \"a:b\"\n{more}\n");
    let good = event("schema = { type = \"object\" }");
    assert!(from_toml(&format!("{secret}{good}")).check().is_ok());
    let twice = problems(from_toml(&format!("{secret}{good}{good}")));
    assert!(twice[0].starts_with("events.1 (a:b):") && twice[0].contains("twice"), "{twice:?}");
    for more in ["", "schema = {}\nschemaFile = \"x.json\"", "schemaFile = \"no/such/file.json\""] {
        let problems = problems(from_toml(&format!("{secret}{}", event(more))));
        assert!(problems[0].starts_with("events.0 (a:b):"), "{problems:?}");
    }
}

#[test]
fn a_secret_is_never_shown() {
    let secret = "correct-horse-battery-staple-0123456789";
    let config = WebSocketConfig::default().jwt_secret(secret);
    let (said, text) = (format!("{config:?}"), toml::to_string(&config).unwrap());
    let shown = format!("{said} {text} {:?}", config.check());
    assert!(!shown.contains("staple"), "{shown}");
    assert!(shown.contains("(redacted)"), "{shown}");
}

#[test]
fn a_back_end_needs_a_url_a_secret_and_names_that_are_no_events() {
    let with = |upstream: &str| {
        from_toml(&format!(
            "[security]\njwtSecret = 'no secret at all: for examples and tests alone'\n[upstream]\n{upstream}"
        ))
    };
    let (url, secret) =
        ("url = 'http://127.0.0.1/x'", "secret = 'thirty-two bytes, or some few more'");
    let good = format!("{url}\n{secret}\nevents = ['kitchen:get_orders', 'reports:*']");
    assert!(with(&good).check().is_ok());
    assert!(with("timeoutMs = 1").check().is_ok(), "nobody is asked");
    for (upstream, key) in [
        (url.to_owned(), "upstream.secret"),
        (format!("url = 'gateway:3000'\n{secret}"), "upstream.url"),
        (format!("url = 'ftp://gateway/x'\n{secret}"), "upstream.url"),
        (format!("{url}\nsecret = 'short'"), "upstream.secret"),
        (format!("{good}\ntimeoutMs = 0"), "upstream.timeoutMs"),
        (format!("{good}\nconcurrentMax = 0"), "upstream.concurrentMax"),
        (format!("{good}\nhooks.cacheMs = 3_600_001"), "upstream.hooks.cacheMs"),
        ("hooks.connect = true".to_owned(), "upstream.hooks.connect"),
        ("hooks.join = true".to_owned(), "upstream.hooks.join"),
    ] {
        let problems = problems(with(&upstream));
        assert!(problems.len() == 1 && problems[0].starts_with(key), "{upstream}: {problems:?}");
    }
    for event in ["order:created", "order:*", "*", "ping", "hook:*", "hook:join", "a*b", "kitchen*"]
    {
        let problems = problems(with(&format!("{url}\n{secret}\nevents = ['{event}']")));
        assert!(problems[0].starts_with("upstream.events"), "{event}: {problems:?}");
    }
}
