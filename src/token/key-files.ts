import { mkdir, open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from 'jose';
import { z } from 'zod';
import { assertOwned, readTrusted } from '../lib/files/trusted-files.ts';
import { parseJson } from '../lib/parse-json.ts';
import { agreement, point, signing } from './format.ts';
import type { DaemonKey, Keyring } from './keyring.ts';
import type { NamedKey } from './mint.ts';

/**
 * Keys lie in one directory, each in a file of its own as a JSON Web Key (RFC 7517, RFC 8037):
 *   <kid>.issuer.key   private: signs tokens
 *   <kid>.issuer.pub   public: verifies them
 *   <kid>.daemon.key   private: opens tokens
 *   <kid>.daemon.pub   public: tokens are encrypted to it
 * A minter needs issuer.key and daemon.pub; daemons, apis and workers need daemon.key and
 * issuer.pub.
 */
const roles = {
  issuer: { kty: 'OKP', crv: 'Ed25519', alg: signing, use: 'sig' },
  daemon: { kty: 'OKP', crv: 'X25519', alg: agreement, use: 'enc' },
} as const;
export type KeyRole = keyof typeof roles;
type Half = 'key' | 'pub';

const keyFile = z.strictObject({
  kty: z.string(),
  crv: z.string(),
  x: point,
  d: point.optional(),
  kid: z.string(),
  alg: z.string().optional(),
  use: z.string().optional(),
});

const fileName = /^([A-Za-z0-9_-]{1,64})\.(issuer|daemon)\.(key|pub)$/;
/** Maximum length of a key file, in characters. */
const maxFileLength = 4_096;

/** Makes a key for each wanted role. Ids begin with the time, so that the last is the newest. */
export async function makeKeys(directory: string, wanted: readonly KeyRole[]) {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const time = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '');
  const made: { role: KeyRole; kid: string }[] = [];
  for (const role of wanted) {
    const { crv, alg, use } = roles[role];
    const pair = await generateKeyPair(alg, { crv, extractable: true });
    const [secret, open] = [await exportJWK(pair.privateKey), await exportJWK(pair.publicKey)];
    const kid = `${time}-${(await calculateJwkThumbprint(open)).replace(/[-_]/g, '').slice(0, 6)}`;
    const path = (half: Half) => join(directory, `${kid}.${role}.${half}`);
    await writeNew(path('key'), { ...secret, kid, alg, use }, 0o600);
    await writeNew(path('pub'), { ...open, kid, alg, use }, 0o644);
    made.push({ role, kid });
  }
  return made;
}

/** The files of a key and their purposes. */
export const keyFiles = (role: KeyRole, kid: string) => [
  { file: `${kid}.${role}.key`, what: role === 'issuer' ? 'signs tokens; secret' : 'opens tokens; secret' },
  { file: `${kid}.${role}.pub`, what: role === 'issuer' ? 'verifies tokens' : 'encrypts tokens' },
];

