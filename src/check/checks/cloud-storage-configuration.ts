import type { Check } from '../check.ts';
import { failed } from '../verdict.ts';

/** No object store can be used yet, so a server that asks for one fails. */
export const cloudStorageConfiguration: Check = {
  name: 'cloud storage configuration',
  appliesTo: 'every',
  isCritical: true,
  run({ server }) {
    const { basebackups_directory: base, wals_directory: wals } = server.config.options;
    const isCloud = [base, wals].some((folder) => folder.includes('://'));
    return isCloud ? failed('object stores are not available yet') : undefined;
  },
};
