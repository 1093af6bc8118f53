//! What tenants declare over HTTP, across restarts.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use foodtrack_contract::{DeliveryClass, UserRole};
use foodtrack_server::config::EventConfig;
use foodtrack_server::{StartError, WebSocketServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Served, command, run};
use crate::support::{Answer, SECRET, call, config, serve, token};

/// A parent for a data directory that is not there yet.
fn place() -> (TempDir, String) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data").to_str().unwrap().to_owned();
    (parent, path)
}

/// What every tenant declared, of earlier versions.
fn old_file(directory: &str) -> PathBuf {
    Path::new(directory).join("declarations.json")
}

/// What one tenant declared.
fn file(directory: &str, tenant: &str) -> PathBuf {
    Path::new(directory).join(format!("declarations/{tenant}.json"))
}

fn serve_with(directory: &str) -> std::process::Command {
    let mut command =
        command(&["serve", "--port", "0", "--host", "127.0.0.1", "--data-dir", directory]);
    command.env("JWT_SECRET", SECRET);
    command
}

fn declare(address: SocketAddr, tenant: &str, name: &str, schema: &Value) -> Answer {
    let declaration = json!({ "name": name, "schema": schema, "description": "for a test" });
    let owner = token(tenant, UserRole::RestaurantOwner);
    call(address, "POST /api/v1/events", &owner, &declaration.to_string())
}

fn withdraw(address: SocketAddr, tenant: &str, name: &str) -> Answer {
    let owner = token(tenant, UserRole::RestaurantOwner);
    call(address, &format!("DELETE /api/v1/events/{name}"), &owner, "")
}

fn declared(address: SocketAddr, tenant: &str) -> Value {
    call(address, "GET /api/v1/events", &token(tenant, UserRole::RestaurantOwner), "").data()
}

fn names(address: SocketAddr, tenant: &str) -> Vec<String> {
    let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
    declared(address, tenant).as_array().unwrap().iter().map(name).collect()
}

#[test]
fn publishing_does_not_wait_behind_another_tenant_s_declarations() {
    let (_parent, directory) = place();
    let limits = foodtrack_server::LimitsConfig {
        api_requests_per_second_per_tenant: 0,
        api_requests_per_second_per_token: 0,
        ..Default::default()
    };
    let server = serve(config().data_dir(&*directory).limits(limits));
    let address = server.local_addr();
    // Dear to compile and to write.
    let properties: serde_json::Map<String, Value> = (0..300)
        .map(|n| (format!("field{n}"), json!({ "type": "string", "description": "x".repeat(120) })))
        .collect();
    let schema = json!({ "type": "object", "properties": properties });
    (0..15).for_each(|n| {
        assert_eq!(declare(address, "t1", &format!("a:{n}"), &schema).status, 201);
    });
    let message = json!({ "type": "order:updated", "payload": { "orderId": "1" } }).to_string();
    let backend = token("t2", UserRole::System);
    let is_over = AtomicBool::new(false);
    let (published, declared) = std::thread::scope(|scope| {
        let declares = scope.spawn(|| {
            let mut declared = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                // Several at once, so that one always waits.
                std::thread::scope(|scope| {
                    for n in 0..4 {
                        let schema = &schema;
                        scope.spawn(move || declare(address, "t1", &format!("a:{n}"), schema));
                    }
                });
                declared += 4;
            }
            declared
        });
        let until = Instant::now() + Duration::from_secs(3);
        let mut published = 0_u32;
        while Instant::now() < until {
            assert_eq!(call(address, "POST /api/v1/publish", &backend, &message).status, 200);
            published += 1;
        }
        is_over.store(true, Ordering::Relaxed);
        (published, declares.join().unwrap())
    });
    server.stop();
    println!("{published} published while {declared} were declared");
    assert!(declared > 0);
    // One that had to wait behind every declaration would be published about as often as one is declared.
    assert!(published > 3 * declared, "{published} published, {declared} declared");
}

/// A schema as deep as a request may carry.
fn deepest_schema() -> Value {
    (1..32).fold(json!({}), |inner, _| json!({ "not": inner }))
}

