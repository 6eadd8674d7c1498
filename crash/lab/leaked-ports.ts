import type { LabHost } from './lab-host.ts';

/**
 * External ports that Docker's proxies hold for no container. Docker 20.10 leaves them so when the power goes while it makes
 * a container: it puts the container's endpoint back, then removes the endpoint and forgets its proxy. Nothing but a restart
 * of Docker gives such a port back.
 */
export async function leakedPorts(host: LabHost): Promise<number[]> {
  const { stdout } = await host.run('pgrep', '--list-full', 'docker-proxy');
  const held = [...stdout.matchAll(/-host-port (\d+)/g)].map(([, port]) => Number(port));
  const published = await host.ok('docker', 'ps', '--format', '{{.Ports}}');
  return [...new Set(held)].filter((port) => !published.includes(`:${port}->`));
}
