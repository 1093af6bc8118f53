import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { VERSIONS, WAYS } from "../support/clients.mjs";
import { leaveAll, Member } from "../support/hub.mjs";
import { start } from "../support/servers.mjs";

let server;
before(async () => (server = await start("hub")));
after(() => server.stop());
afterEach(leaveAll);

// Browsers and `ws` alike end a WebSocket whose server does not choose one of the subprotocols that were offered.
for (const [version, io] of VERSIONS) {
  for (const [way, transports] of WAYS) {
    test(`socket.io-client ${version} connects over ${way} with protocols of its own, and the first is chosen`, async () => {
      const protocols = ["foodtrack.v2", "foodtrack.v1"];
      const member = await Member.connect(server, "roma", "kitchen_app", "kenji", { io, transports, protocols });
      const { success } = await member.ask("health_check");
      assert.equal(success, true);
      const { transport } = member.socket.io.engine;
      if (transport.name === "websocket") assert.equal(transport.ws.protocol, "foodtrack.v2");
    });
  }
}
