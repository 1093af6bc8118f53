//! The dashboard's files and how they are served. They are built from `dashboard` and committed, so that `cargo build` needs no Node.

use std::sync::LazyLock;

use aws_lc_rs::digest;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use bytes::Bytes;

use super::encoding;

/// What the pages may do: run and fetch what this hub serves, and nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file as it was built.
struct Page {
    path: &'static str,
    content_type: &'static str,
    body: &'static [u8],
}

/// What is sent of a file. The tag is of what the file says, in either form.
struct Sent {
    plain: Bytes,
    gzip: Option<Bytes>,
    tag: String,
}

macro_rules! pages {
    ($($path:literal $content_type:literal $file:literal),+ $(,)?) => {
        &[$(Page {
            path: $path,
            content_type: $content_type,
            body: include_bytes!(concat!("../../dashboard/", $file)),
        },)+]
    };
}

static PAGES: &[Page] = pages![
    "/dashboard" "text/html; charset=utf-8" "index.html",
    "/dashboard/dashboard.js" "text/javascript; charset=utf-8" "dashboard.js",
    "/dashboard/dashboard.css" "text/css; charset=utf-8" "dashboard.css",
    "/dashboard/theme.js" "text/javascript; charset=utf-8" "theme.js",
    "/dashboard/icon.svg" "image/svg+xml" "icon.svg",
    "/dashboard/licences.txt" "text/plain; charset=utf-8" "licences.txt",
];

/// Made once, when the first page is asked for.
static SENT: LazyLock<Vec<Sent>> = LazyLock::new(|| PAGES.iter().map(Sent::new).collect());

/// The pages' paths.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let to_page = || async { Redirect::permanent(PAGES[0].path) };
    let mut routes = Router::new().route("/dashboard/", get(to_page));
    for (place, page) in PAGES.iter().enumerate() {
        routes = routes.route(
            page.path,
            get(move |headers: HeaderMap| async move { answer(place, &headers) }),
        );
    }
    routes
}

impl Sent {
    fn new(page: &Page) -> Self {
        let digest = digest::digest(&digest::SHA256, page.body);
        let tag: String = digest.as_ref()[..12].iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            plain: Bytes::from_static(page.body),
            gzip: encoding::gzip(page.body).map(Bytes::from),
            tag,
        }
    }
}

fn answer(place: usize, asked: &HeaderMap) -> Response {
    let (page, sent) = (&PAGES[place], &SENT[place]);
    let compressed = sent.gzip.as_ref().filter(|_| encoding::takes_gzip(asked));
    // The two forms are not the same bytes, so neither are their tags.
    let tag = format!("\"{}{}\"", sent.tag, if compressed.is_some() { "-gzip" } else { "" });
    let headers = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // It is asked each time whether there is a newer one.
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "accept-encoding"),
    ];
    let tagged = [(header::ETAG, tag.as_str())];
    if encoding::has_already(asked, &tag) {
        return (StatusCode::NOT_MODIFIED, headers, tagged).into_response();
    }
    let typed = [(header::CONTENT_TYPE, page.content_type)];
    match compressed {
        Some(body) => {
            let encoded = [(header::CONTENT_ENCODING, "gzip")];
            (headers, tagged, typed, encoded, body.clone()).into_response()
        }
        None => (headers, tagged, typed, sent.plain.clone()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// What is written beside the pages, and is not served.
    const BUILT_FROM: &str = "built-from.txt";
    /// The first view: the page, what runs in it, how it looks.
    const FIRST_VIEW_BYTES_MAX: usize = 300 << 10;

    #[test]
    fn every_built_file_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard");
        let on_disk: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != BUILT_FROM)
            .collect();
        let embedded = PAGES.iter().map(|page| match page.path {
            "/dashboard" => String::from("index.html"),
            path => path.trim_start_matches("/dashboard/").to_owned(),
        });
        assert_eq!(embedded.collect::<BTreeSet<_>>(), on_disk);
    }

    #[test]
    fn the_first_view_is_small() {
        let bytes: usize = SENT.iter().map(|it| it.gzip.as_ref().unwrap_or(&it.plain).len()).sum();
        assert!(bytes < FIRST_VIEW_BYTES_MAX, "{bytes} bytes compressed");
    }

    #[test]
    fn the_page_needs_nothing_that_its_policy_forbids() {
        let page = std::str::from_utf8(PAGES[0].body).unwrap();
        for script in page.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src=\"/dashboard/"), "{script}");
        }
        for forbidden in ["<style", " style=", " onclick=", "http://", "https://"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let script = std::str::from_utf8(PAGES[1].body).unwrap();
        assert!(!script.contains("sourceMappingURL"));
    }
}
