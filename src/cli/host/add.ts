import { randomBytes } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { hostName } from '../../jobs/fields/identifier.ts';
import { readSecret, readTrusted } from '../../lib/files/trusted-files.ts';
import { workerAcl, workerUser } from '../../queue/redis/acl.ts';
import { act } from '../act.ts';
import { BadConfig, contradictions, type Flags, linesWhere, readSettings } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { maxFileLength, writeInvitation } from './invitation.ts';

const named = ['redis', 'redisCa', 'insecureRedis', 'keys', 'fleet'] as const;

interface AddFlags extends Flags {
  adminUser: string;
  adminPasswordFile?: string;
  aclFile?: string;
}

/**
 * `gear host add NAME`: creates a host's Redis user and prints the command for the host to join.
 */
export function addCommand(): Command {
  const command = new Command('add')
    .description("create a host's user in Redis and print the command with which the host joins the fleet")
    .argument('<name>');
  for (const option of named) command.addOption(optionFor(option));
  return command
    .option('--admin-user <name>', 'a Redis user that may create users', 'default')
    .addOption(new Option('--admin-password-file <file>', "file whose first line is that user's password"))
    .addOption(
      new Option(
        '--acl-file <file>',
        'instead: a Redis ACL file to add the user to (then run ACL LOAD)',
      ).conflicts('adminPasswordFile'),
    )
    .action((name: string, flags: AddFlags) => act(() => add(name, flags)));
}

async function add(host: string, flags: AddFlags): Promise<number> {
  const { redis, redisCa, insecureRedis, keys, fleet } = settingsFor(host, flags);
  const password = randomBytes(32).toString('hex');
  const user = workerUser(host);
  const text = writeInvitation({
    v: 1,
    host,
    fleet,
    redis,
    user,
    password,
    keys: await keysForHosts(keys),
    ...(redisCa !== undefined && { ca: await readCertificates(redisCa) }),
    ...(insecureRedis && { insecureRedis }),
  });
  const line = workerAcl(password, host);
  if (flags.aclFile !== undefined) await addToFile(flags.aclFile, user, line);
  else await addToRedis({ redis, redisCa, flags }, user, line);
  process.stderr.write(`gear: ${user} is made; run this as root on the host, where geard is installed:\n`);
  process.stdout.write(`gear host join <<'END'\n${text}END\n`);
  return 0;
}

/** Reads the settings of a host. Throws `BadConfig` also where its worker would refuse them. */
function settingsFor(host: string, flags: AddFlags) {
  const given = readSettings(named, flags);
  const { redis, keys } = given;
  const wrong = linesWhere({
    'a host is named with up to 63 lower-case letters, digits and -': !hostName.safeParse(host).success,
    '--redis is missing: the address at which the host reaches the Redis of the fleet': redis === undefined,
    '--keys is missing: the directory with the keys of the fleet': keys === undefined,
    '--admin-password-file is missing: the host gets a user of its own in Redis (or use --acl-file)':
      flags.adminPasswordFile === undefined && flags.aclFile === undefined,
  });
  if (redis === undefined || keys === undefined || wrong.length > 0) throw new BadConfig(...wrong);
  const ofWorker = { ...given, redisUser: workerUser(host), redisPasswordFile: 'redis.password' };
  const refused = contradictions('worker', ofWorker);
  if (refused.length > 0) throw new BadConfig(...refused);
  return { ...given, redis, keys };
}

async function readCertificates(file: string): Promise<string> {
  const text = await readTrusted(file);
  if (text.length <= maxFileLength) return text;
  const mend = 'name a file with only the certificates that this Redis needs';
  throw new BadConfig(`--redis-ca: ${file} has more than ${maxFileLength} characters; ${mend}`);
}

/** Returns the keys that a worker needs: those that open tokens, and those that verify them. */
async function keysForHosts(directory: string): Promise<Record<string, string>> {
  const [{ keyNames, readKeyring }, { keyFaults }] = await Promise.all([
    import('../../token/key-files.ts'),
    import('../../token/watch-keys.ts'),
  ]);
  const faults = keyFaults(directory, await readKeyring(directory));
  if (faults.length > 0) throw new BadConfig(...faults);
  const files: Record<string, string> = {};
  for (const [file, , role, half] of await keyNames(directory)) {
    if ((role === 'issuer') === (half === 'pub')) files[file] = await readTrusted(join(directory, file));
  }
  return files;
}

/** Creates the user as an administrator. Says so when Redis would lose it. */
async function addToRedis(
  { redis, redisCa, flags }: { redis: string; redisCa: string | undefined; flags: AddFlags },
  user: string,
  line: string,
): Promise<void> {
  const password = await readSecret(flags.adminPasswordFile ?? '');
  const ca = redisCa === undefined ? {} : { tls: { ca: await readTrusted(redisCa) } };
  const { makeUser } = await import('../../queue/redis/acl-user.ts');
  const unsaved = await makeUser({ url: redis, username: flags.adminUser, password, ...ca }, line);
  if (unsaved === null) return;
  process.stderr.write(`gear: Redis has not saved ${user}, so it loses it when it restarts: ${unsaved}\n`);
  process.stderr.write(
    'gear: an ACL file that Redis can write (aclfile in redis.conf) keeps it; or use --acl-file, then ACL LOAD\n',
  );
}

async function addToFile(file: string, user: string, line: string): Promise<void> {
  const text = await readFile(file, 'utf8');
  if (text.split('\n').some((one) => one.startsWith(`user ${user} `)))
    throw new BadConfig(`--acl-file: ${user} is in ${file} already; remove that line to add the host again`);
  await appendFile(file, `${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
}
