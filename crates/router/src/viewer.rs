//! Who is to get an event, as far as redactions ask.

use foodtrack_contract::{ApplicationSet, ApplicationType, UserRole};

use crate::HideFrom;

/// Who is to get an event, as far as redactions ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Somebody with a token.
    Person {
        /// The application of a connection; all that its token opens, of who asks over HTTP; none of a back end.
        applications: ApplicationSet,
        /// The token's.
        role: UserRole,
    },
    /// The receiver of a webhook.
    Webhook,
}

impl Viewer {
    /// A connection as this application.
    pub fn connection(application: Option<ApplicationType>, role: UserRole) -> Self {
        let applications = application.into_iter().collect();
        Self::Person { applications, role }
    }
}

/// From whom something is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HiddenFrom {
    applications: ApplicationSet,
    /// A bit for each of [`UserRole::ALL`].
    roles: u16,
    webhooks: bool,
}

const _: () = assert!(UserRole::ALL.len() <= u16::BITS as usize);

impl HiddenFrom {
    /// Whether it is hidden from this one. Who may be several applications gets what one of them gets.
    pub(crate) fn covers(self, viewer: Viewer) -> bool {
        match viewer {
            Viewer::Webhook => self.webhooks,
            Viewer::Person { applications, role } => {
                let all_hide = !applications.is_empty()
                    && applications.intersection(self.applications) == applications;
                all_hide || self.roles & (1 << role as u16) != 0
            }
        }
    }
}

impl FromIterator<HideFrom> for HiddenFrom {
    fn from_iter<I: IntoIterator<Item = HideFrom>>(list: I) -> Self {
        let mut hidden = Self::default();
        for one in list {
            match one {
                HideFrom::Application(application) => hidden.applications.insert(application),
                HideFrom::Role(role) => hidden.roles |= 1 << role as u16,
                HideFrom::Webhooks => hidden.webhooks = true,
            }
        }
        hidden
    }
}
