//! `foodtrack-websocket api-keys`, beside a running hub.

use foodtrack_contract::UserRole;
use serde_json::Value;

use crate::process::{command, run};
use crate::support::{config, serve, token};

#[test]
fn a_key_is_made_listed_replaced_and_taken_away_from_the_command_line() {
    let server = serve(config());
    let hub = format!("http://{}", server.local_addr());
    let ask = |arguments: &[&str], credential: &str| {
        let arguments = [&["api-keys"], arguments, &["--hub", &hub]].concat();
        run(command(&arguments).env("FOODTRACK_TOKEN", credential))
    };
    let service = token("t1", UserRole::System);
    let done = |arguments: &[&str]| -> Value {
        let (code, said, told) = ask(arguments, &service);
        assert_eq!(code, 0, "{told}");
        serde_json::from_str(&said).unwrap()
    };
    let made = done(&["create", "billing", "--permission", "admin:access", "--for", "1h"]);
    let (id, key) = (made["apiKey"]["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    assert!(key.starts_with(&format!("ftk_{id}_")), "{made}");
    // A key may ask what it was made for, here as anywhere.
    assert_eq!(ask(&["list"], key).0, 0);
    let listed = done(&["list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["createdBy"]), (&"billing".into(), &"u1".into()));
    let rotated = done(&["rotate", id, "--at-once"]);
    let newer = rotated["key"].as_str().unwrap();
    let (code, _, told) = ask(&["list"], key);
    assert!(code == 1 && told.contains("nobody has this API key"), "{code}: {told}");
    assert_eq!(ask(&["list"], newer).0, 0);
    done(&["revoke", id]);
    assert_eq!(ask(&["list"], newer).0, 1);
    assert_eq!(done(&["list"]), Value::Array(Vec::new()));
    let (code, _, told) = ask(&["create", "billing"], &service);
    assert!(code == 2 && told.contains("--permission"), "{code}: {told}");
}
