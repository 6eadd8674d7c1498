import type { Redis } from 'ioredis';
import { apiAcl, workerAcl } from '../../src/queue/redis/acl.ts';

/** A line of an ACL file as the arguments of ACL SETUSER: rules in brackets are one. */
export function rulesOf(line: string): string[] {
  return (line.match(/\([^)]*\)|\S+/g) ?? []).slice(1);
}

export const passwords = { 'geard-api': 'the-password-of-apis', 'geard-h1': 'the-password-of-h1' };

/** Gives an api and the worker of h1 users of their own, on every server that may come to be a master. */
export async function makeUsers(servers: Redis[]): Promise<void> {
  const lines = [apiAcl(passwords['geard-api']), workerAcl(passwords['geard-h1'], 'h1')];
  for (const server of servers)
    for (const line of lines) await server.call('ACL', ['SETUSER', ...rulesOf(line)]);
}
