import Module, { createRequire } from 'node:module';
import type Dockerode from 'dockerode';

const require = createRequire(import.meta.url);
const dockerode = createRequire(require.resolve('dockerode'));

// dockerode loads gRPC (to log in at a registry for BuildKit) and ssh2 (for an engine behind SSH)
// with itself. We use neither, and both are most of what it takes: 150 modules and 10 MB of the
// worker's memory.
for (const unused of ['./session', 'docker-modem/lib/ssh']) {
  const path = dockerode.resolve(unused);
  const stub = new Module(path);
  stub.exports = () => {
    throw new Error(`${unused} of dockerode is not loaded`);
  };
  stub.loaded = true;
  require.cache[path] = stub;
}

/** dockerode without what we do not use of it. */
export const DockerClient: typeof Dockerode = require('dockerode');
