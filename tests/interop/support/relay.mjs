// A line between clients and a server that can be cut: while it is, connections are refused.

import net from "node:net";

export class Relay {
  #open = new Set();

  static async to(port) {
    const relay = new Relay();
    relay.target = port;
    await relay.#listen(0);
    return relay;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async #listen(port) {
    this.server = net.createServer((client) => {
      const server = net.connect(this.target, "127.0.0.1");
      for (const [from, to] of [[client, server], [server, client]]) {
        this.#open.add(from);
        from.on("error", () => {});
        from.on("close", () => {
          this.#open.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
  }

  /** Tears every connection, and refuses new ones. */
  async cut() {
    const closed = new Promise((resolve) => this.server.close(resolve));
    for (const socket of this.#open) socket.destroy();
    await closed;
  }

  mend() {
    return this.#listen(this.port);
  }

  async stop() {
    if (this.server.listening) await this.cut();
  }
}
