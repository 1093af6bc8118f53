//! Documents of tenants that all nodes of a cluster have alike: one order of changes, and none made of an old one.

use foodtrack_tenant_log::{
    DocumentError, DocumentKind, DocumentPlace, RedisOptions, TenantDocuments,
};
use test_support::RedisServer;

use crate::support::{is_redis_here, tenant};

/// A Redis, and the way of two nodes to it.
fn two() -> Option<(RedisServer, [TenantDocuments; 2])> {
    if !is_redis_here() {
        return None;
    }
    let redis = RedisServer::start(&[])?;
    let patience = std::time::Duration::from_millis(500);
    let options = RedisOptions { url: redis.url(), patience, ..RedisOptions::default() };
    let nodes =
        [(); 2].map(|()| TenantDocuments::new(&options, DocumentKind::Declarations).unwrap());
    Some((redis, nodes))
}

#[test]
fn a_change_of_an_old_document_is_refused_and_the_newest_is_read_by_all() {
    let Some((_redis, [one, other])) = two() else { return };
    let first = one.put(&tenant("t"), 0, b"first").unwrap();
    assert!(matches!(other.put(&tenant("t"), 0, b"second"), Err(DocumentError::Outdated)));
    let second = other.put(&tenant("t"), first, b"second").unwrap();
    assert!(second > first);
    assert!(matches!(one.put(&tenant("t"), first, b"third"), Err(DocumentError::Outdated)));
    one.put(&tenant("u"), 0, b"another's").unwrap();
    let all = one.changed_since(&DocumentPlace::default()).unwrap();
    let said: Vec<_> = all.documents.iter().map(|it| (it.tenant.as_str(), &*it.bytes)).collect();
    assert_eq!(said, [("t", &b"second"[..]), ("u", &b"another's"[..])]);
    // One that is taken away is a change as well.
    other.put(&tenant("t"), second, b"").unwrap();
    let news = one.changed_since(&all.through).unwrap();
    let said: Vec<_> = news.documents.iter().map(|it| (it.tenant.as_str(), &*it.bytes)).collect();
    assert_eq!((said, news.is_reset), (vec![("t", &b""[..])], false));
    assert_eq!(one.changed_since(&news.through).unwrap().documents, []);
}

#[test]
fn however_many_have_changed_each_is_read_and_what_is_no_tenants_is_passed_over() {
    let Some((redis, [one, other])) = two() else { return };
    redis.command("ZADD foodtrack:{declared:}:order 1 \"no tenant\"");
    let names: Vec<_> = (0..100).map(|number| format!("t{number:03}")).collect();
    for name in &names {
        one.put(&tenant(name), 0, name.as_bytes()).unwrap();
    }
    let all = other.changed_since(&DocumentPlace::default()).unwrap();
    assert!(all.documents.iter().map(|it| it.tenant.as_str()).eq(names.iter().map(String::as_str)));
}

#[test]
fn a_redis_that_forgot_or_went_back_is_noticed_and_one_that_is_away_says_so() {
    let Some((mut redis, [one, other])) = two() else { return };
    let first = one.put(&tenant("t"), 0, b"first").unwrap();
    one.put(&tenant("t"), first, b"second").unwrap();
    let known = other.changed_since(&DocumentPlace::default()).unwrap().through;
    redis.command("ZADD foodtrack:{declared:}:order 1 t");
    assert!(other.changed_since(&known).unwrap().is_reset, "it went back");
    redis.command("FLUSHALL");
    let news = other.changed_since(&known).unwrap();
    assert!(news.is_reset && news.documents.is_empty(), "it forgot");
    assert!(!other.changed_since(&news.through).unwrap().is_reset, "that is known now");
    redis.kill();
    assert!(matches!(other.changed_since(&known), Err(DocumentError::Away(_))));
    let put = one.put(&tenant("t"), 0, b"third");
    assert!(matches!(put, Err(DocumentError::Away(_) | DocumentError::Unknown(_))), "{put:?}");
    redis.start_again();
    one.put(&tenant("t"), 0, b"third").unwrap();
}
