import { readFileSync } from 'node:fs';

import { PayloadCipher, type PayloadKey, payloadAdditionalData } from '@foodtrack/websocket-contract/encryption';
import { describe, expect, test } from 'vitest';

interface Vectors {
  payloadKey: string;
  payloads: { message: { id: string; type: string; tenantId: string; payload: Record<string, string> }; additionalData: string; plain: string }[];
}

const vectors = JSON.parse(readFileSync(new URL('../../../tests/vectors/encryption.json', import.meta.url), 'utf8')) as Vectors;
const key: PayloadKey = { kid: 'hub-3', key: vectors.payloadKey };
const envelope = { id: '0190b5a0-0000-7000-8000-0000000000ff', type: 'order:created', tenantId: 'pizza-roma' };

describe('encrypted payloads', () => {
  test('what another implementation encrypted is decrypted', async () => {
    const cipher = new PayloadCipher(() => key);
    for (const { message, additionalData, plain } of vectors.payloads) {
      const { alg: _, kid, iv: __, ciphertext: ___, ...outside } = message.payload;
      expect(Buffer.from(payloadAdditionalData(message, kid!, outside)).toString('hex')).toBe(additionalData);
      expect(await cipher.decrypt(message)).toEqual(JSON.parse(plain));
    }
  });

  test('what is encrypted comes back, and shows nothing but what routing needs', async () => {
    const cipher = new PayloadCipher(() => key);
    const payload = await cipher.encrypt(envelope, { note: 'ring twice 🍕' }, { orderId: 'o-1' });
    expect(payload).toMatchObject({ orderId: 'o-1', alg: 'A256GCM', kid: 'hub-3' });
    expect(JSON.stringify(payload)).not.toContain('ring');
    expect(await cipher.decrypt({ ...envelope, payload })).toEqual({ note: 'ring twice 🍕' });
    expect((await cipher.encrypt(envelope, {}, {})).iv).not.toBe((await cipher.encrypt(envelope, {}, {})).iv);
  });

  test('a message that was changed anywhere is refused', async () => {
    const cipher = new PayloadCipher(() => key);
    const payload = await cipher.encrypt(envelope, { note: 'n' }, { orderId: 'o-1' });
    const changed = [
      { ...envelope, payload: { ...payload, orderId: 'o-2' } },
      { ...envelope, payload: { ...payload, customerId: 'eve' } },
      { ...envelope, payload: { ...payload, ciphertext: `A${payload.ciphertext.slice(1)}` === payload.ciphertext ? `B${payload.ciphertext.slice(1)}` : `A${payload.ciphertext.slice(1)}` } },
      { ...envelope, id: '0190b5a0-0000-7000-8000-0000000000fe', payload },
      { ...envelope, type: 'order:updated', payload },
      { ...envelope, tenantId: 'sushi-oslo', payload },
      { ...envelope, payload: { ...payload, alg: 'none' } },
    ];
    for (const message of changed) await expect(cipher.decrypt(message)).rejects.toThrow();
    await expect(cipher.encrypt(envelope, {}, { kid: 'x' })).rejects.toThrow('cannot stand beside');
  });

  test('a key is asked for once, and again where it could not be had', async () => {
    const asked: (string | undefined)[] = [];
    const cipher = new PayloadCipher((kid) => {
      asked.push(kid);
      if (asked.length === 1) return Promise.reject(new Error('not now'));
      return Promise.resolve(key);
    });
    const { message } = vectors.payloads[0]!;
    await expect(cipher.decrypt(message)).rejects.toThrow('not now');
    await cipher.decrypt(message);
    await cipher.decrypt(message);
    expect(asked).toEqual(['hub-3', 'hub-3']);
    const other = new PayloadCipher(() => ({ ...key, kid: 'hub-9' }));
    await expect(other.decrypt(message)).rejects.toThrow('hub-9');
  });
});
