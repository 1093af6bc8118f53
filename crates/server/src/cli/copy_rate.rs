//! How fast commands write beside a running hub, as they are told, and how far they are.

use std::num::NonZeroU64;

use clap::Args;
use foodtrack_tenant_log::{Copied, CopyRate};

use super::log::size_text;
use super::outcome::note;

/// A slower copy would have the hub's write-ahead log grow for longer than anybody wants.
const MIB_MIN: u64 = 1;

#[derive(Args)]
pub(super) struct RateOption {
    /// How fast to write at most, at least 1MiB/s, so that a hub beside it keeps its pace; `unlimited` where none runs
    #[arg(long, value_name = "RATE", default_value = "32MiB/s", value_parser = parse)]
    pub(super) rate: CopyRate,
}

/// `32MiB/s`, `1GiB/s`, `unlimited`
fn parse(text: &str) -> Result<CopyRate, String> {
    if text == "unlimited" {
        return Ok(CopyRate::UNLIMITED);
    }
    let units = [("MiB/s", 1_u64 << 20), ("GiB/s", 1 << 30)];
    let bytes = units.iter().find_map(|(unit, bytes)| {
        text.strip_suffix(unit)?.trim_end().parse::<u64>().ok()?.checked_mul(*bytes)
    });
    bytes
        .filter(|bytes| *bytes >= MIB_MIN << 20)
        .and_then(NonZeroU64::new)
        .map(CopyRate::per_second)
        .ok_or_else(|| "write MiB or GiB a second, such as 32MiB/s, or unlimited".to_owned())
}

/// Says on stderr how far `what` is.
pub(super) fn tell_copied(what: &'static str) -> impl FnMut(Copied) + Send + 'static {
    move |Copied { bytes, of, left }| {
        let (done, of) = (size_text(bytes), size_text(of));
        match left {
            Some(left) => {
                note(format_args!("{what}: {done} of {of}, about {} s left", left.as_secs()));
            }
            None => note(format_args!("{what}: {done} of {of}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_so_many_bytes_a_second_or_none_and_nothing_else() {
        let rate = |mib: u64| Ok(CopyRate::per_second(NonZeroU64::new(mib << 20).unwrap()));
        assert_eq!(parse("32MiB/s"), rate(32));
        assert_eq!(parse("2 GiB/s"), rate(2_048));
        assert_eq!(parse("unlimited"), Ok(CopyRate::UNLIMITED));
        for text in
            ["", "32", "0MiB/s", "-1MiB/s", "1.5MiB/s", "32MB/s", "512KiB/s", "99999999999999GiB/s"]
        {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
