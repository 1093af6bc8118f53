/** A place in a tenant's log: everything up to `through`, and a few single messages beyond it that overtook. */
export interface Cursor {
  /** The log's incarnation: places of different ones have nothing to do with each other. */
  epoch: string;
  through: bigint;
  beyond: bigint[];
}

const CURSOR = /^(0|[1-9a-z][0-9a-z]{0,12})-(0|[1-9]\d{0,18})(?:\+([1-9]\d{0,18}(?:,[1-9]\d{0,18}){0,63}))?$/;

/** Reads the last argument of an event, such as `k3f9-1042` or `k3f9-4+9,12`; nothing where it is no cursor. */
export function parseCursor(text: unknown): Cursor | undefined {
  const [, epoch, through, beyond] = (typeof text === 'string' && CURSOR.exec(text)) || [];
  if (epoch === undefined || through === undefined) return undefined;
  return { epoch, through: BigInt(through), beyond: beyond ? beyond.split(',').map(BigInt) : [] };
}
