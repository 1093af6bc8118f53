//! The playground's files, embedded: the binary shows its page without a folder beside it.

/// What the page may do, as `Content-Security-Policy`: run and fetch what this hub serves, and nothing else.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file of the playground.
#[derive(Clone, Copy, Debug)]
pub struct Asset {
    /// Where it is served, e.g. `/playground/app.js`; the page itself is at `/`.
    pub path: &'static str,
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// Its bytes.
    pub body: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! assets {
    ($($content_type:ident $file:literal),+ $(,)?) => {
        &[
            Asset { path: "/", content_type: HTML, body: include_bytes!("../../playground/index.html") },
            $(Asset {
                path: concat!("/playground/", $file),
                content_type: $content_type,
                body: include_bytes!(concat!("../../playground/", $file)),
            },)+
        ]
    };
}

static ASSETS: &[Asset] = assets![
    CSS "style.css",
    SVG "icon.svg",
    JSON "menus.json",
    JAVASCRIPT "app.js",
    JAVASCRIPT "autopilot.js",
    JAVASCRIPT "back_end_pane.js",
    JAVASCRIPT "composer.js",
    JAVASCRIPT "connection.js",
    JAVASCRIPT "courier_pane.js",
    JAVASCRIPT "customer_pane.js",
    JAVASCRIPT "dashboard_pane.js",
    JAVASCRIPT "delivery_check.js",
    JAVASCRIPT "dom.js",
    JAVASCRIPT "event_stream.js",
    JAVASCRIPT "focus.js",
    JAVASCRIPT "hub_watch.js",
    JAVASCRIPT "icons.js",
    JAVASCRIPT "ids.js",
    JAVASCRIPT "kitchen_pane.js",
    JAVASCRIPT "lab_pane.js",
    JAVASCRIPT "latency.js",
    JAVASCRIPT "latency_worker.js",
    JAVASCRIPT "listen_pane.js",
    JAVASCRIPT "listener.js",
    JAVASCRIPT "node_watch.js",
    JAVASCRIPT "nodes_pane.js",
    JAVASCRIPT "order_book.js",
    JAVASCRIPT "pane.js",
    JAVASCRIPT "restaurant.js",
    JAVASCRIPT "side_panes.js",
    JAVASCRIPT "street_map.js",
    JAVASCRIPT "token.js",
    JAVASCRIPT "vendor/socket.io.min.js",
    TEXT "vendor/socket.io-client.LICENSE",
];

/// The file served at `path`, which is the request's path without its query.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn files_below(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.file_type().unwrap().is_dir() {
                files_below(&entry.path(), &format!("{name}/"), found);
            } else if !name.ends_with(".md") {
                found.insert(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_playground_is_embedded() {
        let mut on_disk = BTreeSet::new();
        files_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("playground"), "", &mut on_disk);
        let embedded = ASSETS
            .iter()
            .map(|asset| match asset.path {
                "/" => String::from("index.html"),
                path => path.trim_start_matches("/playground/").to_owned(),
            })
            .collect::<BTreeSet<_>>();
        assert_eq!(embedded, on_disk);
    }

    #[test]
    fn what_the_page_and_its_modules_import_is_served() {
        let page = std::str::from_utf8(asset("/").unwrap().body).unwrap();
        for attribute in page.split(['"']).filter(|part| part.starts_with("playground/")) {
            assert!(asset(&format!("/{attribute}")).is_some(), "{attribute}");
        }
        for module in ASSETS.iter().filter(|asset| asset.path.ends_with(".js")) {
            let text = std::str::from_utf8(module.body).unwrap();
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let file = line.split("'./").nth(1).unwrap().trim_end_matches("';");
                assert!(asset(&format!("/playground/{file}")).is_some(), "{}: {line}", module.path);
            }
        }
    }

    #[test]
    fn the_page_has_no_inline_script_or_style() {
        let page = std::str::from_utf8(asset("/").unwrap().body).unwrap();
        for script in page.split("<script").skip(1) {
            assert!(script.trim_start().starts_with("src="), "{script}");
        }
        assert!(
            !page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick=")
        );
    }

    #[test]
    fn a_path_outside_the_playground_is_no_asset() {
        for path in [
            "/playground/",
            "/playground/../Cargo.toml",
            "/index.html",
            "",
            "/playground/vendor/README.md",
        ] {
            assert!(asset(path).is_none(), "{path}");
        }
    }
}
