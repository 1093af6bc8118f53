//! Which web pages may talk to the server.

/// The origins whose pages may connect. A page of the server's own host always may; who is no browser sends no origin.
#[derive(Clone, Debug, Default)]
pub struct OriginPolicy {
    any: bool,
    origins: Vec<Box<str>>,
}

impl OriginPolicy {
    /// Allows these origins, such as `http://localhost:3000`; `*` allows every one.
    pub fn new<S: AsRef<str>>(origins: &[S]) -> Self {
        let any = origins.iter().any(|origin| origin.as_ref() == "*");
        let trimmed = |origin: &S| Box::from(origin.as_ref().trim_end_matches('/'));
        Self { any, origins: origins.iter().map(trimmed).collect() }
    }

    /// Whether a page of `origin` may talk to the server that it knows as `host`.
    pub fn allows(&self, origin: &str, host: Option<&str>) -> bool {
        let own = || {
            let (_, authority) = origin.split_once("://")?;
            Some(authority.eq_ignore_ascii_case(host?))
        };
        self.any
            || self.origins.iter().any(|allowed| origin.eq_ignore_ascii_case(allowed))
            || own().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_origins_and_the_servers_own_pages_may_connect() {
        let policy = OriginPolicy::new(&["http://localhost:3000/"]);
        assert!(policy.allows("http://localhost:3000", Some("hub:4001")));
        assert!(policy.allows("http://hub:4001", Some("hub:4001")));
        assert!(!policy.allows("http://evil.example", Some("hub:4001")));
        assert!(!policy.allows("http://localhost:3000.evil.example", Some("hub:4001")));
        assert!(!policy.allows("null", Some("hub:4001")));
        assert!(OriginPolicy::new(&["*"]).allows("http://evil.example", None));
    }
}
