import type { Bench } from './measure.ts';
import { measureStreamingBackup } from './measure-streaming-backup.ts';

/** Base backups by each method, beside the programs that do the copying and the real Barman. */
export const backupBench: Bench = {
  name: 'backup',
  run: async (options) => [await measureStreamingBackup(options)],
};