#[test]
fn what_was_answered_survives_kill_9() {
    let (parent, directory) = place();
    // Here the directory is named in the file, elsewhere by the flag.
    let config = parent.path().join("hub.toml");
    let text = format!(
        "dataDir = '{directory}'\n[[rules]]\nid = 'r1'\nevents = 'loyalty:*'\nfrom = ['system']\nto = ['client_app']\n"
    );
    std::fs::write(&config, text).unwrap();
    let arguments =
        ["serve", "--port", "0", "--host", "127.0.0.1", "--config", config.to_str().unwrap()];
    let start = || Served::start(command(&arguments).env("JWT_SECRET", SECRET));
    let mut first = start();
    let points = json!({ "type": "object", "required": ["points"] });
    assert_eq!(declare(first.address, "t1", "loyalty:earned", &points).status, 201);
    assert_eq!(declare(first.address, "t1", "loyalty:spent", &points).status, 201);
    assert_eq!(declare(first.address, "t2", "loyalty:earned", &json!({})).status, 201);
    assert_eq!(withdraw(first.address, "t1", "loyalty:spent").status, 200);
    let (one, two) = (declared(first.address, "t1"), declared(first.address, "t2"));
    first.signal("KILL");
    first.wait();

    let second = start();
    assert_eq!((declared(second.address, "t1"), declared(second.address, "t2")), (one, two));
    // In force too, not only listed.
    let publish = |payload: Value| {
        let message = json!({ "type": "loyalty:earned", "payload": payload }).to_string();
        call(second.address, "POST /api/v1/publish", &token("t1", UserRole::System), &message)
    };
    assert_eq!(publish(json!({})).code(), "payload_invalid");
    assert_eq!(publish(json!({ "points": 3 })).status, 200);
}

#[test]
fn without_a_data_directory_declarations_end_with_the_server() {
    let server = serve(config());
    assert_eq!(declare(server.local_addr(), "t1", "a:b", &json!({})).status, 201);
    server.stop();
    let server = serve(config());
    assert_eq!(declared(server.local_addr(), "t1"), json!([]));
    server.stop();
}

#[test]
fn the_directory_is_its_owners_alone_and_free_once_the_server_stopped() {
    let (_parent, directory) = place();
    let server = serve(config().data_dir(&*directory));
    let rules = server.router();
    assert_eq!(declare(server.local_addr(), "t1", "a:b", &json!({})).status, 201);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(Path::new(&directory)), mode(&file(&directory, "t1"))), (0o700, 0o600));
    assert_eq!(mode(&Path::new(&directory).join("declarations")), 0o700);
    server.stop();
    let server = serve(config().data_dir(&*directory));
    assert_eq!(names(server.local_addr(), "t1"), ["a:b"]);
    server.stop();
    // A handle that is still there holds nothing of the directory.
    drop(rules);
}

#[test]
fn a_second_server_is_refused_and_the_first_goes_on() {
    let (_parent, directory) = place();
    let first = Served::start(&mut serve_with(&directory));
    // By the environment this time.
    let (code, stdout, stderr) = run(command(&["serve", "--port", "0", "--host", "127.0.0.1"])
        .env("FOODTRACK__DATADIR", &directory)
        .env("JWT_SECRET", SECRET));
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert!(stderr.contains(&directory) && stderr.contains("another running server"), "{stderr}");
    assert_eq!(declare(first.address, "t1", "a:b", &json!({})).status, 201);
}

