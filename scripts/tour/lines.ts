import { sampleImage, samplePort, tokenUrl } from './addresses.ts';
import type { Place } from './place.ts';
import { say } from './say.ts';

/** Prints what to try next. Every line works as it stands, and again: its request id is made anew each time. */
export function printLines({ prefix }: Place): void {
  const id = '$(date +%s%N)';
  const body = `{"ports":[{"external":"${samplePort}","internal":"8080"}]}`;
  const put = (path: string, more = '') => `curl -X PUT "${tokenUrl}/${path}?u=0&d=1${more}&r=1&i=${id}"`;
  say('it is your turn; these lines work in any shell of this machine:');
  const lines = [
    `${put('container', `&t=${encodeURIComponent(sampleImage)}`)} -H 'Prefer: wait=30' -d '${body}'`,
    `curl http://localhost:${samplePort}/`,
    `curl -N "${tokenUrl}/container/log?u=0&d=1&r=1&for=3"`,
    put('container/stopped'),
    put('container/started'),
    `curl "${tokenUrl}/container?u=0&d=1&r=1"`,
    `curl "${tokenUrl}/jobs?u=0&d=1&limit=3"`,
    `curl -X PUT "${tokenUrl}/repository?u=0&d=1&r=git$(date +%s)&i=${id}"`,
    `${prefix}systemctl status gear-1 --no-pager`,
    `${prefix}journalctl --unit gear-1 --no-pager`,
    `curl -X DELETE "${tokenUrl}/container?u=0&d=1&r=1&i=${id}"`,
  ];
  process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`);
}
