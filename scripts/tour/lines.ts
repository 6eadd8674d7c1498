import { apiUrl, gear, keys, project, sampleImage, samplePort, tokenUrl } from './addresses.ts';
import { must, type Place } from './place.ts';
import { say } from './say.ts';

/** Prints what to try next. Every line works as it stands, and again. */
export async function printLines(place: Place): Promise<void> {
  const { prefix } = place;
  const id = '$(date +%s%N)';
  const body = `{"ports":[{"external":"${samplePort}","internal":"8080"}]}`;
  const put = (path: string, more = '') => `curl -X PUT "${tokenUrl}/${path}?u=0&d=1${more}&r=1&i=${id}"`;
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
  say('it is your turn; these lines work in any shell of this machine:');
  print(lines);
  say('the same by gear; --help behind any of its commands tells more:');
  const program = `${prefix}${project}/bin/gear`;
  const named = `--api ${apiUrl}`;
  print([
    `${program} install web ${sampleImage} -p 8080 ${named}`,
    `${program} ls ${named}`,
    `${program} logs web --for 3s ${named}`,
    `${program} install web ${sampleImage} -p 8080 -e GREETING=hello ${named}`,
    `${program} remove web ${named}`,
  ]);
  say(
    'the same with real tokens: one that installs once, one that only reads, one that only removes. To make your own:',
  );
  print([`${program} token create --keys ${keys} --action '*.read' --expires 1h`]);
  print(await realLines(place));
}

const print = (lines: string[]) => process.stdout.write(`\n${lines.map((line) => `  ${line}\n`).join('')}\n`);

/** Lines with tokens that were made for them and for nothing else. */
async function realLines(place: Place): Promise<string[]> {
  const create = (...args: string[]) => {
    const where = ['--keys', keys, '--api', apiUrl, '--expires', '12h', '--r', 'mine'];
    return must(place, ...gear, 'token', 'create', ...where, ...args);
  };
  return (
    await Promise.all([
      create('--action', 'container.install', '--t', sampleImage, '--once', '--curl'),
      create('--action', 'container.read', '--curl'),
      create('--action', 'container.remove', '--once', '--curl'),
    ])
  ).map((line) => line.trim());
}
