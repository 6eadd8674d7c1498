import Module, { createRequire } from 'node:module';
import type Dockerode from 'dockerode';

const require = createRequire(import.meta.url);
const dockerode = createRequire(require.resolve('dockerode'));

// dockerode always loads gRPC (to log in to a registry for BuildKit) and ssh2 (for an engine behind
// SSH). We use neither, and they are most of its cost: 150 modules and 10 MB of the worker's
// memory.
for (const unused of ['./session', 'docker-modem/lib/ssh']) {
  const path = dockerode.resolve(unused);
  const stub = new Module(path);
  stub.exports = () => {
    throw new Error(`${unused} of dockerode is not loaded`);
  };
  stub.loaded = true;
  require.cache[path] = stub;
}

/** dockerode without the parts we do not use. */
export const DockerClient: typeof Dockerode = require('dockerode');
