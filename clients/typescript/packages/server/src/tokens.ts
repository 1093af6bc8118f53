import { createHmac, timingSafeEqual } from 'node:crypto';

import { ApplicationType, Permission, UserRole, defaultPermissions } from '@foodtrack/websocket-contract';

/** Whom a token speaks for: the claims of the tokens guide. */
export interface TokenClaims {
  /** 1 to 64 of `A-Z a-z 0-9 _ -`. */
  tenantId: string;
  /** 1 to 128 characters; becomes `sub`. */
  userId: string;
  role: UserRole;
  /** What it opens; the role's own where absent: see `applicationsOfRole`. */
  applicationTypes?: readonly ApplicationType[];
  /** Absent: the role's. Empty: none. */
  permissions?: readonly Permission[];
  /** The device that it is given to. */
  deviceId?: string;
  /** The token's own name. */
  jti?: string;
}

export interface MintOptions {
  /** How long it is good, in seconds; an hour where absent. */
  expiresInSeconds?: number;
  /** In seconds from now; good at once where absent. */
  notBeforeSeconds?: number;
  issuer?: string;
  audience?: string | readonly string[];
}

/** What the hub asks of a shared secret, in bytes. */
export const SECRET_BYTES_MIN = 32;

const HOUR_SECONDS = 3_600;
const LEEWAY_SECONDS = 5;
const TENANT = /^[A-Za-z0-9_-]{1,64}$/;
const USER_CHARACTERS_MAX = 128;

const STAFF = [ApplicationType.TenantDashboard, ApplicationType.KitchenApp, ApplicationType.DeliveryApp];

/** The applications of a token that lists none; a back end's opens none. */
export const applicationsOfRole: Readonly<Record<UserRole, readonly ApplicationType[]>> = {
  customer: [ApplicationType.ClientApp],
  kitchen_staff: [ApplicationType.KitchenApp],
  chef: [ApplicationType.KitchenApp],
  delivery_personnel: [ApplicationType.DeliveryApp],
  restaurant_owner: STAFF,
  restaurant_manager: STAFF,
  admin: STAFF,
  system: [],
};

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function wrongIn(claims: TokenClaims): string | undefined {
  if (!TENANT.test(claims.tenantId)) return 'tenantId must be 1 to 64 of A-Z, a-z, 0-9, _ and -';
  const characters = [...(claims.userId ?? '')].length;
  if (characters < 1 || characters > USER_CHARACTERS_MAX) return `userId must have 1 to ${USER_CHARACTERS_MAX} characters`;
  if (!Object.hasOwn(defaultPermissions, claims.role)) return `role must be one of ${Object.keys(defaultPermissions).join(', ')}`;
  return undefined;
}

/**
 * Signs a token with HS256.
 *
 * @throws RangeError where a claim, the secret or the expiry is one that the hub would refuse.
 */
export function mintToken(claims: TokenClaims, secret: string, options: MintOptions = {}): string {
  const wrong = wrongIn(claims);
  if (wrong) throw new RangeError(`mintToken: ${wrong}`);
  if (Buffer.byteLength(secret) < SECRET_BYTES_MIN) {
    throw new RangeError(`mintToken: the secret must have at least ${SECRET_BYTES_MIN} bytes`);
  }
  const seconds = options.expiresInSeconds ?? HOUR_SECONDS;
  if (!Number.isFinite(seconds) || seconds <= 0) throw new RangeError('mintToken: expiresInSeconds must be above 0');
  const now = Math.floor(Date.now() / 1_000);
  const { tenantId, userId, role, permissions, deviceId, jti } = claims;
  const body = {
    sub: userId,
    tenantId,
    role,
    applicationTypes: claims.applicationTypes ?? applicationsOfRole[role],
    permissions, // JSON leaves out what is undefined
    deviceId,
    jti,
    iss: options.issuer,
    aud: options.audience,
    iat: now,
    nbf: options.notBeforeSeconds === undefined ? undefined : now + options.notBeforeSeconds,
    exp: now + Math.ceil(seconds),
  };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(body)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** Whom a verified token speaks for, with what it may do. */
export interface VerifiedToken {
  userId: string;
  tenantId: string;
  role: UserRole;
  applicationTypes: ApplicationType[];
  permissions: Permission[];
}

const HASHES: Readonly<Record<string, string>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

function parsed(part: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString());
    if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  } catch { /* told below */ }
  throw new Error('token_malformed: the token is no JWT');
}