#[test]
fn a_file_that_cannot_be_understood_is_refused_and_left_as_it_is() {
    let old = |name: &str, schema: &str| {
        format!(
            r#"{{"version":1,"declarations":[{{"tenant":"t1","name":"{name}","schema":{schema},"deliveryClass":"durable"}}]}}"#
        )
    };
    let new = |tenant: &str, name: &str, rules: &str| {
        format!(
            r#"{{"version":2,"tenant":"{tenant}","declarations":[{{"name":"{name}","schema":{{}},"deliveryClass":"durable"}}],"rules":[{rules}]}}"#
        )
    };
    let rule =
        r#"{"id":"default:order:created","tenant":"t1","events":"a:b","from":["system"],"to":[]}"#;
    let of_all = |text: String, said| (None, text, said);
    let of_one = |text: String, said| (Some("t1"), text, said);
    for (tenant, text, said) in [
        of_all(r#"{"version":1,"declara"#.to_owned(), "damaged"),
        of_all(String::new(), "damaged"),
        of_all(r#"{"version":3,"declarations":[]}"#.to_owned(), "format version 3"),
        of_all(old("a:b", r#"{"type":"no such type"}"#), "tenant t1 can no longer declare a:b"),
        of_all(old("order:created", "{}"), "tenant t1 can no longer declare order:created"),
        of_one(new("t1", "a:b", "")[..30].to_owned(), "damaged"),
        of_one(r#"{"version":1}"#.to_owned(), "format version 1"),
        of_one(new("t2", "a:b", ""), "it is of tenant \"t2\""),
        of_one(new("t1", "order:created", ""), "tenant t1 can no longer declare order:created"),
        of_one(new("t1", "a:b", rule), "exists already"),
    ] {
        let (_parent, directory) = place();
        std::fs::create_dir_all(Path::new(&directory).join("declarations")).unwrap();
        let file = tenant.map_or_else(|| old_file(&directory), |of| file(&directory, of));
        std::fs::write(&file, &text).unwrap();
        let (code, stdout, stderr) = run(&mut serve_with(&directory));
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(file.to_str().unwrap()), "{stderr}");
        assert!(
            stderr.contains(said) && stderr.contains("nothing was changed"),
            "{said}: {stderr}"
        );
        assert_eq!(std::fs::read_to_string(file).unwrap(), text);
    }
}

#[test]
fn what_an_earlier_version_kept_is_read_and_each_tenant_is_given_its_file() {
    let (parent, directory) = place();
    std::fs::create_dir_all(Path::new(&directory).join("declarations")).unwrap();
    let one = |tenant: &str| {
        format!(
            r#"{{"tenant":"{tenant}","name":"a:b","schema":{{"title":"{tenant}"}},"deliveryClass":"durable"}}"#
        )
    };
    let old = format!(r#"{{"version":1,"declarations":[{},{}]}}"#, one("t1"), one("t2"));
    std::fs::write(old_file(&directory), old).unwrap();
    // Of an attempt that a crash ended.
    std::fs::write(file(&directory, "t3"), "{}").unwrap();
    let log = parent.path().join("log");
    let stderr = std::fs::File::create(&log).unwrap();
    let mut first = Served::start_with_stderr(&mut serve_with(&directory), stderr);
    assert_eq!(names(first.address, "t1"), ["a:b"]);
    assert_eq!(declare(first.address, "t1", "a:c", &json!({})).status, 201);
    first.signal("KILL");
    first.wait();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("each tenant has a file of its own now"), "{log}");
    let text = |tenant| std::fs::read_to_string(file(&directory, tenant)).unwrap();
    assert!(!text("t1").contains("t2") && !text("t2").contains("t1"), "{}", text("t1"));
    assert!(!file(&directory, "t3").exists());
    // An earlier version finds a format that it does not know, and not an empty directory.
    assert_eq!(std::fs::read_to_string(old_file(&directory)).unwrap().trim(), r#"{"version":2}"#);
    let second = Served::start(&mut serve_with(&directory));
    assert_eq!(names(second.address, "t1"), ["a:b", "a:c"]);
    assert_eq!(declared(second.address, "t2")[0]["schema"], json!({ "title": "t2" }));
    // The last withdrawal takes the file away, and another's stays as it was.
    let of_another = text("t2");
    for name in ["a:b", "a:c"] {
        assert_eq!(withdraw(second.address, "t1", name).status, 200);
    }
    assert!(!file(&directory, "t1").exists());
    assert_eq!(text("t2"), of_another);
}

#[test]
fn a_place_that_is_no_directory_ends_with_2() {
    let (parent, directory) = place();
    std::fs::write(&directory, "a file").unwrap();
    let absent = parent.path().join("absent/data");
    for path in [&directory, absent.to_str().unwrap(), ""] {
        let (code, _, stderr) = run(&mut serve_with(path));
        assert_eq!(code, 2, "{path:?}: {stderr}");
    }
    assert_eq!(std::fs::read_to_string(&directory).unwrap(), "a file");
}

#[test]
fn what_the_disk_does_not_take_is_refused_and_changes_nothing() {
    let (_parent, directory) = place();
    let server = serve(config().data_dir(&*directory));
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "a:old", &json!({})).status, 201);
    let file = file(&directory, "t1");
    let good = std::fs::read(&file).unwrap();
    // A directory in the file's place: nothing can be renamed to it, whoever the server runs as.
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    let before = declared(address, "t1");
    for refused in [
        declare(address, "t1", "a:new", &json!({})),
        declare(address, "t1", "a:old", &json!({ "type": "object" })),
        withdraw(address, "t1", "a:old"),
    ] {
        assert_eq!((refused.status, refused.code().as_str()), (503, "degraded"));
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(declared(address, "t1"), before);
    assert!(!file.with_extension("json.new").exists());
    // Another tenant's file is well.
    assert_eq!(declare(address, "t2", "a:new", &json!({})).status, 201);
    // The disk is well again: what was refused is not written with what comes next.
    std::fs::remove_dir(&file).unwrap();
    assert_eq!(declare(address, "t1", "a:old", &json!({})).status, 201);
    assert_eq!(std::fs::read(&file).unwrap(), good);
    server.stop();
}

#[test]
fn what_was_accepted_can_be_read_back_however_deep_it_is() {
    let (_parent, directory) = place();
    let server = serve(config().data_dir(&*directory));
    assert_eq!(declare(server.local_addr(), "t1", "a:deep", &deepest_schema()).status, 201);
    let deeper = json!({ "not": { "not": deepest_schema() } });
    assert_eq!(
        declare(server.local_addr(), "t1", "a:deeper", &deeper).code(),
        "declaration_invalid"
    );
    server.stop();
    let server = serve(config().data_dir(&*directory));
    let owner = token("t1", UserRole::RestaurantOwner);
    // As text: the list is deeper than its schemas, too deep to be read here.
    let listed = call(server.local_addr(), "GET /api/v1/events", &owner, "").body;
    assert!(listed.contains(&format!(r#""schema":{}"#, deepest_schema())), "{listed}");
    server.stop();
}

#[test]
fn the_configurations_declarations_come_back_below_those_over_http() {
    let (_parent, directory) = place();
    let with = |names: &[&str]| {
        names.iter().fold(config().data_dir(&*directory), |config, name| {
            config.declare_event(EventConfig {
                tenant: "t1".into(),
                name: (*name).into(),
                schema: Some(json!({})),
                schema_file: None,
                delivery_class: DeliveryClass::Recoverable,
                description: None,
            })
        })
    };
    let server = serve(with(&["a:replaced", "a:withdrawn"]));
    let address = server.local_addr();
    assert_eq!(declare(address, "t1", "a:replaced", &json!({ "type": "object" })).status, 201);
    assert_eq!(withdraw(address, "t1", "a:withdrawn").status, 200);
    server.stop();
    let server = serve(with(&["a:replaced", "a:withdrawn"]));
    let address = server.local_addr();
    assert_eq!(names(address, "t1"), ["a:replaced", "a:withdrawn"]);
    assert_eq!(declared(address, "t1")[0]["schema"], json!({ "type": "object" }));
    server.stop();
}

#[test]
fn no_tenant_can_declare_so_many_that_the_server_does_not_start_again() {
    let (_parent, directory) = place();
    let full = || {
        (0..256).fold(config().data_dir(&*directory), |config, i| {
            config.declare_event(EventConfig {
                tenant: "t1".into(),
                name: format!("a:{i}"),
                schema: Some(json!({})),
                schema_file: None,
                delivery_class: DeliveryClass::Recoverable,
                description: None,
            })
        })
    };
    let server = serve(full());
    let address = server.local_addr();
    assert_eq!(withdraw(address, "t1", "a:0").status, 200);
    assert_eq!(declare(address, "t1", "a:one_more", &json!({})).code(), "declaration_invalid");
    assert_eq!(declare(address, "t1", "a:0", &json!({ "type": "object" })).status, 201);
    server.stop();
    serve(full()).stop();
}

#[test]
fn a_library_user_is_told_that_the_directory_is_in_use() {
    let (_parent, directory) = place();
    let server = serve(config().data_dir(&*directory));
    let second = WebSocketServer::bind(config().data_dir(&*directory).check().unwrap());
    assert!(matches!(second.err(), Some(StartError::DataDir(_))));
    server.stop();
}

#[test]
fn a_lax_directory_of_ones_own_is_mended_and_anybodys_place_refused() {
    use std::os::unix::fs::symlink;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (parent, directory) = place();
    let path = Path::new(&directory);
    let first = Served::start(&mut serve_with(&directory));
    drop(first);
    for entry in std::fs::read_dir(path).unwrap() {
        let file = entry.unwrap().path();
        let private = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&file), private, "{}", file.display());
        set(&file, private | 0o044);
    }
    set(path, 0o755);
    drop(Served::start(&mut serve_with(&directory)));
    assert_eq!(mode(path), 0o700);
    for name in ["log.db", "session.key"] {
        assert_eq!(mode(&path.join(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&path.join("audit")), 0o700);

    // Anybody could move it away and put another in its place.
    set(parent.path(), 0o777);
    let (code, _, stderr) = run(&mut serve_with(&directory));
    assert!(code == 2 && stderr.contains("chmod o-w"), "{stderr}");
    set(parent.path(), 0o1777);
    drop(Served::start(&mut serve_with(&directory)));
    set(parent.path(), 0o700);

    // Somebody's trap is neither written through nor read.
    let elsewhere = parent.path().join("elsewhere");
    symlink(&elsewhere, path.join("session.key.new")).unwrap();
    let (code, _, stderr) = run(&mut serve_with(&directory));
    assert!(code == 2 && stderr.contains("symbolic link"), "{stderr}");
    assert!(!elsewhere.exists());
}

#[test]
fn a_backup_holds_all_and_serves_only_once_its_epochs_are_renewed() {
    let (parent, directory) = place();
    let server = Served::start(&mut serve_with(&directory));
    assert_eq!(declare(server.address, "t1", "loyalty:earned", &json!({})).status, 201);
    let publish = |address, n: u32| {
        let message =
            json!({ "type": "order:updated", "payload": { "orderId": "1", "number": n } });
        let message = message.to_string();
        call(address, "POST /api/v1/publish", &token("t1", UserRole::System), &message)
    };
    (0..10).for_each(|n| assert_eq!(publish(server.address, n).status, 200));
    let copy = parent.path().join("copy");
    let copy = copy.to_str().unwrap();
    // Beside the server, while events flow.
    let arguments = ["log", "backup", "--data-dir", &directory, "--to", copy];
    let (code, _, stderr) = std::thread::scope(|scope| {
        let flow = scope.spawn(|| (10..60).for_each(|n| drop(publish(server.address, n))));
        let backup = run(&mut command(&arguments));
        flow.join().unwrap();
        backup
    });
    assert_eq!(code, 0, "{stderr}");
    for entry in std::fs::read_dir(copy).unwrap() {
        let file = entry.unwrap().path();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        let expected = if file.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, expected, "{}", file.display());
    }
    for name in ["log.db", "session.key", "log.copy"] {
        assert!(Path::new(copy).join(name).exists(), "{name}");
    }
    drop(server);
    let (code, _, stderr) = run(&mut serve_with(copy));
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("log renew-epochs --data-dir"), "{stderr}");
    let (code, ..) = run(&mut command(&["log", "renew-epochs", "--data-dir", copy]));
    assert_eq!(code, 0);
    let restored = Served::start(&mut serve_with(copy));
    assert_eq!(names(restored.address, "t1"), ["loyalty:earned"]);
    assert_eq!(publish(restored.address, 100).status, 200);
}
