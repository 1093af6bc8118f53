//! docs/reference/http.md, line by line: each path with its answer's fields and who may ask, each limit, each example, each status.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use foodtrack_contract::UserRole;
use foodtrack_server::LimitsConfig;
use serde_json::{Value, json};

use crate::http_requests::{
    AUDIT, OPERATOR, TENANT_METRICS, WEBHOOK_LETTER, connect, declaration, example, impatient,
    owner, prepared, refusing, system, unlimited,
};
use crate::support::{Answer, call, config, request, serve, token};

pub(crate) const PAGE: &str = include_str!("../../../../docs/reference/http.md");

/// A row of the table of requests.
pub(crate) struct Row {
    /// Such as `GET /api/v1/rooms`.
    pub(crate) request: &'static str,
    who: &'static str,
    what: &'static str,
}

fn rows() -> Vec<Row> {
    let cells = |line: &'static str| -> Option<Row> {
        let (request, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
        let (who, what) = rest.strip_suffix(" |")?.split_once(" | ")?;
        request.contains(" /").then_some(Row { request, who, what })
    };
    PAGE.lines().filter_map(cells).collect()
}

/// The fields that a row names in `{ a, b? }`, and whether each must be there; `None` where it names none.
fn fields(what: &str) -> Option<BTreeMap<&str, bool>> {
    let (fields, _) = what.split_once("{ ")?.1.split_once(" }")?;
    let field = |name| match str::strip_suffix(name, "?") {
        Some(optional) => (optional, false),
        None => (name, true),
    };
    Some(fields.split(", ").map(field).collect())
}

/// Whether `value` has exactly the fields that a row names; of a list, its first.
#[track_caller]
fn check_fields(row: &Row, value: &Value) {
    let Some(fields) = fields(row.what) else {
        panic!("{}: the page names no fields", row.request)
    };
    let object = value.get(0).unwrap_or(value);
    let object = object.as_object().unwrap_or_else(|| panic!("{}: {value}", row.request));
    for (name, is_required) in &fields {
        assert!(!is_required || object.contains_key(*name), "{}: no {name}: {value}", row.request);
    }
    for name in object.keys() {
        assert!(fields.contains_key(name.as_str()), "{}: not told: {name}: {value}", row.request);
    }
}

/// The description that the server gives of itself.
fn description(address: SocketAddr) -> Value {
    request(address, "GET /api/v1/openapi.json", &[], "").json()
}

