//! A log line is one line, whatever the names in it are made of, and steers no terminal.

use std::borrow::Cow;

/// A formatted line with its end, and all else that would be more than text written as text. `keeps_colours` where the formatter
/// colours it: it has escaped the names' own colours then.
pub(super) fn one_line(line: &[u8], keeps_colours: bool) -> Cow<'_, [u8]> {
    const ESCAPE: u8 = 0x1b;
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let is_plain = |byte: u8| match byte {
        b'\t' => true,
        ESCAPE => keeps_colours,
        byte => byte >= b' ',
    };
    if text.iter().all(|byte| is_plain(*byte)) {
        return Cow::Borrowed(line);
    }
    let mut tamed = Vec::with_capacity(line.len() + 16);
    for byte in text {
        match *byte {
            byte if is_plain(byte) => tamed.push(byte),
            byte => tamed.extend(byte.escape_ascii()),
        }
    }
    tamed.push(b'\n');
    Cow::Owned(tamed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};
    use tracing_subscriber::layer::SubscriberExt;

    use crate::logging::layer_of;
    use crate::logging::queue::LogQueue;

    /// What each format makes of a line about somebody with this name.
    fn lines(name: &str) -> Vec<(&'static str, String)> {
        let formats = ["human", "json", "logfmt"];
        let made = formats.map(|format| {
            let queue = Arc::new(LogQueue::default());
            let layers = tracing_subscriber::registry().with(layer_of(format, &queue, false));
            tracing::subscriber::with_default(layers, || {
                tracing::info!(user = name, device = %name, debugged = ?name, "client connected");
            });
            let written = Sink::default();
            queue.drain_to(&mut written.clone()).unwrap();
            let bytes = written.0.lock().unwrap().clone();
            (format, String::from_utf8(bytes).unwrap())
        });
        made.into()
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_name_of_whatever_makes_one_line_in_every_format() {
        for name in [
            "ada\nINFO client connected user=root",
            "ada\r\n{\"level\":\"INFO\"}",
            "\u{1b}[31mred\u{1b}[0m",
            "a=b c=\"d\" level=error",
            "<script>alert(1)</script>",
            "tab\tnul\0bell\u{7}",
            "{} \\ \" '",
        ] {
            for (format, text) in lines(name) {
                assert_eq!(text.matches('\n').count(), 1, "{format}: {text:?}");
                assert!(text.ends_with('\n'), "{format}: {text:?}");
                let is_control = |c: char| c < ' ' && !matches!(c, '\n' | '\t');
                assert!(!text.contains(is_control), "{format}: {text:?}");
                if format == "json" {
                    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
                    assert_eq!(
                        (line["user"].as_str(), line["device"].as_str()),
                        (Some(name), Some(name))
                    );
                }
            }
        }
    }

    #[test]
    fn a_plain_line_is_not_copied_and_colours_stay_where_they_are_the_formatter_s() {
        assert!(matches!(one_line(b"plain\ttext\n", false), Cow::Borrowed(_)));
        assert!(matches!(one_line(b"\x1b[2mdim\x1b[0m\n", true), Cow::Borrowed(_)));
        assert_eq!(&*one_line(b"\x1b[2m\n", false), b"\\x1b[2m\n");
        assert_eq!(&*one_line(b"a\r\nb\n", true), b"a\\r\\nb\n");
    }
}