async function writeNew(path: string, jwk: JWK, mode: number): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    await file.chmod(mode); // Whatever the umask is.
    await file.writeFile(`${JSON.stringify(jwk, null, 2)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

interface ReadKey extends DaemonKey {
  role: KeyRole;
  kid: string;
  /** Its public value. */
  x: string;
}

export interface ReadKeys {
  keyring: Keyring;
  keys: readonly ReadKey[];
  /** Changes when any key changes. */
  version: string;
  /** The problems of keys that could not be read, one sentence each. */
  problems: string[];
  /** Those of the problems that may pass, such as too many open files: the former keys stay. */
  passing: ReadonlySet<string>;
}

/**
 * Reads the keys that a daemon needs from a directory. Where a problem may pass, the former key
 * stays; all former keys stay where the directory itself cannot be read.
 */
export async function readKeyring(directory: string, former: readonly ReadKey[] = []): Promise<ReadKeys> {
  const keys: ReadKey[] = [];
  const problems: string[] = [];
  const passing = new Set<string>();
  const note = (error: Error, affected: readonly ReadKey[]) => {
    problems.push(error.message);
    if (!mayPass(error) || affected.length === 0) return;
    passing.add(error.message);
    keys.push(...affected);
  };
  try {
    await assertOwned(directory);
    for (const [name, kid, role, half] of await keyNames(directory)) {
      if ((role === 'issuer') !== (half === 'pub')) continue;
      const affected = former.filter((key) => key.role === role && key.kid === kid);
      await readKey(join(directory, name), role, half, kid).then(
        (key) => keys.push(key),
        (error) => note(error, affected),
      );
    }
  } catch (error) {
    note(error as Error, former);
  }
  const version = keys.map(({ role, kid, x }) => `${role} ${kid} ${x}`).join('\n');
  return { keyring: keyringOf(keys), keys, version, problems, passing };
}

function keyringOf(keys: readonly ReadKey[]): Keyring {
  const of = (wanted: KeyRole) => keys.filter(({ role }) => role === wanted);
  return {
    issuers: new Map(of('issuer').map(({ kid, open }) => [kid, open])),
    daemons: new Map(of('daemon').map(({ kid, open, secret }) => [kid, { open, secret }])),
  };
}

const passingCodes = ['EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN', 'EINTR', 'EIO', 'ESTALE', 'ETIMEDOUT'];

/** Whether a system error says nothing about the file itself, which is there and may be read. */
function mayPass(error: Error): boolean {
  const { code = '' }: NodeJS.ErrnoException = error.cause instanceof Error ? error.cause : error;
  return passingCodes.includes(code);
}

/** Reads a minter's key, by default the newest one. Throws when it is missing or not valid. */
export async function readMinterKey(directory: string, role: KeyRole, wanted?: string): Promise<NamedKey> {
  const half = role === 'issuer' ? 'key' : 'pub';
  const names = await keyNames(directory).catch(() => []);
  const ids = names.filter((name) => name[2] === role && name[3] === half).map(([, kid]) => kid);
  const kid = wanted ?? ids.sort().at(-1);
  if (kid === undefined || !ids.includes(kid)) {
    const what = kid === undefined ? `no file <kid>.${role}.${half}` : `no ${kid}.${role}.${half}`;
    throw new Error(`there is ${what} in ${directory}; gear token keygen makes keys`);
  }
  const { open: key } = await readKey(join(directory, `${kid}.${role}.${half}`), role, half, kid);
  return { kid, key };
}

type KeyName = [file: string, kid: string, role: KeyRole, half: Half];

/** The key files of a directory, oldest first. Ignores other files. */
export async function keyNames(directory: string): Promise<KeyName[]> {
  const names = (await readdir(directory)).sort().map((name) => fileName.exec(name));
  return names.flatMap((match) => (match ? [[...match] as unknown as KeyName] : []));
}

async function readKey(path: string, role: KeyRole, half: Half, kid: string): Promise<ReadKey> {
  const text = await readTrusted(path, half === 'key');
  const parsed = keyFile.safeParse(text.length > maxFileLength ? null : parseJson(text));
  const { kty, crv, alg } = roles[role];
  const jwk = parsed.data;
  if (!jwk || jwk.kty !== kty || jwk.crv !== crv || (half === 'key') !== (jwk.d !== undefined)) {
    throw new Error(
      `${path} is not a ${half === 'key' ? 'private' : 'public'} ${crv} key in JSON Web Key format`,
    );
  }
  if (jwk.kid !== kid) throw new Error(`${path}: its kid must match the beginning of its file name`);
  const key = await importJWK(
    { kty, crv, x: jwk.x, ...(jwk.d === undefined ? {} : { d: jwk.d }) },
    alg,
  ).catch(() => {
    throw new Error(`${path}: the parts of the key do not match`);
  });
  // The secret of a public key is empty.
  return { role, kid, x: jwk.x, open: key as CryptoKey, secret: Buffer.from(jwk.d ?? '', 'base64url') };
}
