//! What is remembered of devices' coming and going.

use super::*;
use crate::model::DeviceTurn;

impl Test {
    fn journal(&mut self) -> Vec<(String, DeviceTurn)> {
        self.handle(Input::Request(RequestId(9), Request::DeviceJournal));
        let Some((_, Answer::DeviceJournal(news))) = self.world.answers.last() else {
            panic!("{:?}", self.world.answers);
        };
        news.iter().map(|it| (it.subscriber.as_str().to_owned(), it.what)).collect()
    }
}

#[test]
fn what_happened_to_a_device_is_told_once_however_many_sockets_it_has() {
    let mut test = Test::new();
    let first = test.enter("ada", ApplicationType::KitchenApp);
    let second = test.enter("ada", ApplicationType::KitchenApp);
    test.handle(Input::Gone(first, "transport_closed"));
    let ada = || String::from("ada:kitchen_app:");
    let came = DeviceTurn::Came { is_recovered: false };
    assert_eq!(test.journal(), [(ada(), came)]);
    test.handle(Input::Gone(second, "ping_timeout"));
    let went = DeviceTurn::Went { reason: "ping_timeout" };
    assert_eq!(test.journal(), [(ada(), came), (ada(), went)]);
}
