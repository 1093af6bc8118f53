//! A server with a master key: what it keeps is sealed, wrong keys are refused, and what is erased is gone.

use std::path::Path;

use foodtrack_contract::UserRole;
use foodtrack_server::{StartError, WebSocketConfig, WebSocketServer};
use serde_json::json;
use test_support::files_with;

use crate::process::{command, run};
use crate::support::{call, claims, config, serve, signed, token};

pub(crate) const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
const OTHER_KEY: &str = "ff112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";
/// Stands in payloads, and must be found in no file.
pub(crate) const MARKER: &str = "ring-twice-at-the-green-door";

pub(crate) fn sealed(directory: &Path, key: Option<&str>) -> WebSocketConfig {
    let mut config = config().data_dir(directory.to_str().unwrap());
    config.security.encryption_key = key.map(foodtrack_server::Secret::new);
    config
}

pub(crate) fn publish(server: &WebSocketServer, tenant: &str, order: &str) {
    let payload = json!({ "orderId": order, "customerId": "ada", "note": MARKER });
    let message = json!({ "type": "order:created", "payload": payload }).to_string();
    let system = token(tenant, UserRole::System);
    let answer = call(server.local_addr(), "POST /api/v1/publish", &system, &message);
    assert!(answer.data()["offset"].is_u64(), "{answer:?}");
}

pub(crate) fn entries(server: &WebSocketServer, tenant: &str) -> usize {
    let mut claims = claims(tenant, UserRole::RestaurantOwner);
    // Later than what an erasure refuses.
    claims.issued_at_s += 90;
    let answer = call(server.local_addr(), "GET /api/v1/log?limit=100", &signed(&claims), "");
    answer.data().as_array().unwrap().len()
}

fn refused(config: WebSocketConfig) -> StartError {
    WebSocketServer::bind(config.check().unwrap()).err().expect("it started")
}

/// Runs a command on a data directory, with the master key in the environment.
pub(crate) fn on(directory: &Path, key: &str, arguments: &[&str]) -> (i32, String, String) {
    let mut command = command(arguments);
    command.args(["--data-dir", directory.to_str().unwrap()]);
    run(command.env("WEBSOCKET_ENCRYPTION_KEY", key))
}

#[test]
fn what_is_kept_is_sealed_and_a_wrong_or_missing_key_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let server = serve(sealed(path, Some(KEY)));
    publish(&server, "t1", "o1");
    publish(&server, "t2", "o1");
    assert_eq!(files_with(path, MARKER), Vec::<String>::new(), "while it runs");
    server.stop();
    assert_eq!(files_with(path, MARKER), Vec::<String>::new());
    for (key, sentence) in
        [(None, "no master key is given"), (Some(OTHER_KEY), "the master key is")]
    {
        let told = refused(sealed(path, key)).to_string();
        assert!(told.contains(sentence) && !told.contains(OTHER_KEY), "{told}");
    }
    // A log whose keys are another's, or lost.
    std::fs::rename(path.join("keys"), path.join("elsewhere")).unwrap();
    let told = refused(sealed(path, Some(KEY))).to_string();
    assert!(told.contains("sealed with other keys"), "{told}");
    std::fs::remove_dir_all(path.join("keys")).unwrap();
    let told = refused(sealed(path, None)).to_string();
    assert!(told.contains("sealed, and no key is given"), "{told}");
    std::fs::rename(path.join("elsewhere"), path.join("keys")).unwrap();
    let server = serve(sealed(path, Some(KEY)));
    assert_eq!((entries(&server, "t1"), entries(&server, "t2")), (1, 1));
    server.stop();
}

#[test]
fn keys_are_listed_rotated_and_wrapped_anew_and_all_is_read_still() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let server = serve(sealed(path, Some(KEY)));
    publish(&server, "t1", "o1");
    // Beside the running server.
    let (code, out, notes) = on(path, KEY, &["keys", "rotate", "--tenant", "t1"]);
    assert_eq!((code, out.trim()), (0, "t1: key 2 seals what comes next"), "{notes}");
    let new = path.join("new.key");
    std::fs::write(&new, OTHER_KEY).unwrap();
    let rotate = ["keys", "rotate-master", "--new-key-file", new.to_str().unwrap()];
    let (code, _, notes) = on(path, KEY, &rotate);
    assert!(code == 2 && notes.contains("another running server's"), "{notes}");
    server.stop();
    let (code, out, notes) = on(path, "", &["keys", "list", "--json"]);
    assert_eq!((code, out.lines().count()), (0, 2), "{notes}");
    assert!(!out.contains("wrapped") && out.contains("\"isNewest\":true"), "{out}");
    let (code, _, notes) = on(path, OTHER_KEY, &rotate);
    assert!(code == 2 && notes.contains("the master key is"), "{notes}");
    let (code, _, notes) = on(path, KEY, &rotate);
    assert_eq!(code, 0, "{notes}");
    assert!(refused(sealed(path, Some(KEY))).to_string().contains("the master key is"));
    let server = serve(sealed(path, Some(OTHER_KEY)));
    publish(&server, "t1", "o2");
    assert_eq!(entries(&server, "t1"), 2);
    server.stop();
    let (code, out, notes) = on(path, OTHER_KEY, &["log", "read", "--tenant", "t1"]);
    assert_eq!((code, out.lines().count()), (0, 2), "{notes}");
    let (code, _, notes) = on(path, OTHER_KEY, &["log", "check"]);
    assert_eq!(code, 0, "{notes}");
    let (code, _, notes) = on(path, "", &["log", "check"]);
    assert!(code == 0 && notes.contains("2 rows are sealed"), "{notes}");
}

