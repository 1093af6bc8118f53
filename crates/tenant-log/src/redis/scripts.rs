//! The scripts that run in Redis, each called by the hash of its text.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Script};

macro_rules! scripts {
    ($($name:ident = $($file:literal)+;)*) => {
        $(pub(super) static $name: LazyLock<Script> =
            LazyLock::new(|| Script::new(concat!($(include_str!($file)),+)));)*

        /// Brings all of them to a server.
        pub(super) async fn load(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
            let mut pipeline = redis::pipe();
            $(pipeline.cmd("SCRIPT").arg("LOAD").arg(concat!($(include_str!($file)),+)).ignore();)*
            pipeline.query_async(connection).await
        }
    };
}

scripts! {
    OPEN = "trimming.lua" "continuity.lua" "opening.lua";
    APPEND = "trimming.lua" "continuity.lua" "append.lua";
    LOOK = "trimming.lua" "continuity.lua" "looking.lua";
    READ = "reading.lua";
    TRIM = "trimming.lua" "forgetting.lua" "trim.lua";
    NOTE = "note.lua";
    CURSORS = "forgetting.lua" "cursors.lua";
    LETTER = "letter.lua";
    NODES = "nodes.lua";
    LEASE = "lease.lua";
    GIVE_BACK = "give_back.lua";
    ROLL_CALL = "roll_call.lua";
    STEP = "step.lua";
    STEER = "steer.lua";
    DOCUMENTS = "documents.lua";
}
