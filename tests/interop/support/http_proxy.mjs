// A proxy between a polling client and the server, which may die with an answer in its hands, or hold requests back.

import http from "node:http";
import { pause } from "./wait.mjs";

export class HttpProxy {
  lost = 0;
  /** What the proxy serves by itself: `{ path: [content type, body] }`. */
  files = {};
  /** Whether the server's answer to a request is lost. */
  loses = () => false;
  /** What a request waits for before it is passed on. */
  holds = async () => {};

  static async start(server) {
    const proxy = new HttpProxy();
    proxy.agent = new http.Agent({ keepAlive: true });
    proxy.server = http.createServer((request, response) => proxy.#onRequest(server, request, response));
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  async #onRequest(server, request, response) {
    const { method, url: path, headers } = request;
    const [type, file] = this.files[path] ?? [];
    if (type) return response.writeHead(200, { "content-type": type }).end(file);
    await this.holds(method, path);
    const onward = http.request({ host: server.host, port: server.port, agent: this.agent, method, path, headers }, async (answer) => {
      const { socket } = answer;
      const body = Buffer.concat(await answer.toArray());
      if (this.loses(method, body.toString())) {
        this.lost += 1;
        // It dies with its connection to the server, which hears of that before the client does.
        socket.destroy();
        await pause(20);
        request.socket.resetAndDestroy();
      } else {
        response.writeHead(answer.statusCode, answer.headers).end(body);
      }
    });
    onward.on("error", () => request.socket.destroy());
    request.pipe(onward);
  }

  async stop() {
    this.server.closeAllConnections();
    this.agent.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
