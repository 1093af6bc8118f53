//! What a client asks and is answered: events with acknowledgements.

use std::time::Instant;

use foodtrack_wire::socket_io::PacketType;
use serde_json::{Value, json};

use super::{Client, PATIENCE, WholePacket};

impl Client {
    /// Emits an event and waits for its acknowledgement.
    #[track_caller]
    pub(crate) fn ask(&mut self, name: &str, argument: Value) -> Value {
        self.ask_binary(name, argument, &[])
    }

    /// As [`Client::ask`]; placeholders in the argument stand for the attachments.
    #[track_caller]
    pub(crate) fn ask_binary(
        &mut self,
        name: &str,
        argument: Value,
        attachments: &[Vec<u8>],
    ) -> Value {
        let id = self.begin_to_ask(name, argument, attachments);
        self.answer(id, name)
    }

    /// Emits several events without waiting between, and then waits for their acknowledgements.
    #[track_caller]
    pub(crate) fn ask_all(&mut self, events: &[(&str, Value)]) -> Vec<Value> {
        let mut ids = Vec::new();
        for (name, argument) in events {
            ids.push(self.begin_to_ask(name, argument.clone(), &[]));
        }
        ids.into_iter().zip(events).map(|(id, (name, _))| self.answer(id, name)).collect()
    }

    #[track_caller]
    fn begin_to_ask(&mut self, name: &str, argument: Value, attachments: &[Vec<u8>]) -> u64 {
        let id = self.next_ack_id;
        self.next_ack_id += 1;
        let data = json!([name, argument]);
        assert!(
            self.send_packet(PacketType::Event, Some(id), &data, attachments),
            "the server has closed the transport"
        );
        id
    }

    #[track_caller]
    fn answer(&mut self, id: u64, name: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let is_answer =
                |packet: &WholePacket| packet.kind == PacketType::Ack && packet.id == Some(id);
            if let Some(place) = self.waiting.iter().position(is_answer) {
                return self.waiting.remove(place).unwrap().data[0].take();
            }
            let packet = self.read_packet(deadline);
            let packet = packet.unwrap_or_else(|| {
                panic!("no acknowledgement of {name}; closed: {:?}", self.closed)
            });
            self.waiting.push_back(packet);
        }
    }

    /// Emits an event that must be accepted; returns the acknowledgement's `data`.
    #[track_caller]
    pub(crate) fn accepted(&mut self, name: &str, argument: Value) -> Value {
        let mut answer = self.ask(name, argument);
        assert_eq!(answer["success"], true, "{name}: {answer}");
        answer["data"].take()
    }

    /// Emits an event that must be refused; returns the error's code.
    #[track_caller]
    pub(crate) fn refused(&mut self, name: &str, argument: Value) -> String {
        let answer = self.ask(name, argument);
        assert_eq!(answer["success"], false, "{name}: {answer}");
        answer["error"]["code"].as_str().unwrap().to_owned()
    }
}
