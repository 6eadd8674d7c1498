import type Dockerode from 'dockerode';
import { effect } from '../../lib/effect.ts';
import { asDockerFailure, hasStatus, orNull } from './failures.ts';

export interface DockerNetwork {
  name: string;
  /** In CIDR notation, of both families. */
  subnets: string[];
  /** Whether geard has made it. */
  ours: boolean;
}

/** What we want of Docker's networks. */
export interface DockerNetworks {
  networks(): Promise<DockerNetwork[]>;
  /** Makes a bridge of this name with a network; false where Docker has given the addresses or the name to another one. */
  createNetwork(wanted: { name: string; bridge: string; subnet: string }): Promise<boolean>;
  /** Removes a network of ours if it is there; one that a container uses stays. */
  removeNetwork(name: string): Promise<void>;
}

/** On every network that geard has made; says which it is. */
const networkLabel = 'geard.network';

export function dockerNetworks(calls: Dockerode): DockerNetworks {
  return {
    async networks() {
      const found = await orNull('networks', () => calls.listNetworks());
      return (found ?? []).map(({ Name, IPAM, Labels }) => ({
        name: Name,
        subnets: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
        ours: isOurs({ Labels }, Name),
      }));
    },

    async createNetwork({ name, bridge, subnet }) {
      const options = {
        Name: name,
        Driver: 'bridge',
        EnableIPv6: false,
        IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
        Options: { 'com.docker.network.bridge.name': bridge },
        Labels: { [networkLabel]: name },
      };
      try {
        await effect('docker.createNetwork', () => calls.createNetwork(options), name);
        return true;
      } catch (error) {
        if (hasStatus(error, 403) || hasStatus(error, 409)) return false;
        throw asDockerFailure(error);
      }
    },

    async removeNetwork(name) {
      const network = calls.getNetwork(name);
      const found = await orNull('network', () => network.inspect(), name);
      if (!isOurs(found ?? {}, name)) return;
      try {
        await orNull('removeNetwork', () => network.remove(), name);
      } catch (error) {
        if (!hasStatus((error as Error).cause, 403)) throw error;
      }
    },
  };
}

const isOurs = ({ Labels }: { Labels?: Record<string, string> | null | undefined }, name: string) =>
  Labels?.[networkLabel] === name;