/// Whether an answer is of the shape that the description promises for it.
#[track_caller]
fn check_described(description: &Value, row: &Row, answer: &Answer) {
    let (method, path) = row.request.split_once(' ').unwrap();
    let operation = &description["paths"][path][method.to_lowercase()];
    let response = operation["responses"].get(answer.status.to_string());
    let response = response.unwrap_or(&operation["responses"]["default"]);
    let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
    let mut schema = response["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{}: {kind} of {} is not described", row.request, answer.status);
    if kind == "text/plain" {
        return;
    }
    schema["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<_> = validator.iter_errors(&answer.json()).map(|it| it.to_string()).collect();
    assert!(faults.is_empty(), "{}: {faults:?}: {answer:?}", row.request);
}

#[test]
fn the_description_for_programs_has_the_paths_of_the_page_and_no_others() {
    let server = serve(config());
    let description = description(server.local_addr());
    server.stop();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    let described = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().keys();
        methods.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    let told = rows().into_iter().map(|row| row.request.to_owned());
    let told: BTreeSet<String> =
        told.filter(|it| !it.ends_with("/openapi.json") && !it.ends_with("/reference")).collect();
    assert_eq!(described.collect::<BTreeSet<_>>(), told);
    let operations: Vec<&Value> =
        paths.values().flat_map(|item| item.as_object().unwrap().values()).collect();
    let ids: BTreeSet<&str> =
        operations.iter().map(|it| it["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "an operation's id is another's: {ids:?}");
    for operation in operations {
        assert!(operation["summary"].is_string() && operation["responses"]["default"].is_object());
    }
}

/// `int32` ends at 2147483647: a program made from the description would refuse what the server takes.
#[test]
fn the_description_for_programs_gives_unsigned_numbers_their_whole_range() {
    let server = serve(config());
    let text = request(server.local_addr(), "GET /api/v1/openapi.json", &[], "").body;
    server.stop();
    assert!(!text.contains(r#""format":"int"#), "{text}");
    assert!(text.contains(r#""format":"uint32""#) && text.contains(r#""format":"uint64""#));
}

#[test]
fn each_path_of_the_page_answers_whom_it_says_with_the_fields_it_says() {
    let rows = rows();
    assert!(rows.len() >= 19, "{} rows", rows.len());
    for row in &rows {
        let mut config = impatient();
        if row.request == WEBHOOK_LETTER {
            config.webhooks.iter_mut().for_each(|it| it.url = refusing());
        }
        // What it needs a disk for.
        let directory = (row.request == AUDIT).then(|| tempfile::tempdir().unwrap());
        config.data_dir = directory.as_ref().map(|it| it.path().to_str().unwrap().to_owned());
        let again = config.clone();
        let server = serve(config);
        server.reload_from(move || again.clone().check());
        let address = server.local_addr();
        let (line, body) = prepared(&server, row);
        if row.who == "anyone" {
            let answer = request(address, &line, &[], "");
            assert_eq!(answer.status, 200, "{line}: {answer:?}");
            if line.ends_with("/openapi.json") || line.ends_with("/reference") {
                continue;
            }
            check_described(&description(address), row, &answer);
            if line == "GET /metrics" {
                assert!(answer.body.starts_with("# HELP ") && !answer.body.contains("t1"));
            } else if line.starts_with("GET /api/") {
                check_fields(row, &answer.data());
            } else {
                check_fields(row, &answer.json());
            }
            server.stop();
            continue;
        }
        let description = description(address);
        let refused = call(address, &line, &token("t1", UserRole::Chef), &body);
        check_described(&description, row, &refused);
        assert_eq!((refused.status, refused.code().as_str()), (403, "permission_denied"), "{line}");
        assert_eq!(request(address, &line, &[], &body).status, 401, "{line}");
        let good = match row.who {
            "back end" => {
                assert_eq!(call(address, &line, &owner(), &body).status, 403, "{line}");
                system()
            }
            "administrator" => owner(),
            "operator" => {
                for other in [owner(), system()] {
                    assert_eq!(call(address, &line, &other, &body).status, 403, "{line}");
                }
                OPERATOR.into()
            }
            other => panic!("{other}?"),
        };
        let answer = call(address, &line, &good, &body);
        let status = if row.what.contains("; 201") { 201 } else { 200 };
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        check_described(&description, row, &answer);
        match row.request {
            TENANT_METRICS => assert!(answer.body.contains("{tenant=\"t1\"} 0\n"), "{answer:?}"),
            _ => check_fields(row, &answer.data()),
        }
        server.stop();
    }
}

#[test]
fn lists_come_in_parts_within_the_limits_of_the_page() {
    let server = serve(config().limits(unlimited()));
    let address = server.local_addr();
    let _ids = [connect(address, &owner()), connect(address, &owner())];
    for path in ["/api/v1/connections", "/api/v1/rooms"] {
        for (limit, status) in [("1", 200), ("1000", 200), ("0", 400), ("1001", 400)] {
            let answer = call(address, &format!("GET {path}?limit={limit}"), &owner(), "");
            assert_eq!(answer.status, status, "{path}: {answer:?}");
        }
        let first = call(address, &format!("GET {path}?limit=1"), &owner(), "").json();
        let cursor = first["nextCursor"].as_str().unwrap();
        let next = call(address, &format!("GET {path}?limit=1&cursor={cursor}"), &owner(), "");
        assert_eq!(next.status, 200, "{next:?}");
        assert_ne!(next.json()["data"], first["data"], "{path}");
    }
    let filter = "user=u1&application=tenant_dashboard&limit=5";
    let found = call(address, &format!("GET /api/v1/connections?{filter}"), &owner(), "");
    assert_eq!(found.data()["connections"].as_array().unwrap().len(), 2, "{found:?}");
    let none = call(address, "GET /api/v1/connections?device=d7", &owner(), "");
    assert_eq!(none.data()["connections"], json!([]));
    server.stop();
}

#[test]
fn each_status_of_the_page_is_one_that_comes() {
    let server = serve(config().limits(LimitsConfig { payload_bytes_max: 2_000, ..unlimited() }));
    let address = server.local_addr();
    let body = json!({ "type": "order:created", "payload": { "orderId": "7" } }).to_string();
    let with_key = |body: &str| {
        let bearer = format!("Bearer {}", system());
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k1")];
        request(address, "POST /api/v1/publish", &headers, body)
    };
    assert_eq!(with_key(&body).status, 200);
    let described =
        |body: Value| call(address, "PUT /api/v1/rooms/order:t1:7", &owner(), &body.to_string());
    let default_rule = example().replace("\"loyalty\"", "\"default:order:created\"");
    assert_eq!(call(address, "POST /api/v1/events", &owner(), &declaration()).status, 201);
    let comes: Vec<(u16, Answer, &str)> = vec![
        (400, call(address, "POST /api/v1/publish", &system(), "{"), "message_malformed"),
        (400, described(json!({ "description": "d".repeat(1_025) })), "payload_invalid"),
        (400, described(json!({ "tags": vec!["t"; 33] })), "payload_invalid"),
        (400, described(json!({ "tags": ["t".repeat(65)] })), "payload_invalid"),
        (400, described(json!({ "maxMembers": 1_000_001 })), "payload_invalid"),
        (401, call(address, "POST /api/v1/publish", "a.b.c", &body), "token_malformed"),
        (403, call(address, "POST /api/v1/publish", &owner(), &body), "permission_denied"),
        (404, call(address, "GET /api/v1/nothing", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/events/a:b", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/rules/r1", &owner(), ""), "not_found"),
        (404, call(address, "DELETE /api/v1/connections/x", &owner(), ""), "not_found"),
        (
            404,
            call(address, "DELETE /api/v1/rooms/order:t1:7/grants/u7", &owner(), ""),
            "not_found",
        ),
        (405, call(address, "PUT /api/v1/publish", &system(), &body), "method_not_allowed"),
        (409, call(address, "POST /api/v1/rules", &owner(), &default_rule), "conflict"),
        (422, with_key(&body.replace('7', "8")), "idempotency_conflict"),
    ];
    for (status, answer, code) in &comes {
        assert_eq!((answer.status, answer.code().as_str()), (*status, *code), "{answer:?}");
        assert_eq!(answer.header("www-authenticate").is_some(), *status == 401);
        assert_eq!(answer.header("allow").is_some(), *status == 405);
    }
    // Refused before the API has it.
    let large = call(address, "POST /api/v1/publish", &system(), &"x".repeat(2_001));
    assert_eq!((large.status, large.header("content-type")), (413, None), "{large:?}");
    server.stop();
    check_too_many_requests();
    // Those that come when the server is in trouble are other tests'.
    let elsewhere = [503, 504];
    let told =
        PAGE.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok());
    for status in told {
        let is_tested = comes.iter().any(|(comes, ..)| *comes == status);
        assert!(
            is_tested || [413, 429].contains(&status) || elsewhere.contains(&status),
            "{status}"
        );
    }
}

fn check_too_many_requests() {
    let tight = LimitsConfig {
        api_requests_per_second_per_token: 1,
        api_requests_burst_per_token: 1,
        ..Default::default()
    };
    let server = serve(config().limits(tight));
    let twice = || call(server.local_addr(), "GET /api/v1/rules", &owner(), "");
    assert_eq!(twice().status, 200);
    let limited = twice();
    assert_eq!(limited.status, 429);
    assert!(limited.header("retry-after").unwrap().parse::<u32>().unwrap() >= 1, "{limited:?}");
    server.stop();
}
