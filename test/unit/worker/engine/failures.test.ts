import { expect, test } from 'vitest';
import { withoutDirectories } from '../../../../src/worker/engine/failures.ts';

const docker = 'docker: Error response from daemon:';

test.each([
  [
    `${docker} error while mounting volume '/var/lib/docker/volumes/gear-a..data/_data': not a directory.`,
    `${docker} error while mounting volume '_data': not a directory.`,
  ],
  [
    'error mounting "/data/docker/volumes/a/_data" to rootfs at "/etc/app/config": not a directory',
    'error mounting "_data" to rootfs at "config": not a directory',
  ],
  ['lowerdir=/var/lib/docker/overlay2/l/A:/var/lib/docker/overlay2/l/B', 'lowerdir=A:B'],
  ['docker: open /srv/gears/units/gear-a.1f.env: no such file.', 'docker: open gear-a.1f.env: no such file.'],
  ["No such image: 'registry.example:5000/team/app:1'", "No such image: 'registry.example:5000/team/app:1'"],
  ['Get "https://registry.example/v2/": EOF', 'Get "https://registry.example/v2/": EOF'],
])('of the message %j people see %j', (message, shown) => {
  expect(withoutDirectories(message)).toBe(shown);
});
