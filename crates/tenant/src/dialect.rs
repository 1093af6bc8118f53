//! How a connection is spoken to: in the contract's names and shapes, or in those of an application that is older.

use std::fmt;
use std::sync::{Arc, LazyLock};

use foodtrack_contract::{ApplicationType, ErrorCode, Refusal};
use foodtrack_profile::Profile;

/// How a connection is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// As the contract has it.
    #[default]
    Canonical,
    /// The same, to somebody who only listens, and acknowledges nothing.
    Listening,
    /// As the profile's tables have it for this application.
    Profile(ApplicationType),
}

impl Dialect {
    /// Whether what is said in the other is the same.
    pub(crate) fn says_as(self, other: Self) -> bool {
        self.application() == other.application()
    }

    /// A refusal as JSON: today's applications read a sentence, and whoever reads on a code in front of it.
    pub(crate) fn error(self, refusal: &Refusal) -> String {
        let sentence = match (self, refusal.code()) {
            (Self::Canonical | Self::Listening, _) => return refusal.to_json(),
            // The back end's own words.
            (Self::Profile(_), ErrorCode::UpstreamRefused) => refusal.message().to_owned(),
            (Self::Profile(_), _) => refusal.to_string(),
        };
        serde_json::Value::String(sentence).to_string()
    }

    /// The application whose names it has.
    pub(crate) fn application(self) -> Option<ApplicationType> {
        match self {
            Self::Canonical | Self::Listening => None,
            Self::Profile(application) => Some(application),
        }
    }

    /// Whether it is the profile's.
    pub(crate) fn is_profile(self) -> bool {
        self.application().is_some()
    }

    /// Whether it is asked for acknowledgements.
    pub(crate) fn acknowledges(self) -> bool {
        self == Self::Canonical
    }
}

/// The tables of the profile, and who is spoken to by them.
#[derive(Clone)]
pub struct Profiles {
    /// The tables.
    pub tables: Arc<Profile>,
    /// Whether connections are spoken to by them whose handshake says nothing of it.
    pub is_default: bool,
}

impl Profiles {
    /// Whether a connection is spoken to by the tables, as its handshake says.
    ///
    /// # Errors
    /// `message_malformed`: it names a profile that there is not.
    pub fn speaks(&self, said: Option<&str>) -> Result<bool, Refusal> {
        match said {
            None => Ok(self.is_default),
            Some("canonical") => Ok(false),
            Some("foodtrack") => Ok(true),
            Some(_) => {
                let message = "auth.profile must be canonical or foodtrack";
                Err(Refusal::new(ErrorCode::MessageMalformed, message))
            }
        }
    }
}

impl Default for Profiles {
    fn default() -> Self {
        static BUILTIN: LazyLock<Arc<Profile>> = LazyLock::new(|| Arc::new(Profile::builtin()));
        Self { tables: Arc::clone(&BUILTIN), is_default: false }
    }
}

impl fmt::Debug for Profiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profiles").field("is_default", &self.is_default).finish_non_exhaustive()
    }
}
