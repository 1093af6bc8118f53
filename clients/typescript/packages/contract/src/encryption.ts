import type { WebSocketMessage } from './message.js';

/** A key of payloads: 32 bytes as base64url, and what it is called. The hub's are called `hub-1`, `hub-2`, ... */
export interface PayloadKey {
  readonly kid: string;
  readonly key: string;
}

/** An encrypted payload as it travels; beside these fields stand the identifiers that the hub routes by, in clear. */
export interface EncryptedPayload {
  readonly alg: 'A256GCM';
  readonly kid: string;
  readonly iv: string;
  readonly ciphertext: string;
}

/** What a ciphertext is bound to beside the identifiers that stand outside. */
export type PayloadEnvelope = Pick<WebSocketMessage<string>, 'id' | 'type' | 'tenantId'>;

/** What stands outside, by name. */
export type Identifiers = Readonly<Record<string, string>>;

const ALGORITHM = 'A256GCM';
const FORM = 'foodtrack-websocket payload 1';
const OWN_FIELDS = new Set(['alg', 'kid', 'iv', 'ciphertext']);
const NAME = /^[A-Za-z0-9_]{1,64}$/;
/** How many keys are kept ready. */
const KEYS_MAX = 64;

/**
 * Encrypts and decrypts payloads with AES-256-GCM, by WebCrypto: in browsers (pages with HTTPS, and localhost) and in Node.
 *
 * `keyOf` gives the key of a name, and without a name the one to encrypt with. It is asked once for each name that is met, so a
 * key that is replaced gets a new name. Where it rejects, it is asked again with the next message.
 */
export class PayloadCipher {
  readonly #keys = new Map<string, Promise<{ kid: string; key: CryptoKey }>>();

  constructor(private readonly keyOf: (kid?: string) => PayloadKey | Promise<PayloadKey>) {}

  /**
   * The payload to publish, with `encrypted: true`, in a message with this id and type. `outside` are identifiers that the hub routes by,
   * such as `orderId`: they stand in clear, and cannot be changed on the way. A key is good for 2^32 payloads of all its users.
   */
  async encrypt(envelope: PayloadEnvelope, payload: unknown, outside: Identifiers = {}): Promise<EncryptedPayload & Identifiers> {
    for (const name of Object.keys(outside)) {
      if (!NAME.test(name) || OWN_FIELDS.has(name)) throw new TypeError(`${name} cannot stand beside a ciphertext`);
    }
    // Which key is the newest may change: it is asked for each time.
    const newest = await this.keyOf();
    const { kid, key } = await this.#remember(newest.kid, () => newest);
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const additionalData = payloadAdditionalData(envelope, kid, outside);
    const plain = new TextEncoder().encode(JSON.stringify(payload ?? null));
    const ciphertext = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData }, key, plain);
    return { ...outside, alg: ALGORITHM, kid, iv: toBase64Url(iv), ciphertext: toBase64Url(new Uint8Array(ciphertext)) };
  }

  /** What was encrypted. Rejects where anything of it, of the message's id, type and tenant, or of what stands outside was changed. */
  async decrypt(message: PayloadEnvelope & { payload: unknown }): Promise<unknown> {
    const { alg, kid, iv, ciphertext, ...outside } = message.payload as EncryptedPayload & Identifiers;
    if (alg !== ALGORITHM || [kid, iv, ciphertext].some((it) => typeof it !== 'string')) throw new TypeError('not an encrypted payload');
    const { key } = await this.#remember(kid, () => this.keyOf(kid));
    const additionalData = payloadAdditionalData(message, kid, outside);
    const plain = await crypto.subtle.decrypt({ name: 'AES-GCM', iv: fromBase64Url(iv), additionalData }, key, fromBase64Url(ciphertext));
    return JSON.parse(new TextDecoder().decode(plain)) as unknown;
  }

  #remember(kid: string, ask: () => PayloadKey | Promise<PayloadKey>): Promise<{ kid: string; key: CryptoKey }> {
    const known = this.#keys.get(kid);
    if (known) return known;
    const made = Promise.resolve(ask()).then(async ({ kid: given, key }) => {
      if (given !== kid) throw new TypeError(`the key ${given} was given for ${kid}`);
      return { kid, key: await crypto.subtle.importKey('raw', fromBase64Url(key), 'AES-GCM', false, ['encrypt', 'decrypt']) };
    });
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(kid, made);
    made.catch(() => this.#keys.delete(kid));
    return made;
  }
}

/** What a ciphertext is bound to: each text behind its length in UTF-8, four bytes, the highest first. */
export function payloadAdditionalData(
  { id, type, tenantId }: PayloadEnvelope, kid: string, outside: Identifiers,
): Uint8Array<ArrayBuffer> {
  const identifiers = Object.keys(outside).sort().flatMap((name) => [name, outside[name]!]);
  const texts = [FORM, tenantId, type, id, ALGORITHM, kid, ...identifiers].map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + 4 + text.length, 0));
  let at = 0;
  for (const text of texts) {
    new DataView(bytes.buffer).setUint32(at, text.length);
    bytes.set(text, at + 4);
    at += 4 + text.length;
  }
  return bytes;
}

function toBase64Url(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  const plain = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}
