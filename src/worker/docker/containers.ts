import type Dockerode from 'dockerode';
import type { EngineContainers } from '../engine/engine.ts';
import { followErrors } from './attach.ts';
import { hasStatus, orNull } from './failures.ts';
import { gearLabel } from './labels.ts';

/** `streams`: for calls without a timeout; `removals`: for waits for the ends of removals. */
export function dockerContainers(
  calls: Dockerode,
  streams: Dockerode,
  removals: Dockerode,
): EngineContainers {
  return {
    async container(name) {
      const found = await orNull('container', () => calls.getContainer(name).inspect(), name);
      if (!found) return null;
      const { Id, State, Image, Config } = found;
      const gear = Config.Labels?.[gearLabel] ?? null;
      const { Running: running, Pid: pid } = State;
      return { id: Id, running, pid, imageId: Image, image: Config.Image, gear };
    },

    async containersNamed(beginning) {
      const filters = JSON.stringify({ name: [`^/?${beginning}`] });
      const found = await orNull('containersNamed', () => calls.listContainers({ all: true, filters }));
      return (found ?? []).map(({ Names, Labels }) => ({
        name: (Names[0] ?? '').replace(/^\//, ''),
        gear: Labels[gearLabel] ?? null,
      }));
    },

    followErrors: (name, onText, signal) => followErrors(streams, name, onText, signal),

    async removeContainer(name) {
      const container = calls.getContainer(name);
      try {
        await orNull('removeContainer', () => container.remove({ force: true, v: true }), name);
      } catch (error) {
        // Another removal is in progress: its end is just as good.
        if (!hasStatus(error, 409)) throw error;
        const removed = () => removals.getContainer(name).wait({ condition: 'removed' });
        await orNull('waitRemoved', removed, name);
      }
    },
  };
}
