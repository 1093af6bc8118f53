//! Who was at a node that has gone.

use foodtrack_contract::ApplicationType;
use foodtrack_tenant_log::{LeftDevice, SubscriberKey};

use super::Test;
use crate::input::Input;
use crate::model::{PresenceInfo, PresenceQuery};
use crate::read_job::{Asker, Found, ReadAnswer};
use crate::request::{Answer, Request, RequestId};

impl Test {
    fn present(&mut self) -> Vec<PresenceInfo> {
        let request = Request::Present(PresenceQuery::default());
        self.handle(Input::Request(RequestId(1), request));
        match self.world.answers.pop() {
            Some((_, Answer::Present(page))) => page.items,
            other => panic!("{other:?}"),
        }
    }

    /// The log says that these are at nodes that have gone.
    fn are_left(&mut self, devices: &[&str]) {
        let left = |device: &&str| LeftDevice {
            device: SubscriberKey::new(device).unwrap(),
            node: "gone".into(),
        };
        let found = Found::LeftDevices(Ok(devices.iter().map(left).collect()));
        self.handle(Input::Read(Asker::Log(0), ReadAnswer(found)));
    }
}

#[test]
fn who_was_at_a_node_that_has_gone_is_listed_until_they_are_away() {
    let mut test = Test::new();
    let chef = test.enter("ada", ApplicationType::KitchenApp);
    test.begin(chef);
    test.now_ms = 5_000;
    test.are_left(&["bob:delivery_app:phone-1", "ada:kitchen_app:", "strange"]);
    let present = test.present();
    let of = |info: &PresenceInfo| {
        (info.user.clone(), info.device.clone(), info.connections, info.gone_since.is_some())
    };
    let bob = ("bob".to_owned(), Some("phone-1".to_owned()), 0, true);
    assert_eq!(present.iter().map(of).collect::<Vec<_>>(), [("ada".into(), None, 1, false), bob]);
    assert_eq!(present[1].since, *present[1].gone_since.as_ref().unwrap());
    // They have come to another node, or are told of as away.
    test.are_left(&[]);
    assert_eq!(test.present().len(), 1);
}
