import { hkdfSync, randomBytes } from 'node:crypto';
import { tokenInvalid } from '../jobs/errors.ts';
import { decrypt, encrypt } from '../lib/aes-gcm.ts';
import { BoundedMap } from '../lib/bounded-map.ts';
import { parseJson } from '../lib/parse-json.ts';
import { outerKeyId } from './format.ts';
import type { KeySource } from './keyring.ts';
import { openPieces, sealPieces } from './seal-stream.ts';

/**
 * Seals messages between an api and a worker, token and body included, so that nothing between the
 * two can read or change them: AES-256-GCM under a key that HKDF (RFC 5869) derives from the secret
 * of a daemon key and a salt of this process. The purpose is authenticated with the message.
 *
 * `1.<key id>.<salt>.<nonce>.<ciphertext and tag>`, or `0.<text>` when there are no keys because
 * only the test token is accepted. A seal only hides; the token inside ensures that nothing happens
 * without an issuer's permission.
 */
export interface Sealer {
  /**
   * `token` selects the key: every process that can verify the token has it. Throws `token_invalid`
   * when the key is gone, because the token is then invalid, too.
   */
  seal(content: unknown, token: string, purpose: Purpose): string;
  /** The content sealed for this purpose, or null. */
  open(sealed: string, purpose: Purpose): unknown;
  /** Seals a stream between two workers; `token` selects the key, `about` describes the stream. */
  sealStream(body: AsyncIterable<Uint8Array>, token: string, about: string): AsyncIterable<Uint8Array>;
  /** Opens a stream sealed so; throws when it was not, or was changed or cut short. */
  openStream(sealed: AsyncIterable<Uint8Array>, about: string): AsyncIterable<Uint8Array>;
}

/** The purpose of a sealed message; it serves no other. */
export interface Purpose {
  /**
   * To become a job, to end one, to be answered now, to fetch a copy from its source, or to be the
   * answer.
   */
  use: 'job' | 'cancel' | 'answer' | 'copy' | 'answered';
  host: string;
  /** The id of the job, if it is known before the seal is opened. */
  job?: string;
  /** Of an answer: the hash of the sealed request. */
  request?: string;
}

const nameOf = ({ use, host, job = '', request = '' }: Purpose) => JSON.stringify([use, host, job, request]);

/** Maximum number of derived keys to remember, one per daemon key and process salt. */
const maxRemembered = 64;

export function createSealer(keys: KeySource, testToken: boolean): Sealer {
  const salt = randomBytes(16).toString('base64url');
  const secretOf = (kid: string) => keys().daemons.get(kid)?.secret ?? null;
  const keyFor = derivedKeys(secretOf);
  const kidFor = (token: string) => outerKeyId(token) ?? [...keys().daemons.keys()].sort().at(-1) ?? '';
  /** Without keys, when only the test token is accepted, there is nothing to seal with. */
  const sealsNothing = () => testToken && keys().daemons.size === 0;

  return {
    seal(content, token, purpose) {
      const text = JSON.stringify(content);
      const name = nameOf(purpose);
      if (sealsNothing()) return `0.${Buffer.from(JSON.stringify({ name, text })).toString('base64url')}`;
      const kid = kidFor(token);
      const key = keyFor(kid, salt);
      if (!key) throw tokenInvalid();
      const nonce = randomBytes(12);
      const sealed = encrypt(key, nonce, Buffer.from(text), name);
      return `1.${kid}.${salt}.${nonce.toString('base64url')}.${sealed.toString('base64url')}`;
    },

    open(sealed, purpose) {
      const [version, kid = '', withSalt = '', nonce = '', body = ''] = sealed.split('.', 6);
      const name = nameOf(purpose);
      if (version === '0') return testToken ? openPlain(kid, name) : null;
      const key = version === '1' ? keyFor(kid, withSalt) : null;
      if (!key) return null;
      const plain = decrypt(key, Buffer.from(nonce, 'base64url'), Buffer.from(body, 'base64url'), name);
      return plain && parseJson(plain.toString('utf8'));
    },

    sealStream(body, token, about) {
      if (sealsNothing()) return body;
      const kid = kidFor(token);
      const secret = secretOf(kid);
      if (secret === null) throw new Error('the key of the token was removed');
      return sealPieces(body, kid, secret, about);
    },

    openStream: (sealed, about) => (sealsNothing() ? sealed : openPieces(sealed, secretOf, about)),
  };
}

/** Derives the key from a daemon key and a process's salt; null: there is no such daemon key. */
function derivedKeys(secretOf: (kid: string) => Buffer | null) {
  const derived = new BoundedMap<string, Buffer>(maxRemembered);
  return (kid: string, salt: string): Buffer | null => {
    const secret = secretOf(kid);
    if (!secret) return null;
    const name = `${kid}.${salt}`;
    const known = derived.get(name);
    if (known) return known;
    const key = Buffer.from(hkdfSync('sha256', secret, Buffer.from(salt, 'base64url'), 'geard seal 1', 32));
    derived.set(name, key);
    return key;
  };
}

function openPlain(text: string, name: string): unknown {
  const plain = parseJson(Buffer.from(text, 'base64url').toString('utf8')) as Record<string, unknown> | null;
  return plain?.['name'] === name ? parseJson(String(plain['text'])) : null;
}
