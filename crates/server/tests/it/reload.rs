//! The configuration of a running server, read anew.

use std::net::SocketAddr;
use std::path::Path;

use foodtrack_contract::UserRole;
use serde_json::json;
use test_support::{eventually, wait_until};

use crate::origins::allowed;
use crate::process::{Served, command};
use crate::support::{Answer, SECRET, call, config, request, serve, token};

pub(crate) fn system() -> String {
    token("t1", UserRole::System)
}

pub(crate) fn reload(address: SocketAddr) -> Answer {
    call(address, "POST /api/v1/config/reload", &system(), "")
}

/// The ids of the rules that are not default ones.
fn rules(address: SocketAddr) -> Vec<String> {
    let rules = call(address, "GET /api/v1/rules", &system(), "").data();
    let ids = rules.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned());
    ids.filter(|id| !id.starts_with("default:")).collect()
}

fn rule(id: &str) -> String {
    format!(
        "[[rules]]\nid = \"{id}\"\nevents = \"delivery:delayed\"\nfrom = [\"delivery_app\"]\nto = [\"client_app\"]\n"
    )
}

pub(crate) fn start(file: &Path) -> Served {
    let file = file.to_str().unwrap();
    let data = Path::new(file).parent().unwrap().join("data");
    let data = data.to_str().unwrap();
    let arguments =
        ["serve", "--config", file, "--port", "0", "--host", "127.0.0.1", "--data-dir", data];
    Served::start(command(&arguments).env("JWT_SECRET", SECRET))
}

#[test]
fn what_is_new_in_a_configuration_counts_without_a_restart_and_a_bad_one_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hub.toml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    write(&rule("first"));
    let mut served = start(&file);
    let address = served.address;
    assert_eq!(rules(address), ["first"]);
    assert_eq!(reload(address).data(), json!({ "changed": [], "needsRestart": [] }));
    // What a tenant has of its own stays over it.
    let event = json!({ "name": "loyalty:earned", "schema": { "type": "object" } }).to_string();
    assert_eq!(call(address, "POST /api/v1/events", &system(), &event).status, 201);
    let own = json!({ "id": "own", "events": "loyalty:earned", "from": ["system"], "to": ["client_app"] });
    assert_eq!(call(address, "POST /api/v1/rules", &system(), &own.to_string()).status, 201);
    let redaction = "[[redactions]]\nid = \"costs\"\nevents = \"order:*\"\nfields = [\"/cost\"]\nhideFrom = [\"customer\"]\n";
    let path = "path = \"/other/\"\n[logging]\nlevel = \"debug\"\n";
    write(&format!("{path}{}{redaction}", rule("second")));
    let reloaded = reload(address).data();
    assert_eq!(reloaded["changed"], json!(["rules", "redactions", "logging.level"]));
    assert_eq!(reloaded["needsRestart"], json!(["path"]));
    assert_eq!(rules(address), ["second", "own"]);
    let hidden = call(address, "GET /api/v1/redactions", &system(), "").data();
    assert_eq!(hidden[0]["id"], "costs");
    // All that is wrong is told at once, and nothing of it is done.
    write(&format!("prot = 1\n[limits]\nqueueMessagesMax = 0\n{}", rule("third")));
    let refused = reload(address);
    assert_eq!((refused.status, refused.code().as_str()), (409, "conflict"));
    let faults = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(faults.contains("prot") && faults.contains("queueMessagesMax"), "{faults}");
    write(&rule("own"));
    let refused = reload(address);
    assert!(refused.body.contains("declared over HTTP") && refused.status == 409, "{refused:?}");
    assert_eq!(rules(address), ["second", "own"]);
    // SIGHUP asks for the same.
    write("[limits]\napiRequestsPerSecondPerToken = 1\napiRequestsBurstPerToken = 1\n");
    let owner = token("t1", UserRole::RestaurantOwner);
    for line in ["POST /api/v1/config/reload", "POST /api/v1/drain"] {
        assert_eq!(call(address, line, &owner, "").code(), "permission_denied");
    }
    served.signal("HUP");
    let audit = || {
        let files = std::fs::read_dir(directory.path().join("data/audit")).unwrap();
        files.map(|it| std::fs::read_to_string(it.unwrap().path()).unwrap()).collect::<String>()
    };
    wait_until("it was read anew", || audit().matches("\"configuration.reloaded\"").count() == 5);
    // The rates of the new file: what was asked before counts, too.
    let ask = || call(address, "GET /api/v1/rules", &system(), "");
    let rules = eventually("one a second", || Some(ask()).filter(|it| it.status == 200));
    assert_eq!(ask().code(), "rate_limited");
    assert!(!rules.body.contains("second") && rules.body.contains("\"own\""), "{rules:?}");
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
    let audit = audit();
    assert!(audit.contains("changed: rules, redactions, logging.level"), "{audit}");
}

#[test]
fn other_origins_may_connect_and_call_after_a_reload_and_a_bad_list_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("hub.toml");
    let cors = |origins: &str, credentials: bool, methods: &str| {
        let text = format!(
            "[cors]\norigin = {origins}\ncredentials = {credentials}\nmethods = {methods}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let (one, two) = ("https://one.example", "https://two.example");
    cors(&format!("[\"{one}\"]"), true, "[\"GET\"]");
    let mut served = start(&file);
    let address = served.address;
    let of = |origin: &str, credentials| {
        let allowed = (Some(origin.to_owned()), credentials);
        [allowed.clone(), allowed]
    };
    let nobody = [(None, false), (None, false)];
    assert_eq!((allowed(address, one), allowed(address, two)), (of(one, true), nobody.clone()));
    cors("[\"*\"]", true, "[\"GET\"]");
    assert_eq!(reload(address).status, 409);
    assert_eq!((allowed(address, one), allowed(address, two)), (of(one, true), nobody.clone()));
    cors(&format!("[\"{two}\"]"), false, "[\"GET\", \"PUT\"]");
    let changed = json!(["cors.origin", "cors.methods", "cors.credentials"]);
    assert_eq!(reload(address).data(), json!({ "changed": changed, "needsRestart": [] }));
    assert_eq!((allowed(address, one), allowed(address, two)), (nobody, of(two, false)));
    let page = [("Origin", two), ("Access-Control-Request-Method", "PUT")];
    let preflight = request(address, "OPTIONS /api/v1/rules", &page, "");
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, PUT"));
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
}

#[test]
fn a_server_that_was_given_its_configuration_reads_none() {
    let server = serve(config());
    assert_eq!(reload(server.local_addr()).code(), "not_found");
    server.stop();
}

#[test]
fn sighup_has_the_certificate_read_at_once_though_its_files_did_not_change() {
    let directory = tempfile::tempdir().unwrap();
    let Some(made) = test_support::Certificates::make(directory.path()) else {
        return test_support::skipped("openssl is not installed");
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let log = directory.path().join("log");
    let mut served = Served::start_with_stderr(
        command(&["serve", "--in-memory", "--port", "0", "--host", "127.0.0.1"])
            .env("JWT_SECRET", SECRET)
            .env("TLS_CERT_FILE", text(&made.certificate()))
            .env("TLS_KEY_FILE", text(&made.key())),
        std::fs::File::create(&log).unwrap(),
    );
    let told = || std::fs::read_to_string(&log).unwrap();
    assert!(!told().contains("the certificate was read anew"));
    served.signal("HUP");
    wait_until("it is read", || told().contains("the certificate was read anew"));
    served.signal("TERM");
    assert_eq!(served.wait(), 0);
}
