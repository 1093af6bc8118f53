import type { IncomingMessage, ServerResponse } from 'node:http';

import { SIGNATURE_HEADER, type SignatureOptions, isSignedByHub } from './signature.js';
import type { Logger } from './logger.js';

/** What a request is answered with. */
export interface HttpAnswer {
  status: number;
  /** JSON; absent where there is nothing to say. */
  body?: unknown;
}

/** What every handler of the hub's requests takes. */
export interface HandlerOptions extends SignatureOptions {
  /** The longest body that is read, in bytes; 16 MiB where absent. */
  bodyBytesMax?: number;
  /** Hears of what a handler throws; `console` where absent. */
  logger?: Pick<Logger, 'error'>;
}

/** A request that may come with its body read already, as Express' `raw` and Fastify's parsers do. */
export type RequestWithBody = IncomingMessage & { body?: unknown };

/** A handler for plain `node:http` and for Express: mount it before a parser of JSON, or behind `express.raw({ type: '*\/*' })`. */
export type NodeHandler = (request: RequestWithBody, response: ServerResponse) => Promise<void>;

/** The little of Fastify that is used. */
export interface FastifyLike {
  removeAllContentTypeParsers(): void;
  addContentTypeParser(
    type: string,
    options: { parseAs: 'buffer'; bodyLimit?: number },
    parser: (request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void) => void,
  ): unknown;
  post(
    path: string,
    handler: (
      request: { headers: Record<string, string | string[] | undefined>; body: unknown },
      reply: { code(status: number): { send(body?: unknown): unknown } },
    ) => Promise<unknown>,
  ): unknown;
}

/** A plugin: `await fastify.register(handler.fastify, { prefix: '/hub/requests' })`. */
export type FastifyPlugin = (instance: FastifyLike) => Promise<void>;

/** One handler, in the shapes that servers take. */
export interface HubRequestHandler {
  /** For any other framework: the header's value and the body as they came. */
  answer(signature: string | undefined, body: Uint8Array): Promise<HttpAnswer>;
  /** For `node:http` and Express. */
  node: NodeHandler;
  /** For Fastify. */
  fastify: FastifyPlugin;
}

const BODY_BYTES_MAX = 16 * 1_024 * 1_024;

const refused = (status: number, error: string): HttpAnswer => ({ status, body: { success: false, error } });

/** Makes a handler of what answers a request that is the hub's. */
export function hubRequestHandler(options: HandlerOptions, answerSigned: (body: unknown) => Promise<HttpAnswer>): HubRequestHandler {
  const bytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  const logger = options.logger ?? console;

  async function answer(signature: string | undefined, body: Uint8Array): Promise<HttpAnswer> {
    if (body.byteLength > bytesMax) return refused(413, `the body is longer than ${bytesMax} bytes`);
    if (!isSignedByHub(signature, body, options)) return refused(401, `${SIGNATURE_HEADER} does not prove that the hub asks`);
    let parsed: unknown;
    try {
      parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
    } catch {
      return refused(400, 'the body is not JSON');
    }
    try {
      return await answerSigned(parsed);
    } catch (error) {
      logger.error(`a handler of the hub's requests failed: ${error instanceof Error ? error.stack ?? error.message : String(error)}`);
      return refused(500, 'the handler failed');
    }
  }

  async function node(request: RequestWithBody, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request, bytesMax);
    const header = request.headers[SIGNATURE_HEADER];
    const given = typeof body === 'string' ? refused(500, body) : await answer(typeof header === 'string' ? header : undefined, body);
    if (typeof body === 'string') logger.error(body);
    response.statusCode = given.status;
    response.setHeader('content-type', 'application/json');
    response.end(given.body === undefined ? undefined : JSON.stringify(given.body));
  }

  async function fastify(instance: FastifyLike): Promise<void> {
    // Within the plugin alone: the signature is over the bytes.
    instance.removeAllContentTypeParsers();
    instance.addContentTypeParser('*', { parseAs: 'buffer', bodyLimit: bytesMax }, (_request, body, done) => done(null, body));
    instance.post('/', async (request, reply) => {
      const header = request.headers[SIGNATURE_HEADER];
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array();
      const given = await answer(typeof header === 'string' ? header : undefined, body);
      return reply.code(given.status).send(given.body);
    });
  }

  return { answer, node, fastify };
}

/** The bytes of a body; a sentence where they are gone already. What is too long is read no further than that. */
async function bodyOf(request: RequestWithBody, bytesMax: number): Promise<Uint8Array | string> {
  if (request.body instanceof Uint8Array) return request.body;
  if (request.readableEnded || request.body !== undefined) {
    return "the request's body was parsed before: mount the hub's handler before express.json(), or behind express.raw({ type: '*/*' })";
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
    bytes += (chunk as Buffer).byteLength;
    if (bytes > bytesMax) break;
  }
  return Buffer.concat(chunks);
}
