import { readSecret, readTrusted } from '../../lib/files/trusted-files.ts';
import type { RedisAccess } from '../../queue/api-queue.ts';
import type { Config } from '../options/config.ts';

type RedisFiles = Pick<Config, 'redisUser' | 'redisPasswordFile' | 'redisCa' | 'redisCert' | 'redisKey'>;

/**
 * Returns the address of the fleet's Redis and our login there, with the contents of the files.
 * Throws when others can change them, or read the secret ones.
 */
export async function redisAccess(url: string, config: RedisFiles): Promise<RedisAccess> {
  const { redisUser, redisPasswordFile, redisCa, redisCert, redisKey } = config;
  const access: RedisAccess = { url };
  if (redisUser !== null) access.username = redisUser;
  if (redisPasswordFile !== null) access.password = await readSecret(redisPasswordFile);
  if (redisCa ?? redisCert ?? redisKey) {
    access.tls = {
      ...(redisCa !== null && { ca: await readTrusted(redisCa) }),
      ...(redisCert !== null && { cert: await readTrusted(redisCert) }),
      ...(redisKey !== null && { key: await readTrusted(redisKey, true) }),
    };
  }
  return access;
}
