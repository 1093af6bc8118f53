//! `foodtrack-websocket doctor`

mod disk;
mod finding;
mod machine;
mod redis_settings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::Run;
use super::outcome::{print, wait};
use crate::config::{CheckedConfig, Layers, load_checked};
use finding::{Finding, Weight};

const AFTER_HELP: &str = "\
Looks at what the hub would run with, on this machine, and says what to do: configuration, clock, file descriptors, disk, Redis, \
certificate, and what stands in front. It starts nothing, and changes nothing but a file beside the log that it takes away again. \
A hub may run meanwhile.

Examples:
  foodtrack-websocket doctor --config hub.toml --data-dir /var/lib/foodtrack
  foodtrack-websocket doctor --config hub.toml --json

Exit codes: 0 nothing is wrong, though something may be worth a look; 1 something is wrong; 2 bad usage or configuration.";

#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Doctor {
    /// A TOML file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The directory for what must survive a restart, as `serve` has it
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(super) fn run(self) -> Run {
        let layers = Layers { data_dir: self.data_dir, ..Layers::from_process(self.config) };
        let config = load_checked(&layers, |_| {})?;
        let findings = wait(look(&config))?;
        if self.json {
            let list: Vec<_> = findings.iter().map(Finding::to_json).collect();
            print(format_args!("{:#}", json!(list)));
        } else {
            findings.iter().for_each(|finding| print(finding.line()));
        }
        let is_bad = findings.iter().any(|finding| finding.weight == Weight::Bad);
        Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// All that is found, in the order in which it is to be mended.
async fn look(config: &CheckedConfig) -> Vec<Finding> {
    let said = config.said();
    let mut findings = vec![Finding::good("configuration", "the hub would start with it")];
    findings.push(machine::clock(said.data_dir.as_deref()));
    findings.push(machine::descriptors());
    findings.push(machine::memory());
    findings.extend(disk::look(said.data_dir.as_deref(), said.log.free_bytes_min));
    findings.extend(redis_settings::look(&said.redis).await);
    findings.push(certificate(config));
    findings.push(front(config));
    findings
}

fn certificate(config: &CheckedConfig) -> Finding {
    const ABOUT: &str = "certificate";
    let Some(tls) = config.tls() else {
        let sentence = "the port speaks no TLS: let a proxy in front speak it, or set tls.certFile";
        return match is_loopback(config) {
            true => {
                Finding::good(ABOUT, "the port speaks no TLS, and listens on this machine alone")
            }
            false => Finding::look(ABOUT, sentence),
        };
    };
    let days = tls.days_left();
    match tls.ends_soon() {
        true => Finding::bad(ABOUT, format!("it is good for {days} more days: renew it")),
        false => Finding::good(ABOUT, format!("it is good for {days} more days")),
    }
}

/// What stands in front of the hub.
fn front(config: &CheckedConfig) -> Finding {
    const ABOUT: &str = "proxies";
    let security = &config.said().security;
    let count = security.trusted_proxies.len();
    match (count, security.proxy_protocol) {
        (0, _) if is_loopback(config) => Finding::look(
            ABOUT,
            "the hub listens on this machine alone and trusts no proxy: if one is in front, all clients share its address and its allowance of handshakes; name it in security.trustedProxies",
        ),
        (0, _) => Finding::good(
            ABOUT,
            "none is trusted: each client counts by the address that it connects from; name a balancer in security.trustedProxies before you put one in front",
        ),
        (_, true) => {
            Finding::good(ABOUT, format!("{count} are trusted, and begin with the PROXY protocol"))
        }
        (_, false) => {
            Finding::good(ABOUT, format!("{count} are trusted, by X-Forwarded-For or Forwarded"))
        }
    }
}

fn is_loopback(config: &CheckedConfig) -> bool {
    config.address().ip().is_loopback()
}
