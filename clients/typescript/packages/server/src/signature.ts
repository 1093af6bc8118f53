import { createHmac, timingSafeEqual } from 'node:crypto';

/** The header in which the hub signs what it posts: `t=SECONDS,v1=HEX`. */
export const SIGNATURE_HEADER = 'x-foodtrack-signature';

/** How far the hub's clock and this one may be apart. */
const TOLERANCE_SECONDS = 300;

export interface SignatureOptions {
  /** What both sides know: `upstream.secret`, or a webhook's `secret`. Several while it is changed. */
  secret: string | readonly string[];
  /** How old a request may be, in seconds; 300 where absent. */
  toleranceSeconds?: number;
}

/**
 * Whether a request is the hub's, and of now.
 * `body` is what came, byte for byte: a body that was parsed and written again has another signature.
 */
export function isSignedByHub(header: string | undefined, body: Uint8Array, options: SignatureOptions): boolean {
  const [, seconds, signature] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(header ?? '') ?? [];
  if (seconds === undefined || signature === undefined) return false;
  const tolerance = options.toleranceSeconds ?? TOLERANCE_SECONDS;
  if (Math.abs(Date.now() / 1_000 - Number(seconds)) > tolerance) return false;
  const given = Buffer.from(signature, 'hex');
  const secrets = typeof options.secret === 'string' ? [options.secret] : options.secret;
  return secrets.some((secret) => {
    const expected = createHmac('sha256', secret).update(`${seconds}.`).update(body).digest();
    return timingSafeEqual(expected, given);
  });
}
