import type Dockerode from 'dockerode';
import { effect } from '../../lib/effect.ts';
import type { EngineNetworks } from '../engine/engine.ts';
import { asDockerFailure, hasStatus, orNull, unlessInUse } from './failures.ts';
import { networkLabel } from './labels.ts';

export function dockerNetworks(calls: Dockerode): EngineNetworks {
  return {
    async networks() {
      const found = await orNull('networks', () => calls.listNetworks());
      return (found ?? []).map(({ Name, IPAM, Labels }) => ({
        name: Name,
        subnets: (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
        ours: isOurs(Labels, Name),
      }));
    },

    async createNetwork({ name, bridge, subnet }) {
      const options = {
        Name: name,
        CheckDuplicate: true, // Before API 1.44, Docker makes a second network of the same name.
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
        if (hasStatus(error, 403, 409)) return false;
        throw asDockerFailure(error);
      }
    },

    async removeNetwork(name) {
      const network = calls.getNetwork(name);
      const found = await orNull('network', () => network.inspect(), name);
      if (isOurs(found?.Labels, name))
        await unlessInUse(orNull('removeNetwork', () => network.remove(), name));
    },
  };
}

const isOurs = (labels: Record<string, string> | null | undefined, name: string) =>
  labels?.[networkLabel] === name;