const oneOf = <T extends string>(known: Readonly<Record<string, T>>, list: unknown): T[] | undefined =>
  Array.isArray(list) ? Object.values(known).filter((one) => list.includes(one)) : undefined;

/**
 * Verifies a token that is signed with a shared secret, as the hub does.
 *
 * @throws Error whose message begins with the code that the hub would answer.
 */
export function verifyToken(token: string, secret: string): VerifiedToken {
  const parts = token.split('.');
  if (parts.length !== 3) throw new Error('token_malformed: the token is no JWT');
  const hash = HASHES[String(parsed(parts[0])['alg'])];
  if (!hash) throw new Error('token_algorithm: the token is not signed with HS256, HS384 or HS512');
  const expected = createHmac(hash, secret).update(`${parts[0]}.${parts[1]}`).digest();
  const signature = Buffer.from(parts[2] ?? '', 'base64url');
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) {
    throw new Error('token_signature: the signature does not verify');
  }
  const claims = parsed(parts[1]);
  const now = Date.now() / 1_000;
  if (typeof claims['exp'] !== 'number') throw new Error('token_claims: exp is missing');
  if (claims['exp'] + LEEWAY_SECONDS < now) throw new Error('token_expired: get a fresh token');
  if (typeof claims['nbf'] === 'number' && claims['nbf'] - LEEWAY_SECONDS > now) {
    throw new Error('token_not_yet_valid: nbf lies in the future');
  }
  if (claims['type'] === 'refresh') throw new Error('token_claims: a refresh token opens nothing');
  const userId = claims['sub'] ?? claims['userId'];
  if (claims['userId'] !== undefined && claims['userId'] !== userId) throw new Error('token_claims: sub and userId differ');
  const who = { tenantId: String(claims['tenantId']), userId: typeof userId === 'string' ? userId : '', role: claims['role'] as UserRole };
  const wrong = wrongIn(who);
  if (wrong) throw new Error(`token_claims: ${wrong}`);
  return {
    ...who,
    applicationTypes: oneOf(ApplicationType, claims['applicationTypes']) ?? [...applicationsOfRole[who.role]],
    permissions: oneOf(Permission, claims['permissions']) ?? [...defaultPermissions[who.role]],
  };
}

/** A token, or a function that gives one whenever one is needed. */
export type TokenProvider = string | (() => string | Promise<string>);

/** How long before its end a token is not used any more, in milliseconds; of short ones, a tenth of what was left at first. */
const RENEW_BEFORE_MS = 30_000;

/** The token in use: asked for once, and again before it ends or when the hub says that it has. */
export class TokenSource {
  #token: string | undefined;
  #renewAtMs = 0;
  #asked: Promise<string> | undefined;

  constructor(private readonly provider: TokenProvider) {}

  current(): Promise<string> {
    if (this.#token !== undefined && Date.now() < this.#renewAtMs) return Promise.resolve(this.#token);
    this.#asked ??= this.#ask().finally(() => { this.#asked = undefined; });
    return this.#asked;
  }

  /** Says that the hub no longer takes `token`; answers whether another one can be asked for. */
  giveUp(token: string): boolean {
    if (this.#token === token) this.#token = undefined;
    return typeof this.provider === 'function';
  }

  async #ask(): Promise<string> {
    const token = typeof this.provider === 'function' ? await this.provider() : this.provider;
    this.#token = token;
    this.#renewAtMs = typeof this.provider === 'function' ? renewAtMs(token) : Infinity;
    return token;
  }
}

function renewAtMs(token: string): number {
  try {
    const end = parsed(token.split('.')[1])['exp'];
    if (typeof end !== 'number') return Infinity;
    const left = end * 1_000 - Date.now();
    return end * 1_000 - Math.min(RENEW_BEFORE_MS, left / 10);
  } catch {
    return Infinity; // no JWT: the hub will say so
  }
}