#[test]
fn an_erased_tenant_is_closed_in_backups_too_and_others_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("data");
    let server = serve(sealed(&path, Some(KEY)));
    publish(&server, "gone", "order-of-gone");
    publish(&server, "stays", "o1");
    let backup = directory.path().join("backup");
    let arguments = ["log", "backup", "--to", backup.to_str().unwrap()];
    let (code, _, notes) = on(&path, KEY, &arguments);
    assert_eq!(code, 0, "{notes}");
    let erase = ["tenant", "erase", "--tenant", "gone", "--confirm"];
    let (code, _, notes) = on(&path, KEY, &[&erase[..], &["gone"]].concat());
    assert!(code == 2 && notes.contains("running server"), "{notes}");
    server.stop();
    let export = directory.path().join("gone.jsonl");
    let arguments = ["tenant", "export", "--tenant", "gone", "--output", export.to_str().unwrap()];
    let (code, _, notes) = on(&path, KEY, &arguments);
    assert_eq!(code, 0, "{notes}");
    assert!(std::fs::read_to_string(&export).unwrap().contains(MARKER));
    std::fs::remove_file(export).unwrap();
    let (code, _, notes) = on(&path, KEY, &[&erase[..], &["stays"]].concat());
    assert!(code == 2 && notes.contains("another tenant"), "{notes}");
    for _ in 0..2 {
        let (code, out, notes) = on(&path, KEY, &[&erase[..], &["gone"]].concat());
        assert!(code == 0 && out.contains("gone erased"), "{out}{notes}");
    }
    assert_eq!(files_with(&path, "order-of-gone"), Vec::<String>::new());
    assert_eq!(files_with(directory.path(), MARKER), Vec::<String>::new());
    assert!(!path.join("keys/gone.key").exists());
    // The backup, with all the keys that there are.
    std::fs::create_dir(backup.join("keys")).unwrap();
    for file in std::fs::read_dir(path.join("keys")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), backup.join("keys").join(file.file_name())).unwrap();
    }
    let (code, out, _) = on(&backup, KEY, &["log", "export", "--tenant", "gone"]);
    assert!(code != 0 && !out.contains(MARKER), "{out}");
    let (code, out, notes) = on(&backup, KEY, &["log", "export", "--tenant", "stays"]);
    assert!(code == 0 && out.contains(MARKER), "{notes}");
    let server = serve(sealed(&path, Some(KEY)));
    assert_eq!((entries(&server, "gone"), entries(&server, "stays")), (0, 1));
    server.stop();
}

#[test]
fn an_erased_person_is_in_no_file_and_a_tombstone_is_read_and_delivered_to_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let server = serve(config().data_dir(path.to_str().unwrap()));
    publish(&server, "t1", "o1");
    server.stop();
    assert!(!files_with(path, MARKER).is_empty());
    let erase = ["tenant", "erase-person", "--tenant", "t1", "--user", "ada"];
    let (code, out, notes) = on(path, "", &erase);
    assert!(code == 0 && out.starts_with("1 entries of t1 are tombstones now"), "{out}{notes}");
    assert_eq!(files_with(path, MARKER), Vec::<String>::new());
    let (code, out, notes) = on(path, "", &["log", "export", "--tenant", "t1"]);
    assert!(code == 0 && out.contains(r#""payload":{"erased":true}"#), "{out}{notes}");
    assert!(!out.contains("ada"), "{out}");
    let (code, findings, notes) = on(path, "", &["log", "check"]);
    assert_eq!((code, &*findings), (0, ""), "{notes}");
}

#[test]
fn a_master_key_beside_a_log_in_redis_is_refused_at_the_start_however_it_is_given() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("master.key");
    std::fs::write(&file, KEY).unwrap();
    let file = file.to_str().unwrap();
    for place in ["data", "none"] {
        let given: [fn(&mut WebSocketConfig, &str); 3] = [
            |config, _| config.security.encryption_key = Some(foodtrack_server::Secret::new(KEY)),
            |config, file| config.security.encryption_key_file = Some(file.into()),
            |config, file| {
                config.security.encryption_key_command = vec!["cat".into(), file.into()];
            },
        ];
        for give in given {
            let mut config = config();
            give(&mut config, file);
            config.clone().check().unwrap();
            config.redis.url = Some(foodtrack_server::Secret::new("redis://127.0.0.1:1"));
            if place == "data" {
                config.data_dir = Some(directory.path().to_str().unwrap().into());
            }
            let told = config.check().unwrap_err().to_string();
            assert!(told.contains("and not in Redis") && !told.contains(KEY), "{told}");
        }
    }
}
