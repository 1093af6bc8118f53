//! What `logging.level` may say.

use super::problems::ConfigErrors;
use super::sections::LoggingConfig;
use tracing::Level;
use tracing_subscriber::EnvFilter;

/// Says what is wrong with what is said of logging.
pub(super) fn check(said: &LoggingConfig, errors: &mut ConfigErrors) {
    if let Err(error) = check_level(&said.level) {
        errors.add("logging.level", error);
    }
}

/// Whether `level` is a filter; the sentence says what one looks like.
pub(crate) fn check_level(level: &str) -> Result<(), String> {
    // A word alone would be read as the name of a module.
    let known = |word: &str| word.parse::<Level>().is_ok() || word == "off";
    if !level.contains(['=', ',', '[']) && !known(level) {
        return Err("not a level; write error, warn, info, debug or trace".into());
    }
    EnvFilter::try_new(level).map(drop).map_err(|error| format!("not a filter: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_five_or_a_filter() {
        for level in ["info", "TRACE", "off", "info,foodtrack_shard=debug"] {
            assert_eq!(check_level(level), Ok(()), "{level}");
        }
        for level in ["loud", "", "info,foodtrack=loud"] {
            assert!(check_level(level).is_err(), "{level}");
        }
    }
}
