/** Why a token is asked for: to connect, because the last one is about to end, or because the hub says that it has ended. */
export type TokenReason = 'connect' | 'renew' | 'expired';

/** Gives a token; may be asked any time. Where it rejects, the client tries again later. */
export type TokenProvider = (reason: TokenReason) => string | Promise<string>;

/** What a token says of itself. Not verified: the hub does that. */
export interface TokenClaims {
  tenantId?: string;
  userId?: string;
  /** In milliseconds since 1970. */
  expiresAt?: number;
}

/** How long before its end a token is not used for a new connection, in milliseconds. */
const MARGIN_MS = 5_000;

export function readClaims(token: string): TokenClaims {
  try {
    const part = token.split('.')[1] ?? '';
    const bytes = Uint8Array.from(atob(part.replace(/-/g, '+').replace(/_/g, '/')), (one) => one.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
    const [tenantId, userId] = [text(claims['tenantId']), text(claims['sub']) ?? text(claims['userId'])];
    return {
      ...(tenantId !== undefined && { tenantId }),
      ...(userId !== undefined && { userId }),
      ...(typeof claims['exp'] === 'number' && { expiresAt: claims['exp'] * 1_000 }),
    };
  } catch {
    return {};
  }
}

/** The token in use. Asks for a fresh one when it ends, and never twice at once. */
export class TokenSource {
  #token: string | undefined;
  #claims: TokenClaims = {};
  #asked: Promise<string> | undefined;

  constructor(private readonly provider: TokenProvider) {}

  get claims(): TokenClaims {
    return this.#claims;
  }

  /** The token to connect with. */
  async current(): Promise<string> {
    const { expiresAt = Infinity } = this.#claims;
    if (this.#token !== undefined && Date.now() < expiresAt - MARGIN_MS) return this.#token;
    return this.fresh(this.#token === undefined ? 'connect' : 'renew');
  }

  /** A new one. */
  fresh(reason: TokenReason): Promise<string> {
    this.#asked ??= this.#ask(reason).finally(() => { this.#asked = undefined; });
    return this.#asked;
  }

  async #ask(reason: TokenReason): Promise<string> {
    const token = await this.provider(reason);
    this.#token = token;
    this.#claims = readClaims(token);
    return token;
  }
}
