import { createCipheriv, createDecipheriv } from 'node:crypto';

const algorithm = 'aes-256-gcm';
const nonceBytes = 12;
export const tagBytes = 16;

/**
 * Encrypts with AES-256-GCM (NIST SP 800-38D). Returns the ciphertext and the tag; `about` is
 * authenticated, but not included.
 */
export function encrypt(key: Buffer, nonce: Buffer, plain: Uint8Array, about: string): Buffer {
  const cipher = createCipheriv(algorithm, key, nonce).setAAD(Buffer.from(about));
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/**
 * Decrypts and verifies. Returns null if the key, the nonce, the content or `about` does not match.
 */
export function decrypt(key: Buffer, nonce: Buffer, sealed: Buffer, about: string): Buffer | null {
  if (sealed.length < tagBytes || nonce.length !== nonceBytes) return null;
  const decipher = createDecipheriv(algorithm, key, nonce, { authTagLength: tagBytes })
    .setAAD(Buffer.from(about))
    .setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]);
  } catch {
    return null;
  }
}
