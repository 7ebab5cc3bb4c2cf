import { join } from 'node:path';
import type { Server } from '../../config/server.ts';
import type { Check } from '../check.ts';
import { mendedBy } from '../remedies.ts';
import { failed } from '../verdict.ts';

/** No object store can be used yet, so a server that asks for one fails. */
export const cloudStorageConfiguration: Check = {
  name: 'cloud storage configuration',
  appliesTo: 'every',
  isCritical: true,
  about: 'The catalog',
  meaning: 'A folder is an object store; these are not available yet.',
  remedies: ['store-unavailable'],
  isShownOnlyWhenFailed: true,
  run({ server }) {
    const { basebackups_directory: base, wals_directory: wals } = server.config.options;
    const isCloud = [base, wals].some((folder) => folder.includes('://'));
    return isCloud
      ? failed('object stores are not available yet', mendedBy('store-unavailable', localFolders(server)))
      : undefined;
  },
};

function localFolders({ layout: { root } }: Server): Readonly<Record<string, string>> {
  return { base: join(root, 'base'), wals: join(root, 'wals') };
}
