//! A request of the HTTP API as the log names it: an id that its answer carries too, who asked, and what became of it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use foodtrack_transport::DoorRefusal;
use uuid::Uuid;

use super::act::Act;
use super::refusals::RefusedWith;

/// Where a request's id is, of a request and of its answer.
pub(crate) static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// A longer id is none, and the request gets one of its own.
const ID_BYTES_MAX: usize = 128;

/// The other end of the request's connection, or what a trusted proxy says of it.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) SocketAddr);

/// The id that a request brings, where it is a good one, or a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> HeaderValue {
    let brought = headers.get(&REQUEST_ID).filter(|id| is_good(id.as_bytes()));
    brought.cloned().unwrap_or_else(|| {
        let id = Uuid::now_v7().hyphenated().to_string();
        // Digits and dashes: it cannot fail.
        HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

/// Letters, digits and what ids are joined with: nothing that is more than text in any log.
fn is_good(id: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
    (1..=ID_BYTES_MAX).contains(&id.len()) && id.iter().all(is_plain)
}

/// Gives each request an id and, where it is of interest, a line.
pub(crate) async fn write(mut request: Request, next: Next) -> Response {
    let (begun, id, act) = (Instant::now(), request_id(request.headers()), Act::default());
    request.extensions_mut().insert(act.clone());
    let line = Line {
        method: request.method().clone(),
        route: request.extensions().get::<MatchedPath>().cloned(),
        address: request.extensions().get::<ClientAddress>().copied(),
        id: id.clone(),
        act,
    };
    let mut response = next.run(request).await;
    line.write(&response, begun.elapsed());
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

struct Line {
    method: Method,
    route: Option<MatchedPath>,
    address: Option<ClientAddress>,
    id: HeaderValue,
    act: Act,
}

impl Line {
    /// What failed is a warning; what was refused or changed something is told; the rest only to who wants all of it. Who was refused
    /// as a stranger has a line already.
    fn write(&self, response: &Response, took: Duration) {
        let (status, extensions) = (response.status(), response.extensions());
        let is_refused = status.is_client_error();
        let is_strangers = extensions.get::<DoorRefusal>().is_some();
        let changes = !self.method.is_safe() && !self.is_publishing();
        if status.is_server_error() {
            self.warn(response, took);
        } else if !is_strangers && (is_refused || changes) {
            self.info(response, took);
        } else {
            self.debug(response, took);
        }
    }

    fn is_publishing(&self) -> bool {
        self.route.as_ref().is_some_and(|route| route.as_str().starts_with("/api/v1/publish"))
    }
}

macro_rules! levels {
    ($( $level:ident )*) => {
        impl Line {
            $( fn $level(&self, response: &Response, took: Duration) {
                let known = self.act.known();
                let principal = known.principal.as_ref();
                let code = response.extensions().get::<RefusedWith>().map(|it| it.0.as_str());
                tracing::$level!(
                    request = self.id.to_str().unwrap_or_default(),
                    method = self.method.as_str(),
                    route = self.route.as_ref().map(MatchedPath::as_str),
                    status = response.status().as_u16(),
                    code,
                    tenant = principal.map(|it| it.tenant().as_str()),
                    user = principal.map(|it| it.user().as_str()),
                    address = self.address.map(|it| tracing::field::display(it.0.ip())),
                    ms = took.as_secs_f64() * 1_000.0,
                    "HTTP request"
                );
            } )*
        }
    };
}

levels!(warn info debug);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_is_brought_is_kept_where_it_is_plain_and_short() {
        let with = |id: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(&REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
            request_id(&headers)
        };
        for good in
            ["r-1", "01890a5d-ac96-774b-bcce-b302099a8057", "a_b.c:d/e+f=@", &"x".repeat(128)]
        {
            assert_eq!(with(good.as_bytes()), good);
        }
        let long = "x".repeat(129);
        for bad in ["", "a b", "a\tb", "\"", "<b>", "{x=\"1\"}", "\u{e9}", &long] {
            let made = with(bad.as_bytes());
            assert_ne!(made, bad);
            assert!(Uuid::parse_str(made.to_str().unwrap()).is_ok(), "{made:?}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
