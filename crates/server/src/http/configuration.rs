//! `GET /api/v1/configuration`: what is in force, and who said it. The operator's alone: it names what is of several tenants.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::caller::Operator;
use super::error::{Data, Success};
use crate::config::SaidKey;
use crate::hub::Hub;

/// A key of the configuration.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct KeyReport {
    /// Its place in the file.
    key: &'static str,
    /// Its value; secrets, passwords in addresses and arguments of commands are `(redacted)`.
    #[schema(value_type = Value)]
    value: Value,
    /// Who said it: a line of the file, a variable of the environment, a flag, `default`, or `program`.
    place: String,
    /// What it means.
    about: &'static str,
}

/// Lists every key with its value in force and who said it.
#[utoipa::path(get, path = "/api/v1/configuration", operation_id = "listConfiguration", tag = "status",
    responses((status = 200, body = Success<Vec<KeyReport>>)))]
pub(crate) async fn list(State(hub): State<Arc<Hub>>, _operator: Operator) -> Data<Vec<KeyReport>> {
    let keys = hub.config.said_keys(&hub.reloader.in_force());
    Data(keys.into_iter().map(KeyReport::from).collect())
}

impl From<SaidKey> for KeyReport {
    fn from(said: SaidKey) -> Self {
        let SaidKey { key, value, place } = said;
        Self { key: key.path, value, place, about: key.about }
    }
}
