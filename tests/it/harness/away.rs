//! A client that is not connected, and what it brings when it comes back.

use serde_json::{Value, json};

use super::{Address, Client, Connect, Options, Transport, Who};

/// How a client will connect, its private id and cursor in the `auth`.
#[derive(Clone, Debug)]
pub(crate) struct Away {
    pub(crate) options: Options,
}

impl Away {
    /// Comes back and takes the greeting off.
    #[track_caller]
    pub(crate) fn resume(&self, server: &impl Address) -> Client {
        Client::join_with(server, &self.options)
    }

    /// Tries to come back.
    pub(crate) fn connect(&self, server: &impl Address) -> Connect {
        Client::connect(server, &self.options)
    }

    /// The page is loaded anew: its memory is gone, and its session with it.
    #[must_use]
    pub(crate) fn reloaded(self) -> Self {
        self.with("pid", Value::Null).with("offset", Value::Null)
    }

    /// With another token.
    #[must_use]
    pub(crate) fn who(self, who: &Who) -> Self {
        self.with("token", json!(who.token()))
    }

    #[must_use]
    pub(crate) fn over(mut self, transport: Transport) -> Self {
        self.options.transport = transport;
        self
    }

    /// With another field of `auth`; null leaves it out.
    #[must_use]
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        let auth = self.options.auth.as_object_mut().unwrap();
        match value {
            Value::Null => _ = auth.remove(field),
            value => _ = auth.insert(field.into(), value),
        }
        self
    }

    pub(crate) fn field(&self, field: &str) -> &str {
        self.options.auth[field].as_str().unwrap()
    }
}
