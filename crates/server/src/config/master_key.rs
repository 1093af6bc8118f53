//! The master key, from wherever the configuration says: text, a file, or a command.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use foodtrack_keyring::MasterKey;
use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::problems::ConfigErrors;
use super::sections::SecurityConfig;

/// How long the command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
/// How many bytes a file or a command may give. A key has 64.
const TEXT_BYTES_MAX: u64 = 4_096;
/// How often it is looked whether the command has ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The key; `None` where there is none, or none that is good, which is told. Waits for the file or the command.
pub(crate) fn master_key(
    security: &SecurityConfig,
    errors: &mut ConfigErrors,
) -> Option<MasterKey> {
    let SecurityConfig { encryption_key, encryption_key_file, encryption_key_command, .. } =
        security;
    let (key, text) = match (encryption_key, encryption_key_file, &encryption_key_command[..]) {
        (None, None, []) => return None,
        (Some(text), None, []) => {
            ("security.encryptionKey", Ok(Zeroizing::new(text.reveal().to_owned())))
        }
        (None, Some(path), []) => ("security.encryptionKeyFile", read(path)),
        (None, None, command) => ("security.encryptionKeyCommand", ask(command, COMMAND_TIMEOUT)),
        _ => {
            let sentence = "give one of encryptionKey, encryptionKeyFile and encryptionKeyCommand, not several";
            errors.add("security.encryptionKey", sentence);
            return None;
        }
    };
    let parsed = text.and_then(|text| MasterKey::parse(&text).map_err(|error| error.to_string()));
    parsed.map_err(|sentence| errors.add(key, sentence)).ok()
}

fn read(path: &str) -> Result<Zeroizing<String>, String> {
    let file = std::fs::File::open(path);
    let text = file.and_then(bounded).map_err(|error| format!("{path}: {error}"))?;
    text.ok_or_else(|| format!("{path}: more than {TEXT_BYTES_MAX} bytes, which is no key"))
}

/// What there is to read, as text; `None` where it is too much.
fn bounded(from: impl Read) -> std::io::Result<Option<Zeroizing<String>>> {
    let mut text = Zeroizing::new(String::new());
    let bytes = from.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok((bytes as u64 <= TEXT_BYTES_MAX).then_some(text))
}

/// What a command prints. It gets no input; what it says on stderr is seen by whoever sees the server's.
fn ask(command: &[String], timeout: Duration) -> Result<Zeroizing<String>, String> {
    let deadline = Instant::now() + timeout;
    let [program, arguments @ ..] = command else { return Err("names no program".into()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // What it starts ends with it.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let told = listen(&mut child, program, deadline);
    if told.is_err() {
        end(&mut child);
    }
    told
}

fn listen(
    child: &mut Child,
    program: &str,
    deadline: Instant,
) -> Result<Zeroizing<String>, String> {
    let late = || format!("{program} did not end within {} s", COMMAND_TIMEOUT.as_secs());
    let Some(stdout) = child.stdout.take() else { return Err(late()) };
    let (sender, printed) = channel();
    // It ends with what the command starts, at the latest.
    std::thread::spawn(move || sender.send(bounded(stdout)));
    let printed = printed
        .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        .map_err(|_| late())?
        .map_err(|error| format!("what {program} prints cannot be read: {error}"))?
        .ok_or_else(|| format!("{program} prints more than {TEXT_BYTES_MAX} bytes"))?;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(printed),
            Ok(Some(status)) => return Err(format!("{program} failed: {status}")),
            Ok(None) if Instant::now() < deadline => std::thread::sleep(LOOK_EVERY),
            Ok(None) => return Err(late()),
            Err(error) => return Err(format!("{program} cannot be waited for: {error}")),
        }
    }
}

fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdeffedcba9876543210";

    fn shell(script: &str, timeout: Duration) -> Result<String, String> {
        let command = ["sh", "-c", script].map(String::from);
        ask(&command, timeout).map(|it| (*it).clone())
    }

    #[test]
    fn a_command_gives_the_key_and_one_that_fails_hangs_or_babbles_is_told() {
        let patient = Duration::from_secs(30);
        assert_eq!(shell(&format!("echo {KEY}"), patient).unwrap().trim(), KEY);
        assert!(shell("echo key; exit 3", patient).unwrap_err().contains("failed"));
        assert!(shell("yes", patient).unwrap_err().contains("more than"));
        let none = ask(&["/nowhere/at/all".into()], patient).unwrap_err();
        assert!(none.contains("cannot be started"), "{none}");
        let begun = Instant::now();
        for hanging in ["sleep 60", "sleep 60 & echo key", "exec >&-; sleep 60"] {
            let told = shell(hanging, Duration::from_millis(300)).unwrap_err();
            assert!(told.contains("did not end"), "{told}");
        }
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn what_is_no_key_is_told_by_the_name_of_where_it_was_said_and_not_shown() {
        let check = |security: &SecurityConfig, key: &str, sentence: &str| {
            let mut errors = ConfigErrors::default();
            assert!(master_key(security, &mut errors).is_none());
            let told = errors.to_string();
            assert!(told.contains(key) && told.contains(sentence), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        };
        let text = |text: &str| SecurityConfig {
            encryption_key: Some(crate::config::Secret::new(text)),
            ..SecurityConfig::default()
        };
        check(&text("hunter2"), "security.encryptionKey", "openssl rand -hex 32");
        check(&text(&KEY[2..]), "security.encryptionKey", "31 bytes");
        let missing = SecurityConfig {
            encryption_key_file: Some("/nowhere/at/all".into()),
            ..SecurityConfig::default()
        };
        check(&missing, "security.encryptionKeyFile", "/nowhere/at/all");
        let both = SecurityConfig { encryption_key: text(KEY).encryption_key, ..missing };
        check(&both, "security.encryptionKey", "not several");
        assert!(master_key(&text(KEY), &mut ConfigErrors::default()).is_some());
    }
}
