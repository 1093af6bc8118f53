//! What Redis keeps of webhooks: a hash for each tenant, with place, pause and moves of each webhook.

use std::collections::BTreeSet;

use foodtrack_contract::TenantId;
use redis::{Cmd, Value};

use super::RedisLog;
use super::keys::Part;
use super::letters::letter_text;
use super::log_admin::members;
use super::pipeline::call;
use super::scripts;
use super::subscriber_store::{cursor_text, read_cursor};
use super::values::{array, number, text};
use crate::{
    Duty, ReadError, SavedCursor, SubscriberKey, WebhookPlace, WebhookPlaces, WebhookStep,
};

fn field(webhook: &SubscriberKey, what: &str) -> String {
    format!("{} {what}", webhook.as_str())
}

fn strange(webhook: &SubscriberKey) -> ReadError {
    ReadError::Store(format!(
        "what Redis keeps of {} is no place; replaying the webhook gives it one",
        webhook.as_str()
    ))
}

impl RedisLog {
    fn ask_one(&self, command: Cmd) -> Result<Value, ReadError> {
        let mut pipeline = redis::pipe();
        pipeline.add_command(command);
        Ok(self.questions.ask(pipeline)?.into_iter().next().unwrap_or_default())
    }

    fn steer(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        what: &str,
        place: &str,
    ) -> Result<(), ReadError> {
        let keys = [Part::Head, Part::Webhooks].map(|part| self.keys.part(tenant, part));
        let mut command = call(&scripts::STEER, &keys);
        command.arg(webhook.as_str()).arg(what).arg(place);
        command.arg("PUBLISH").arg(self.keys.channel(tenant)).arg(&self.builder.node);
        self.ask_one(command)?;
        Ok(())
    }
}

impl WebhookPlaces for RedisLog {
    fn known(&self) -> Result<BTreeSet<String>, ReadError> {
        let names = self.ask_one(members(self.keys.webhooks()))?;
        let names = array(&names).unwrap_or_default().iter().filter_map(text);
        Ok(names.map(str::to_owned).collect())
    }

    fn add_known(&self, webhooks: &BTreeSet<String>) -> Result<(), ReadError> {
        if webhooks.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("SADD");
        command.arg(self.keys.webhooks());
        webhooks.iter().for_each(|webhook| _ = command.arg(webhook));
        self.ask_one(command)?;
        Ok(())
    }

    fn place(&self, tenant: &TenantId, webhook: &SubscriberKey) -> Result<WebhookPlace, ReadError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.keys.part(tenant, Part::Webhooks));
        command.arg(&["place", "paused", "moves"].map(|what| field(webhook, what)));
        let answer = self.ask_one(command)?;
        let Some([place, paused, moves]) = array(&answer) else { return Err(strange(webhook)) };
        let cursor = match place {
            Value::Nil => None,
            kept => Some(read_cursor(kept).ok_or_else(|| strange(webhook))?.cursor),
        };
        let moves = match moves {
            Value::Nil => 0,
            kept => number(kept).ok_or_else(|| strange(webhook))?,
        };
        Ok(WebhookPlace { cursor, is_paused: *paused != Value::Nil, moves })
    }

    fn step(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        step: &WebhookStep,
    ) -> Result<bool, ReadError> {
        let part = |part| self.keys.part(tenant, part);
        let keys = [
            part(Part::Head),
            part(Part::Webhooks),
            self.keys.tokens(tenant),
            part(Part::DeadLetters),
        ];
        let mut command = call(&scripts::STEP, &keys);
        command.arg(Duty::Webhook(webhook.clone()).name()).arg(step.lease.token());
        command.arg(webhook.as_str()).arg(step.moves).arg(cursor_text(&step.to));
        if let Some(letter) = &step.letter {
            let (of_subscriber, text) = letter_text(letter);
            command.arg(letter.offset.get()).arg(of_subscriber).arg(text);
        }
        Ok(self.ask_one(command)? == Value::Int(1))
    }

    fn begin_at(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        place: &SavedCursor,
    ) -> Result<(), ReadError> {
        self.steer(tenant, webhook, "begins", &cursor_text(place))
    }

    fn move_to(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        place: &SavedCursor,
    ) -> Result<(), ReadError> {
        self.steer(tenant, webhook, "moves", &cursor_text(place))
    }

    fn set_paused(
        &self,
        tenant: &TenantId,
        webhook: &SubscriberKey,
        is_paused: bool,
    ) -> Result<(), ReadError> {
        self.steer(tenant, webhook, if is_paused { "pauses" } else { "goes on" }, "")
    }
}
