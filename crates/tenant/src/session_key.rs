//! The private id of a session: who shows it again is who it was given to, on this server or on the one after it.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use foodtrack_contract::{Epoch, Offset};
use foodtrack_wire::Sid;

use crate::intake::EmissionKey;

const SID_CHARACTERS: usize = 20;
/// Hours since the Unix epoch, in hexadecimal: good until the year 3883.
const HOURS_CHARACTERS: usize = 6;
/// An epoch and an offset, in hexadecimal.
const START_CHARACTERS: usize = 32;
/// 128 bits.
const MAC_BYTES: usize = 16;
const MAC_CHARACTERS: usize = 22;
const HEAD_CHARACTERS: usize = SID_CHARACTERS + HOURS_CHARACTERS + START_CHARACTERS;
const PID_CHARACTERS: usize = HEAD_CHARACTERS + MAC_CHARACTERS;

/// What private ids are made with. Two servers with the same key know each other's sessions.
///
/// A private id is the session's public id, when it was made and where the log stood then, and a MAC over all of it and over
/// whose it is. So it need not be kept anywhere to be checked, and it is of no use to another subject or tenant; and a client
/// that got nothing but its private id still brings back since when it was here.
#[derive(Clone)]
pub struct SessionKey(hmac::Key);

/// Whose a session is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionOwner<'a> {
    pub(crate) tenant: &'a str,
    /// User, application and device, as one text.
    pub(crate) subscriber: &'a str,
}

/// What a private id proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProvenSession {
    pub(crate) sid: Sid,
    /// When it began, in hours since the Unix epoch.
    pub(crate) began_hours: u32,
    /// Where the log stood when the session began.
    pub(crate) epoch: Epoch,
    pub(crate) start: Offset,
}

impl SessionKey {
    /// The key made of 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What emissions are told by; the same on the server after this one.
    pub fn emission_key(&self) -> EmissionKey {
        // No private id is as short, so this signs nothing that one could be.
        let tag = hmac::sign(&self.0, b"emissions");
        let mut key = [0; 16];
        key.copy_from_slice(&tag.as_ref()[..16]);
        EmissionKey::new(&key)
    }

    /// A private id for the session with this public id.
    pub(crate) fn pid(
        &self,
        sid: &Sid,
        (epoch, start): (Epoch, Offset),
        owner: SessionOwner<'_>,
        hours: u32,
    ) -> String {
        let (epoch, start) = (epoch.get(), start.get());
        let mut pid = format!("{}{hours:06x}{epoch:016x}{start:016x}", sid.as_str());
        let tag = hmac::sign(&self.0, &signed(&pid, owner));
        URL_SAFE_NO_PAD.encode_string(&tag.as_ref()[..MAC_BYTES], &mut pid);
        pid
    }

    /// What the private id proves about this owner's session; `None` if it is no id of theirs.
    pub(crate) fn prove(&self, pid: &str, owner: SessionOwner<'_>) -> Option<ProvenSession> {
        if pid.len() != PID_CHARACTERS || !pid.is_ascii() {
            return None;
        }
        let (head, mac) = pid.split_at(HEAD_CHARACTERS);
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let tag = hmac::sign(&self.0, &signed(head, owner));
        aws_lc_rs::constant_time::verify_slices_are_equal(&tag.as_ref()[..MAC_BYTES], &mac).ok()?;
        let (sid, rest) = head.split_at(SID_CHARACTERS);
        let (hours, start) = rest.split_at(HOURS_CHARACTERS);
        let (epoch, start) = start.split_at(START_CHARACTERS / 2);
        let number = |digits| u64::from_str_radix(digits, 16).ok();
        Some(ProvenSession {
            sid: Sid::parse(sid)?,
            began_hours: u32::try_from(number(hours)?).ok()?,
            epoch: Epoch::new(number(epoch)?),
            start: Offset::new(number(start)?)?,
        })
    }
}

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// The parts with a byte between them that none of them has.
fn signed(head: &str, owner: SessionOwner<'_>) -> Vec<u8> {
    [head, owner.tenant, owner.subscriber].join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "ABCDEFGHIJKLMNOPQRST";
    const HOURS: u32 = 498_732;

    fn start() -> (Epoch, Offset) {
        (Epoch::new(0xab_cdef_0123), Offset::new(1 << 40).unwrap())
    }

    fn owner<'a>(tenant: &'a str, subscriber: &'a str) -> SessionOwner<'a> {
        SessionOwner { tenant, subscriber }
    }

    #[test]
    fn a_private_id_proves_its_session_to_its_owner_alone() {
        let key = SessionKey::new(&[7; 32]);
        let sid = Sid::parse(SID).unwrap();
        let own = owner("roma", "ada:kitchen_app:");
        let pid = key.pid(&sid, start(), own, HOURS);
        assert!(pid.starts_with(SID) && pid.len() == PID_CHARACTERS, "{pid}");
        let (epoch, start) = start();
        let proven = ProvenSession { sid, began_hours: HOURS, epoch, start };
        assert_eq!(key.prove(&pid, own), Some(proven));
        for other in [
            owner("napoli", "ada:kitchen_app:"),
            owner("roma", "eve:kitchen_app:"),
            owner("roma", "ada:tenant_dashboard:"),
            owner("roma", "ada:kitchen_app:tablet"),
        ] {
            assert_eq!(key.prove(&pid, other), None);
        }
        assert_eq!(SessionKey::new(&[8; 32]).prove(&pid, own), None);
    }

    #[test]
    fn a_changed_private_id_proves_nothing() {
        let key = SessionKey::new(&[7; 32]);
        let own = owner("roma", "ada:kitchen_app:");
        let pid = key.pid(&Sid::parse(SID).unwrap(), start(), own, HOURS);
        for place in 0..pid.len() {
            let mut changed = pid.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.prove(&changed, own), None, "{changed}");
        }
        for garbage in ["", "é", &pid[1..], &format!("{pid}A"), &"é".repeat(PID_CHARACTERS / 2)] {
            assert_eq!(key.prove(garbage, own), None);
        }
    }
}
