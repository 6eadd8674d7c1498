// Made by `npm run reference` from the definitions in src/jobs, which a browser need not load.

/** How each request is sent, and in which form its answer comes. */
export const operations = {
  'container.install': { method: 'PUT', path: '/container', answer: 'job' },
  'container.start': { method: 'PUT', path: '/container/started', answer: 'job' },
  'container.stop': { method: 'PUT', path: '/container/stopped', answer: 'job' },
  'container.restart': { method: 'PUT', path: '/container/restarted', answer: 'job' },
  'container.remove': { method: 'DELETE', path: '/container', answer: 'job' },
  'repository.create': { method: 'PUT', path: '/repository', answer: 'job' },
  'environment.replace': { method: 'PUT', path: '/environment', answer: 'job' },
  'environment.merge': { method: 'PATCH', path: '/environment', answer: 'job' },
  'host.drain': { method: 'PUT', path: '/host/draining', answer: 'job' },
  'host.undrain': { method: 'PUT', path: '/host/live', answer: 'job' },
  'host.repair': { method: 'PUT', path: '/host/repaired', answer: 'job' },
  'container.read': { method: 'GET', path: '/container', answer: 'document' },
  'container.list': { method: 'GET', path: '/containers', answer: 'document' },
  'container.log': { method: 'GET', path: '/container/log', answer: 'lines' },
  'content.archive': { method: 'GET', path: '/content{/ref*}', t: 'gitarchive', answer: 'bytes' },
  'environment.read': { method: 'GET', path: '/content{/ref*}', t: 'env', answer: 'text' },
  'job.list': { method: 'GET', path: '/jobs', answer: 'document' },
  'job.read': { method: 'GET', path: '/job/{id}', answer: 'document' },
  'job.log': { method: 'GET', path: '/job/{id}/log', answer: 'lines' },
  'job.cancel': { method: 'DELETE', path: '/job/{id}', answer: 'document' },
  'host.list': { method: 'GET', path: '/hosts', answer: 'document' },
  'drift.read': { method: 'GET', path: '/drift', answer: 'document' },
  'host.remove': { method: 'DELETE', path: '/host', answer: 'document' },
  whoami: { method: 'GET', path: '/whoami', answer: 'document' },
} as const;
