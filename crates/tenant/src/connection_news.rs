//! What becomes of connections, for who keeps account of it.

use std::net::IpAddr;

use foodtrack_contract::{ApplicationType, DeviceId, ErrorCode, Principal};

use crate::admission::Admission;
use crate::members::Connection;

/// What became of a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionNews<'a> {
    /// Whose it is.
    pub principal: &'a Principal,
    /// As which application; none of a back end's.
    pub application: Option<ApplicationType>,
    /// The device that it names.
    pub device: Option<&'a DeviceId>,
    /// Its id, once it has one.
    pub connection: Option<&'a str>,
    /// From where.
    pub address: IpAddr,
    /// What became of it.
    pub change: ConnectionChange,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionChange {
    /// It has come in; `is_recovered`: with its session.
    Connected {
        /// Whether it came back.
        is_recovered: bool,
    },
    /// It was refused, though its token is good.
    Refused(ErrorCode),
    /// It has gone, by one of [`DISCONNECT_REASONS`](crate::DISCONNECT_REASONS).
    Disconnected(&'static str),
}

impl<'a> ConnectionNews<'a> {
    pub(crate) fn of(connection: &'a Connection, change: ConnectionChange) -> Self {
        Self {
            principal: &connection.principal,
            application: connection.application,
            device: connection.device.as_ref(),
            connection: Some(connection.id.as_str()),
            address: connection.about.address.ip(),
            change,
        }
    }

    pub(crate) fn refused(admission: &'a Admission, code: ErrorCode) -> Self {
        Self {
            principal: &admission.principal,
            application: admission.application,
            device: admission.device.as_ref(),
            connection: None,
            address: admission.about.address.ip(),
            change: ConnectionChange::Refused(code),
        }
    }
}
