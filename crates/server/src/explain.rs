//! Why an event goes where it goes: the same answer for the command line, the HTTP API and the library.

use foodtrack_contract::{
    ApplicationSet, ApplicationType, Permission, PermissionSet, Refusal, Source, TenantId, UserRole,
};
use foodtrack_router::{About, Explanation, Sender};
use foodtrack_shard::Policies;
use serde::Deserialize;

/// An event that might be sent: by whom, and about what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The event's name.
    pub event: String,
    /// An application by its name on the wire, or `system`, which it is where absent.
    #[serde(default)]
    pub source: Option<String>,
    /// The sender's role; the usual one of the source where absent.
    #[serde(default)]
    pub role: Option<UserRole>,
    /// The sender's permissions; the role's defaults where absent.
    #[serde(default)]
    pub permissions: Option<Vec<Permission>>,
    /// The applications the message names.
    #[serde(default)]
    pub target: Option<Vec<ApplicationType>>,
    /// The order it is about.
    #[serde(default)]
    pub order: Option<String>,
    /// That order's customer.
    #[serde(default)]
    pub customer: Option<String>,
    /// The kitchen station it is about.
    #[serde(default)]
    pub station: Option<String>,
    /// The delivery route it is about.
    #[serde(default)]
    pub route: Option<String>,
    /// The user it assigns something to.
    #[serde(default)]
    pub assignee: Option<String>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// No such event type.
    #[error(transparent)]
    Event(Refusal),
    /// No such source.
    #[error(
        "source {0:?} is unknown; it is client_app, tenant_dashboard, kitchen_app, delivery_app or system"
    )]
    Source(String),
}

impl Question {
    /// Answers by the rules in `policies`.
    pub(crate) fn answer(
        &self,
        tenant: &TenantId,
        policies: &Policies,
    ) -> Result<Explanation, ExplainError> {
        let event = policies.schemas.resolve(tenant, &self.event).map_err(ExplainError::Event)?;
        let source = match self.source.as_deref() {
            None => Source::System,
            Some(name) => {
                Source::from_wire(name).ok_or_else(|| ExplainError::Source(name.to_owned()))?
            }
        };
        let sender = Sender { source, permissions: self.permissions(source) };
        let target: Option<ApplicationSet> =
            self.target.as_ref().map(|target| target.iter().copied().collect());
        let about = About {
            order: self.order.as_deref(),
            customer: self.customer.as_deref(),
            station: self.station.as_deref(),
            route: self.route.as_deref(),
            assignee: self.assignee.as_deref(),
        };
        let explanation = policies.router.explain(tenant, &event, sender, target, &about);
        Ok(explanation.with_redactions(&policies.redactions.of(tenant, &event)))
    }

    fn permissions(&self, source: Source) -> PermissionSet {
        if let Some(permissions) = &self.permissions {
            return PermissionSet::of(permissions);
        }
        self.role.unwrap_or(usual_role(source)).default_permissions()
    }
}

/// Who usually sends from there.
fn usual_role(source: Source) -> UserRole {
    match source {
        Source::System => UserRole::System,
        Source::Application(ApplicationType::ClientApp) => UserRole::Customer,
        Source::Application(ApplicationType::TenantDashboard) => UserRole::RestaurantOwner,
        Source::Application(ApplicationType::KitchenApp) => UserRole::KitchenStaff,
        Source::Application(ApplicationType::DeliveryApp) => UserRole::DeliveryPersonnel,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(question: &str) -> Result<Explanation, String> {
        let question: Question = serde_json::from_str(question).map_err(|e| e.to_string())?;
        let tenant = TenantId::parse("t1").unwrap();
        question.answer(&tenant, &Policies::default()).map_err(|e| e.to_string())
    }

    #[test]
    fn a_customer_may_create_an_order_and_not_start_cooking_it() {
        let created =
            ask(r#"{"event":"order:created","source":"client_app","order":"7"}"#).unwrap();
        assert!(created.is_allowed);
        let rooms: Vec<_> = created.destinations.iter().filter_map(|to| to.room.clone()).collect();
        assert!(rooms.contains(&"order:t1:7".to_owned()), "{rooms:?}");
        let started =
            ask(r#"{"event":"kitchen:preparation_started","source":"client_app"}"#).unwrap();
        assert!(!started.is_allowed);
    }

    #[test]
    fn permissions_that_are_given_replace_those_of_the_role() {
        let question = r#"{"event":"order:created","source":"client_app","permissions":[]}"#;
        assert!(!ask(question).unwrap().is_allowed);
    }

    #[test]
    fn what_is_unknown_is_named() {
        assert!(ask(r#"{"event":"order:eaten"}"#).is_err());
        let unknown = ask(r#"{"event":"order:created","source":"fridge"}"#).unwrap_err();
        assert!(unknown.contains("fridge"), "{unknown}");
        assert!(
            ask(r#"{"event":"order:created","weather":"fine"}"#).unwrap_err().contains("weather")
        );
    }
}
