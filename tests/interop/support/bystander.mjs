// Somebody else's connection: whatever a stranger does, it is served within a second.

import assert from "node:assert/strict";
import { Member } from "./hub.mjs";

const UNAFFECTED_MS_MAX = 1000;

export class Bystander {
  #count = 0;

  static async connect(server, tenant = "roma", user = "bystander") {
    const bystander = new Bystander();
    bystander.server = server;
    bystander.member = await Member.connect(server, tenant, "kitchen_app", user);
    bystander.member.socket.on("disconnect", (reason) => (bystander.lost = reason));
    return bystander;
  }

  /** Sends an event that comes back to its sender; fails unless it does in time, on the first connection. */
  async isUnaffected() {
    assert.ok(this.server.alive(), `the server died:\n${this.server.log().slice(-2000)}`);
    const message = `alive ${(this.#count += 1)}`;
    const asked_at_ms = performance.now();
    const answer = await this.member.ask("kitchen:notification", { message });
    assert.equal(answer.success, true, JSON.stringify(answer));
    await this.member.inbox.find((heard) => heard.message.payload.message === message, "own event", UNAFFECTED_MS_MAX);
    const took_ms = performance.now() - asked_at_ms;
    assert.ok(took_ms < UNAFFECTED_MS_MAX, `${took_ms} ms`);
    assert.equal(this.lost, undefined);
  }
}
