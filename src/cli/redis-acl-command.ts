import { Argument, type Command } from 'commander';
import { hostName } from '../jobs/fields/identifier.ts';
import { readSecret } from '../lib/files/trusted-files.ts';
import { adminAcl, apiAcl, workerAcl } from '../queue/redis/acl.ts';
import { act } from './act.ts';
import { BadConfig } from './options/config.ts';

const fewest = 16;

const roles = ['api', 'worker', 'admin'] as const;
type AclRole = (typeof roles)[number];

/** `gear redis-acl`: prints the line of Redis's ACL file for a role. */
export function fillRedisAcl(command: Command): void {
  command
    .addArgument(new Argument('<role>', 'who logs in with it').choices(roles))
    .option('--host <name>', 'the host of the worker')
    .requiredOption(
      '--password-file <file>',
      'file whose first line is the password; the ACL contains only its SHA-256',
    )
    .action((role: AclRole, { host, passwordFile }: { host?: string; passwordFile: string }) =>
      act(async () => {
        process.stdout.write(`${await aclLine(role, host, passwordFile)}\n`);
        return 0;
      }),
    );
}

async function aclLine(role: AclRole, host: string | undefined, passwordFile: string): Promise<string> {
  if ((role === 'worker') !== (host !== undefined))
    throw new BadConfig('--host names the host of the worker: only for worker, and required there');
  if (host !== undefined && !hostName.safeParse(host).success)
    throw new BadConfig('--host: must be a host name, the same as the --host of the worker');
  const password = await readSecret(passwordFile);
  if (password.length < fewest)
    throw new BadConfig(
      `--password-file: the password must have at least ${fewest} characters; openssl rand -hex 32`,
    );
  if (role === 'admin') return adminAcl(password);
  return role === 'api' ? apiAcl(password) : workerAcl(password, String(host));
}
