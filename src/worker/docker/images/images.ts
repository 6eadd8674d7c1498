import type Dockerode from 'dockerode';
import { imageName, ownRegistry } from '../../../jobs/fields/image-name.ts';
import { effect } from '../../../lib/effect.ts';
import type { EngineContainers, EngineImages } from '../../engine/engine.ts';
import { asDockerFailure, orNull, unlessInUse } from '../failures.ts';
import { gearLabel, madeFromLabel } from '../labels.ts';
import { pullImage } from './pull.ts';

/** `streams`: for calls without a timeout. */
export function dockerImages(
  calls: Dockerode,
  streams: Dockerode,
  removeContainer: EngineContainers['removeContainer'],
): EngineImages {
  /** References of a gear's images from `makeImage`; the id of an image that has lost its name. */
  const imagesOf = async (gear: string) => {
    const filters = JSON.stringify({ label: [`${gearLabel}=${gear}`] });
    const found = await orNull('imagesOfGear', () => calls.listImages({ filters }));
    return (found ?? []).flatMap(({ Id, RepoTags, RepoDigests, Labels }) => {
      const names = (all: string[] | null | undefined) =>
        (all ?? []).filter((name) => !name.startsWith('<none>'));
      if (names(RepoTags).length + names(RepoDigests).length > 0)
        return names(RepoTags).filter((name) => name.startsWith(`${ownRegistry}/`));
      // An image without a name: Docker ended when it was about to name or remove it.
      return Labels?.[madeFromLabel] ? [Id] : []; // Others may be an operator's.
    });
  };

  return {
    async image(reference) {
      const wanted = imageName(reference);
      const found = await orNull('image', () => calls.getImage(wanted).inspect(), wanted);
      const names = [...(found?.RepoTags ?? []), ...(found?.RepoDigests ?? [])];
      if (!found || !names.some((name) => imageName(name) === wanted)) return null;
      const env = (found.Config.Env ?? []).map((entry) => {
        const [name = '', ...value] = entry.split('=');
        return { name, value: value.join('=') };
      });
      return { id: found.Id, env, madeFrom: found.Config.Labels?.[madeFromLabel] ?? null };
    },

    async makeImage({ image, from, env, gear }) {
      const name = makerOf(gear);
      await removeContainer(name);
      try {
        const { Config } = await effect('docker.image', () => calls.getImage(from).inspect(), from);
        // Docker makes no container without a command; a gear of such an image names one itself.
        const command = Config.Cmd?.length || Config.Entrypoint?.length ? {} : { Cmd: ['-'] };
        const container = await effect('docker.createContainer', () =>
          calls.createContainer({ name, Image: from, ...command }),
        );
        const [repo, tag] = image.split(':');
        // Docker takes everything else from the container, which has it from the image.
        const options: object = {
          _query: { container: container.id, repo, tag, pause: false },
          _body: { Env: env, Labels: { [gearLabel]: gear, [madeFromLabel]: from } },
        };
        await effect('docker.commit', () => container.commit(options), image);
      } catch (error) {
        throw asDockerFailure(error);
      } finally {
        await removeContainer(name);
      }
    },

    async removeImages(gear, except) {
      await removeContainer(makerOf(gear)); // Left by a crash.
      for (const image of await imagesOf(gear)) {
        if (image === except) continue;
        await unlessInUse(orNull('removeImage', () => calls.getImage(image).remove(), image));
      }
    },

    pull: (reference, onProgress, signal) =>
      effect('docker.pull', () => pullImage(streams, reference, onProgress, signal), reference),
  };
}

/** The container that an image for a gear is made from; it never runs. */
const makerOf = (gear: string) => `geard-environment-${gear}`;
