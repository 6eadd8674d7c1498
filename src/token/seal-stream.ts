import { hkdfSync, randomBytes } from 'node:crypto';
import { Failure } from '../jobs/errors.ts';
import { decrypt, encrypt, tagBytes } from '../lib/aes-gcm.ts';

/**
 * Seals a stream from one worker to another, piece by piece, so that nothing in between can read
 * it, change it, drop or swap pieces, or cut it short: AES-256-GCM under a key of this stream
 * alone, which HKDF derives from a daemon key's secret and a salt. A piece's nonce is its number
 * and whether it is the last ("STREAM", Hoang et al., 2015).
 *
 * The format: a byte with the length of the daemon key's id; the id; the salt; then pieces. A piece
 * is 4 bytes, one bit that marks the last piece and 31 bits of length, then ciphertext and tag.
 * `about` is authenticated with each piece.
 */

/** Lengths of the salt and of a piece's header, in bytes. */
const saltBytes = 16;
const headerBytes = 4;
const lastBit = 0x8000_0000;
/** Maximum size of a piece, in bytes. */
const pieceBytes = 64 * 1024;

const keyFrom = (secret: Buffer, salt: Buffer) =>
  Buffer.from(hkdfSync('sha256', secret, salt, 'geard stream 1', 32));

function nonceOf(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 3);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

/** Seals a body under the secret of the daemon key with this id. */
export async function* sealPieces(
  body: AsyncIterable<Uint8Array>,
  kid: string,
  secret: Buffer,
  about: string,
): AsyncGenerator<Uint8Array> {
  const salt = randomBytes(saltBytes);
  const key = keyFrom(secret, salt);
  let number = 0;
  const piece = (bytes: Uint8Array, isLast: boolean): Buffer => {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt32BE(((isLast ? lastBit : 0) | (bytes.length + tagBytes)) >>> 0);
    return Buffer.concat([header, encrypt(key, nonceOf(number++, isLast), bytes, about)]);
  };
  yield Buffer.concat([Buffer.from([kid.length]), Buffer.from(kid), salt]);
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += pieceBytes)
      yield piece(chunk.subarray(at, at + pieceBytes), false);
  }
  yield piece(Buffer.alloc(0), true);
}

/** The key of a stream, from its first bytes; null while they are incomplete. */
function keyIn(
  bytes: Buffer,
  secretOf: (kid: string) => Buffer | null,
): { key: Buffer; length: number } | null {
  const kidEnd = 1 + (bytes[0] ?? 0);
  const length = kidEnd + saltBytes;
  if (bytes.length < length) return null;
  const secret = secretOf(bytes.toString('utf8', 1, kidEnd));
  if (secret === null) throw notSealed();
  return { key: keyFrom(secret, bytes.subarray(kidEnd, length)), length };
}

/** The first piece in the bytes received so far; null while it is incomplete. */
function pieceIn(bytes: Buffer): { body: Buffer; isLast: boolean } | null {
  if (bytes.length < headerBytes) return null;
  const header = bytes.readUInt32BE();
  const isLast = header >= lastBit;
  const length = isLast ? header - lastBit : header;
  if (length < tagBytes || length > pieceBytes + tagBytes) throw notSealed();
  const body = bytes.subarray(headerBytes, headerBytes + length);
  return body.length < length ? null : { body, isLast };
}

/**
 * Opens a stream sealed under one of our secrets. Throws when it was not, or was changed or cut
 * short.
 */
export async function* openPieces(
  sealed: AsyncIterable<Uint8Array>,
  secretOf: (kid: string) => Buffer | null,
  about: string,
): AsyncGenerator<Uint8Array> {
  let key: Buffer | null = null;
  let number = 0;
  let isOver = false;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of sealed) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]);
    if (key === null) {
      const start = keyIn(rest, secretOf);
      if (start === null) continue;
      key = start.key;
      rest = rest.subarray(start.length);
    }
    for (let piece = pieceIn(rest); piece !== null; piece = pieceIn(rest)) {
      const { body, isLast } = piece;
      const bytes = isOver ? null : decrypt(key, nonceOf(number++, isLast), body, about);
      if (bytes === null) throw notSealed();
      isOver = isLast;
      rest = rest.subarray(headerBytes + body.length);
      if (bytes.length > 0) yield bytes;
    }
  }
  if (!isOver || rest.length > 0) throw notSealed();
}

const notSealed = () =>
  new Failure(
    'clone_failed',
    'the stream was not sealed by a worker of this fleet, or was changed on its way',
  );
