import type { Logger } from 'pino';
import type { HostPaths } from './domain/paths.ts';
import type { Docker } from './host/docker.ts';
import type { Reservations } from './host/ports.ts';
import type { Systemd } from './host/systemd.ts';

/** What one needs to work on a host. */
export interface Room {
  host: string;
  paths: HostPaths;
  systemd: Systemd;
  docker: Docker;
  reservations: Reservations;
  log: Logger;
}
